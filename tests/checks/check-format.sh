#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that all C files have the committed format. The format of clang-format depends on its
# version, so it must be 14.
#
# check-format.sh SOURCE_ROOT
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

clang_format=$(command -v clang-format-14 || command -v clang-format || true)
if [[ -z $clang_format ]] || ! "$clang_format" --version | grep -q 'version 14\.'; then
	echo 'clang-format 14 is needed'
	exit 1
fi

# offences ROOT STYLE_FILE
offences() {
	c_files "$1" | xargs -r "$clang_format" --dry-run -Werror --style="file:$2"
}

plant base/bad.c <<<'int  main(void) { return 0; }'
expect_offence 'bad.c' offences "$scratch" "$1/.clang-format"
plant base/bad.c <<<$'int main(void)\n{\n\treturn 0;\n}'
expect_silence offences "$scratch" "$1/.clang-format"

expect_sources "$1"
expect_silence offences "$1" "$1/.clang-format"
