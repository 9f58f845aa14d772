#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that nothing half-done is left in the tree, and that every file says what it is: licence
# line first, then a comment with its purpose.
#
# check-words.sh SOURCE_ROOT
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

# In two parts, so that this file does not find itself.
markers="TO""DO|FIX""ME|X""XX|HA""CK"
licence='SPDX-License-Identifier: Apache-2.0'

leftovers() {
	source_folders "$1" | while read -r folder; do
		grep -rnIwE "$markers" "$folder" || true
	done
}

# The purpose: some letters in a comment that starts on the second line.
heads_of_c() {
	c_files "$1" | while read -r file; do
		[[ $(sed -n 1p "$file") == "/* $licence */" ]] ||
			echo "$file: the first line is not the licence line"
		[[ $(sed -n 2p "$file") == '/*'* ]] && sed -n '2,4p' "$file" | grep -q '[a-z]' ||
			echo "$file: no comment says what the file is for"
	done
}

heads_of_shell() {
	shell_files "$1" | while read -r file; do
		sed -n '2,8p' "$file" | grep '^# ' | grep -vF "$licence" |
			grep -v '^# shellcheck' | grep -q '[a-z]' ||
			echo "$file: no comment says what the file is for"
	done
}

offences() {
	leftovers "$1"
	heads_of_c "$1"
	heads_of_shell "$1"
}

good_head="/* $licence */"$'\n/*\n * Shows something.\n */'
for word in "TO""DO" "FIX""ME" "X""XX" "HA""CK"; do
	plant base/bad.c <<<"$good_head"$'\n'"/* $word: later */"
	expect_offence "$word: later" offences "$scratch"
done
plant base/bad.c <<<$'/*\n * Shows something.\n */'
expect_offence 'bad.c: the first line' offences "$scratch"
plant base/bad.c <<<"/* $licence */"$'\nint x;\n'
expect_offence 'bad.c: no comment' offences "$scratch"
rm "$scratch/base/bad.c"
plant tests/bad.sh <<<$'#!/bin/sh\necho\n'
expect_offence 'bad.sh: no comment' offences "$scratch"
rm "$scratch/tests/bad.sh"
plant base/good.c <<<"$good_head"$'\nchar name[] = "scratch-XXXXXX";'
expect_silence offences "$scratch"

expect_sources "$1"
expect_silence offences "$1"
