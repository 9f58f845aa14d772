#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that the list of other daemons' options has all that such a daemon names in its --help.
#
# check-options-of-others.sh LIST PROGRAM NAME (the daemon's in the list)
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

# "--cache", and "-o xattr" for each word of "-o xattr|no_xattr".
in_help() {
	"$1" --help 2>&1 | grep -oE -- '^ *(-[a-zA-Z],? +)?(--[a-z][a-z0-9-]*|-o [a-z_]+([|/][a-z_]+)*)' |
		grep -oE -- '(--[a-z0-9-]+|-o .*)$' | sed -E ':a; s#^-o ([a-z_]+)[|/](.*)#-o \1\n-o \2#; ta' |
		sort -u
}

in_list() {
	sed -nE "s/^$2 [a-z]+ (--[a-z0-9-]+|-o [a-z_]+).*/\1/p" "$1" | sort -u
}

offences() {
	comm -13 <(in_list "$1" "$3") <(in_help "$2") | sed 's/$/: in --help, not in the list/'
	[[ -n $(in_help "$2") ]] || echo '--help names no options'
}

plant program <<'END'
#!/bin/sh
echo '  -h  --help    help'
echo '  --two=NUM     number'
echo '  -o x_y|no_x_y one thing'
END
chmod +x "$scratch/program"
plant list <<'END'
c works --two=3
c prints --help
c works -o x_y
rust works -o no_x_y
END
expect_offence '-o no_x_y: in --help' offences "$scratch/list" "$scratch/program" c
echo 'c works -o no_x_y=1' >>"$scratch/list"
expect_silence offences "$scratch/list" "$scratch/program" c
plant silent <<<'#!/bin/sh'
chmod +x "$scratch/silent"
expect_offence 'no options' offences "$scratch/list" "$scratch/silent" c

expect_silence offences "$1" "$2" "$3"
