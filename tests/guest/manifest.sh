#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Prints everything about a tree that host and guest must agree on: names, types,
# modes, owners, sizes, times and link targets, then the checksum of every file's
# data. A folder .git is left out: git itself checks that.
set -euo pipefail

cd "${1:?names the tree}"
export LC_ALL=C
find . -name .git -prune -o -type d -printf 'd %m %U:%G %n %T@ %p\n' -o \
	-printf '%y %m %U:%G %n %s %T@ %p %l\n' | sort -k7
find . -name .git -prune -o -type f -print0 | sort -z | xargs -0 -r sha256sum
