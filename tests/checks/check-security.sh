#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that each test which docs/security.md names exists, and that there are as many violations of
# protocols as it says: their number does not sink.
#
# check-security.sh DOCUMENT BUILD_ROOT
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

least_violations=120

# Programs of the GLib test API below the build folder $1.
programs() {
	find "$1/tests/unit" "$1/tests/component" "$1/tests/sandbox" -maxdepth 1 -type f \
		-name '*test-*' -perm -u+x | sort
}

tests_of() {
	"$1" -l 2>/dev/null | grep '^/' || true
}

# Names in the text: a suite, a slash, and what it shows; not /proc and the like.
named() {
	# shellcheck disable=SC2016 # the quotes are the document's
	grep -oE '`/[a-z-]+/[^`]*`' "$1" | tr -d '`' | sort -u | grep -vE '^/(proc|dev|sys)/' || true
}

unknown() {
	local program
	comm -23 <(named "$1") <(programs "$2" | while read -r program; do
		tests_of "$program"
	done | sort -u) | sed 's/$/: named in the document, and there is no such test/'
}

# Rows "| test-hostile-THIS | 12 |" of the document: program and number.
rows() {
	sed -nE 's/^\| (test-hostile-[a-z]+) \| ([0-9]+) \|.*/\1 \2/p' "$1"
}

sunken() {
	local document=$1 root=$2 program said is all=0
	while read -r program said; do
		is=0
		[[ ! -x $root/tests/component/$program ]] ||
			is=$(tests_of "$root/tests/component/$program" | wc -l)
		[[ $is -ge $said ]] || echo "$program: $said cases are said to be, there are $is"
		all=$((all + is))
	done < <(rows "$document")
	[[ $all -ge $least_violations ]] || echo "only $all violations, of $least_violations"
	for program in "$root"/tests/component/test-hostile-*; do
		[[ ! -f $program || ! -x $program ]] ||
			rows "$document" | grep -q "^${program##*/} " ||
			echo "${program##*/}: not in the document"
	done
}

offences() {
	unknown "$1" "$2"
	sunken "$1" "$2"
}

mkdir -p "$scratch/build/tests/"{unit,component,sandbox}
plant build/tests/component/test-hostile-planted <<'END'
#!/bin/sh
echo '# a comment'
i=0; while [ $i -lt 130 ]; do i=$((i + 1)); echo "/hostile-planted/case $i"; done
END
chmod +x "$scratch/build/tests/component/test-hostile-planted"
plant document <<'END'
Shown by `/hostile-planted/case 7`, see `/proc/self/fd`.
| test-hostile-planted | 130 | what |
END
expect_silence offences "$scratch/document" "$scratch/build"
sed -i 's/130/131/' "$scratch/document"
expect_offence '131 cases are said' offences "$scratch/document" "$scratch/build"
sed -i 's/case 7/case 0/' "$scratch/document"
expect_offence 'case 0: named' offences "$scratch/document" "$scratch/build"
plant document <<<'nothing'
expect_offence 'only 0 violations' offences "$scratch/document" "$scratch/build"
expect_offence 'planted: not in the document' offences "$scratch/document" "$scratch/build"

expect_silence offences "$1" "$2"
