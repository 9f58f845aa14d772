#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Prints the path of the guests' first process (init.c), compiled for the first
# time or after a change.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${VIRTIOFSD_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/virtiofsd-lab}
sum=$(sha256sum <"$here/init.c")
init=$lab/init-${sum:0:16}
if [[ ! -x $init ]]; then
	mkdir -p "$lab"
	"${CC:-cc}" -std=gnu17 -O2 -Wall -Wextra -static -o "$init.$$" "$here/init.c"
	mv "$init.$$" "$init"
fi
echo "$init"
