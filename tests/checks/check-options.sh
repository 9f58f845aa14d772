#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that the manual page and --help know the same options.
#
# check-options.sh MANUAL_PAGE PROGRAM
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

# Options that have an entry of their own: the line after .TP or .TQ.
in_manual() {
	awk '/^\.T[PQ]/ { tag = 1; next } tag { print; tag = 0 }' "$1" |
		sed 's/\\-/-/g' | grep -oE -- '(^|[^a-z-])--[a-z][a-z0-9-]*' |
		grep -oE -- '--[a-z0-9-]+' | sort -u
}

# Options at the start of their line of --help, behind a short form if there is one.
in_help() {
	"$1" --help | sed -nE 's/^ *(-[A-Za-z], )?(--[a-z][a-z0-9-]*).*/\2/p' | sort -u
}

offences() {
	comm -3 <(in_manual "$1") <(in_help "$2") |
		sed -E 's/^\t(.*)/\1: in --help, not in the manual page/; t
			s/$/: in the manual page, not in --help/'
	[[ -n $(in_help "$2") ]] || echo '--help names no options'
}

plant program <<'END'
#!/bin/sh
echo 'Usage: program --not-an-entry'
echo '  -h, --help         help'
echo '  --one-thing=VALUE  text that mentions --another'
END
chmod +x "$scratch/program"
plant manual <<'END'
See
.BR \-\-elsewhere .
.TP
.BR \-h ", " \-\-help
.TP
.BI \-\-one\-thing= VALUE
END
expect_silence offences "$scratch/manual" "$scratch/program"
sed -i 's/one-thing/other-thing/' "$scratch/program"
expect_offence 'other-thing: in --help' offences "$scratch/manual" "$scratch/program"
expect_offence 'one-thing: in the manual' offences "$scratch/manual" "$scratch/program"
plant silent <<<'#!/bin/sh'
chmod +x "$scratch/silent"
expect_offence 'no options' offences "$scratch/manual" "$scratch/silent"

expect_silence offences "$1" "$2"
