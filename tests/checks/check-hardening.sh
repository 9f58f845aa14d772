#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that the built program has the hardening the build asks for: a flag that a compiler or
# linker dropped in silence is found here, in the program and in the recorded commands.
#
# check-hardening.sh PROGRAM COMPILE_COMMANDS COMPILER_ID COMPILER...
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

# need TEXT PATTERN OFFENCE: one line of TEXT must match.
need() {
	grep -qE -- "$2" <<<"$1" || echo "$3"
}

# refuse TEXT PATTERN OFFENCE: no line of TEXT may match.
refuse() {
	! grep -qE -- "$2" <<<"$1" || echo "$3"
}

program_offences() {
	local header segments dynamic symbols notes
	header=$(readelf -hW "$1")
	segments=$(readelf -lW "$1")
	dynamic=$(readelf -dW "$1")
	symbols=$(readelf -sW --dyn-syms "$1")
	notes=$(readelf -nW "$1")
	need "$header" 'Type: +DYN' 'not position-independent (PIE)'
	need "$segments" 'GNU_RELRO' 'no read-only relocations (RELRO)'
	need "$dynamic" '\(FLAGS(_1)?\).*NOW' 'symbols are not bound at the start (BIND_NOW)'
	need "$segments" 'GNU_STACK.* RW ' 'executable stack'
	refuse "$segments" 'LOAD.* RWE ' 'a segment can be written and executed'
	refuse "$dynamic" '\((TEXTREL|RPATH|RUNPATH)\)' 'text relocations or a library search path'
	need "$symbols" ' __stack_chk_fail(@| |$)' 'no stack protector'
	need "$symbols" ' __[a-z0-9_]+_chk(@| |$)' 'no fortified functions (FORTIFY_SOURCE)'
	if grep -q 'X86-64' <<<"$header"; then
		need "$notes" 'x86 feature:.*IBT' 'no indirect branch tracking (IBT)'
		need "$notes" 'x86 feature:.*SHSTK' 'no shadow stack (SHSTK)'
	fi
}

# The compile commands of the product, one a line.
product_commands() {
	sed -nE 's/^ *"command": "(.*)",?$/\1/p' "$1" | grep -vE ' -c [^ ]*/tests/[^ ]*$'
}

# command_offences COMPILE_COMMANDS COMPILER_ID
command_offences() {
	local flag commands
	local flags=(-fstack-protector-strong -fstack-clash-protection '-D_FORTIFY_SOURCE=[23]')
	# clang 14 takes the next one only with a second flag that later versions refuse.
	[[ $2 == clang ]] || flags+=(-ftrivial-auto-var-init=zero)
	commands=$(product_commands "$1")
	[[ -n $commands ]] || echo 'no compile command of the product is recorded'
	for flag in "${flags[@]}"; do
		if grep -vqE -- " $flag( |$)" <<<"$commands"; then
			echo "compiled without $flag"
		fi
	done
}

offences() {
	program_offences "$1"
	command_offences "$2" "$3"
}

program=$1 commands=$2 compiler_id=$3
shift 3

# A program with none of it must be refused for each of it.
plant bad.c <<'END'
#include <string.h>
int main(int argc, char **argv)
{
	char buf[64];
	strcpy(buf, argv[argc - 1]);
	return buf[0];
}
END
"$@" -O1 -o "$scratch/bad" "$scratch/bad.c" -no-pie -fno-pie -fno-stack-protector \
	-U_FORTIFY_SOURCE -fcf-protection=none -Wl,-z,norelro -Wl,-z,lazy -Wl,-z,execstack \
	-Wl,-rpath,/nowhere 2>/dev/null
for offence in PIE RELRO BIND_NOW 'executable stack' 'search path' 'no stack protector' \
	FORTIFY_SOURCE IBT SHSTK; do
	[[ $(uname -m) == x86_64 || ! $offence =~ IBT|SHSTK ]] || continue
	expect_offence "$offence" program_offences "$scratch/bad"
done
plant bad.json <<<'    "command": "cc -O2 -o bad.o -c ../base/bad.c",'
for flag in stack-protector-strong stack-clash-protection FORTIFY_SOURCE trivial-auto-var-init; do
	expect_offence "$flag" command_offences "$scratch/bad.json" gcc
done

expect_silence offences "$program" "$commands" "$compiler_id"
