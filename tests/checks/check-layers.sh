#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that includes point down: every folder sees only the folders below it, private headers
# stay private, and each library is used only where it belongs.
#
# check-layers.sh SOURCE_ROOT
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

# The layer of a path below the root.
layer_of() {
	case $1 in
	fuse/passthrough/*) echo fuse/passthrough ;;
	*/*) echo "${1%%/*}" ;;
	*) echo . ;;
	esac
}

# may_include FILE HEADER: both below the root.
may_include() {
	local from to
	from=$(layer_of "$1")
	to=$(layer_of "$2")
	case $2 in
	*-internal.h | vhost/vring.h)
		# Unit tests look inside on purpose.
		[[ ${1%/*} == "${2%/*}" || $1 == tests/unit/* ]] || return 1
		;;
	esac
	case "$from:$to" in
	"$to:$from" | *:base | tests:* | daemon:vhost | daemon:sandbox | daemon:fuse) true ;;
	fuse:fuse/passthrough) [[ $2 == fuse/passthrough/fs.h ]] ;;
	daemon:fuse/passthrough) [[ $2 == fuse/passthrough/@(fs|xattr-map).h ]] ;;
	*) false ;;
	esac
}

# may_use_library FILE HEADER
may_use_library() {
	case "$2:$1" in
	seccomp.h:sandbox/* | seccomp.h:tests/*) true ;;
	seccomp.h:*) false ;;
	cap-ng.h:sandbox/* | cap-ng.h:fuse/passthrough/* | cap-ng.h:tests/*) true ;;
	cap-ng.h:*) false ;;
	glib*:daemon/* | glib*:tests/*) true ;;
	glib*:*) false ;;
	*) true ;;
	esac
}

# Lines "file:header", headers in quotes or angle brackets as written.
all_includes() {
	c_files "$1" | while read -r file; do
		sed -nE "s|^[ \t]*#[ \t]*include[ \t]*([<\"][^>\"]+)[>\"].*|${file#"$1"/}:\1|p" \
			"$file"
	done
}

offences() {
	local root=$1 file header
	all_includes "$root" | while IFS=: read -r file header; do
		if [[ $header == '<'* ]]; then
			may_use_library "$file" "${header#<}" ||
				echo "$file: the library of ${header#<} is not for this folder"
			continue
		fi
		header=${header#\"}
		if [[ $file == tests/* && -f $root/${file%/*}/$header ]]; then
			continue
		elif [[ ! -f $root/$header ]]; then
			echo "$file: \"$header\" is not a path from the root"
		elif ! may_include "$file" "$header"; then
			echo "$file: must not include \"$header\""
		fi
	done
}

for header in base/x.h vhost/x.h vhost/vring.h sandbox/x.h fuse/x.h fuse/x-internal.h \
	fuse/passthrough/fs.h fuse/passthrough/x.h daemon/x.h tests/lib/x.h; do
	plant "$header" <<<''
done
# planted FILE INCLUDE...: a file with these includes must be reported for each of them.
planted() {
	local file=$1 include
	shift
	for include in "$@"; do
		plant "$file" <<<"#include $include"
		expect_offence "$file: " offences "$scratch"
	done
	rm "$scratch/$file"
}
planted base/bad.c '"vhost/x.h"' '"daemon/x.h"' '"x.h"' '<glib.h>' '<seccomp.h>' '<cap-ng.h>'
planted vhost/bad.c '"fuse/x.h"' '"sandbox/x.h"' '"fuse/passthrough/fs.h"' '<glib.h>'
planted sandbox/bad.c '"vhost/x.h"' '"tests/lib/x.h"'
planted fuse/passthrough/bad.c '"fuse/x.h"' '"vhost/x.h"' '<seccomp.h>'
planted fuse/bad.c '"fuse/passthrough/x.h"' '"vhost/x.h"' '"daemon/x.h"'
planted daemon/bad.c '"vhost/vring.h"' '"fuse/x-internal.h"' '"tests/lib/x.h"' \
	'"fuse/passthrough/x.h"'
planted tests/component/bad.c '"fuse/x-internal.h"' '"nowhere.h"'
plant daemon/good.c <<'END'
#include <glib.h>
#include "base/x.h"
#include "fuse/passthrough/fs.h"
#include "fuse/x.h"
#include "sandbox/x.h"
#include "vhost/x.h"
END
expect_silence offences "$scratch"

expect_sources "$1"
expect_silence offences "$1"
