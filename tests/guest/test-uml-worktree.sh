#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that a source tree, a compiler, git, a data base and fio work in a guest
# on an ext4 share, and that host and guest agree on every byte afterwards.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require git gcc make sqlite3 fio mkfs.ext4 tar
require_assets uml

make_ext4_share 1G
"$guest_dir/make-tree.sh" "$work/tree"
tar cf "$share/tree.tar" -C "$work" tree
start_daemon --tag share
status=0
guest_args=("$guest_dir")
run_guest uml guest-worktree.sh --timeout 200 --mem 1G || status=$?
check_equal "the guest ends well" 0 "$status"
check_daemon_ended "the daemon ends by itself with its guest"
"$guest_dir/manifest.sh" "$share/tree" >"$work/manifest"
check "the guest's view of the share equals the host's" \
	diff "$work/manifest" "$share/manifest"
finish
