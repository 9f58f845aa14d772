#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that the completions for shells know the options that --help has, and that bash's completes.
#
# check-completions.sh PROGRAM BASH ZSH FISH
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

# What bash offers for the words of a command line that stands before the cursor.
offered() (
	script=$1
	shift
	# shellcheck disable=SC1090 # the built one
	source "$script"
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	COMPREPLY=()
	_virtiofsd
	printf '%s\n' "${COMPREPLY[@]}"
)

in_help() {
	"$1" --help | sed -nE 's/^ *(-[A-Za-z], )?--([a-z][a-z0-9-]*).*/\2/p' | sort
}

offences() {
	diff <(in_help "$1") <(offered "$2" virtiofsd -- | sed 's/^--//' | sort) || true
	diff <(in_help "$1") <(sed -nE "s/^\t'\*--([a-z0-9-]+).*/\1/p" "$3" | sort) || true
	diff <(in_help "$1") <(sed -nE 's/.* -l ([a-z0-9-]+).*/\1/p' "$4" | sort) || true
	[[ $(offered "$2" virtiofsd --cache = al) == always ]] || echo 'bash: --cache=al'
	[[ $(offered "$2" virtiofsd --cache =) == *metadata ]] || echo 'bash: --cache='
	[[ $(offered "$2" virtiofsd --sandbox ch) == chroot ]] || echo 'bash: --sandbox ch'
}

plant program <<'END'
#!/bin/sh
echo '      --planted   an option that no completion has'
END
chmod +x "$scratch/program"
expect_offence '< planted' offences "$scratch/program" "$2" "$3" "$4"

expect_silence offences "$1" "$2" "$3" "$4"
