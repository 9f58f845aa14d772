# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in a guest with a terminal: a shell for the user, with the size of the
# terminal that the guest cannot ask for.

stty rows "${1:-24}" cols "${2:-80}"
cat <<'TEXT'

You are in the guest. The share is mounted here, on /mnt; exit ends the guest.
TEXT
export PS1='guest:\w# ' TERM=${3:-vt100}
exec bash --norc -i
