#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# What a container does to the layers below it: changes files of the image one way
# or another. Prints what came of it, for host and guest to compare.
#
# shellcheck disable=SC2317 # step calls the functions
set -euo pipefail
cd "${1:?names the tree}" || exit 1
export LC_ALL=C GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
git() { command git -c safe.directory='*' "$@"; }

# step NAME COMMAND...: what it prints and how it ends.
step() {
	local name=$1 status=0
	shift

	echo "== $name"
	"$@" 2>&1 || status=$?
	echo "-- $status"
}

other_branch() {
	git -C repo checkout -q other && git -C repo status --porcelain &&
		cat repo/file-7 && git -C repo checkout -q first && git -C repo fsck --full
}

commit_of_changes() {
	sed -i s/line/row/ repo/file-{1,2,3} && git -C repo commit -qam rows &&
		git -C repo rev-parse HEAD
}

# rename(2) alone, without what mv does when that fails.
bare_rename() {
	python3 -c 'import os, sys
try:
    os.rename(sys.argv[1], sys.argv[2])
except OSError as e:
    print(os.strerror(e.errno))' "$@"
}

open_across_copy_up() {
	local early

	exec {early}<etc/motd
	echo appended >>etc/motd
	cat <&"$early"
	exec {early}<&-
}

mapped_across_copy_up() {
	python3 -c 'import mmap
with open("etc/mapped", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
    m[0:4] = b"MMAP"
    m.flush()
print(open("etc/mapped").read(), end="")'
}

# The twins are one file below, and become two.
twins() {
	echo more >>twin-a
	cat twin-a twin-b
	stat -c '%n %s %h' twin-a twin-b
	[[ twin-a -ef twin-b ]]
}

new_names() {
	ln etc/motd etc/motd.link && echo both >>etc/motd.link && cat etc/motd &&
		[[ etc/motd -ef etc/motd.link ]] && stat -c %h etc/motd
}

opaque_folder() {
	rm -r gone && mkdir gone && echo new >gone/new && ls gone
}

attributes() {
	chmod 600 etc/mode && chown 12:34 etc/mode && touch -d 2001-02-03 etc/mode &&
		stat -c '%a %u:%g %Y %s' etc/mode && cat etc/mode
}

numbers_stay() {
	local before after

	before=$(stat -c %i etc/number) && : >>etc/number && echo x >>etc/number &&
		after=$(stat -c %i etc/number) && [[ $before == "$after" ]]
}

step "git changes branches" other_branch
step "git commits files that sed changed" commit_of_changes
step "a folder of the image is renamed" bare_rename lib lib-moved
step "mv copies it then" mv lib lib-moved
step "a file of the image is renamed" bare_rename etc/renamed etc/other
step "what was open sees what is appended" open_across_copy_up
step "a shared mapping writes to a file of the image" mapped_across_copy_up
step "two names of one file of the image" twins
step "a file of the image gets another name" new_names
step "a removed folder is made again" opaque_folder
step "a file has its content when only its attributes change" attributes
step "the inode number stays" numbers_stay
step "a file is cut" truncate -s 3 etc/cut
step "a hundred files are removed" rm -r many
step "all that is there" find . -name .git -prune -o -type f -printf '%p %m %s %n\n' -o \
	-type d -printf '%p %m\n' | sort
