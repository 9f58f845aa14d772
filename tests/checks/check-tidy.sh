#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that clang-tidy, as .clang-tidy sets it up, has nothing to say about the product's sources.
#
# check-tidy.sh SOURCE_ROOT
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

config=$1/.clang-tidy
read -ra flags < <(pkg-config --cflags glib-2.0 libseccomp libcap-ng)
flags+=(-std=gnu17 -O2 "-I$1" -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 '-DVIRTIOFSD_VERSION="0"')

# offences ROOT: one line per finding, one file per processor at a time.
offences() {
	find "$1"/{base,vhost,fuse,sandbox,daemon} -name '*.c' 2>/dev/null | sort |
		xargs -P "$(nproc)" -I '{}' \
			clang-tidy --quiet --config-file="$config" '{}' -- "${flags[@]}" 2>/dev/null |
		grep -E '(error|warning): ' || true
}

plant base/bad.c <<<'int bad(int a); int bad(int a) { return a == a; }'
expect_offence 'misc-redundant-expression' offences "$scratch"
plant base/bad.c <<<'int good(int a); int good(int a) { return a; }'
expect_silence offences "$scratch"

expect_sources "$1"
expect_silence offences "$1"
