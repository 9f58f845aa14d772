#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that files which the host replaces while a guest reads them, keeps them open
# and runs them are old or new at any time and new after the timeout, and never
# stale: as editors do it, rsync and git, with many descriptors and with few.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=sides.sh
. "$guest_dir/sides.sh"
require gcc git rsync
require_assets uml

rounds=${GUEST_TEST_COUNT:-100}
n_many=600

export GIT_AUTHOR_NAME=host GIT_AUTHOR_EMAIL=host@example.org
export GIT_COMMITTER_NAME=host GIT_COMMITTER_EMAIL=host@example.org

# The text of a version: what replaced-reader.c expects.
version_text() {
	local line i

	printf -v line '%07d' "$1"
	for ((i = 0; i < 1 + $1 * 37 % 3000; i++)); do
		echo "$line"
	done
}

make_program() {
	cat >"$share/.program.new" <<PROGRAM
#!/bin/bash
echo $1
PROGRAM
	chmod +x "$share/.program.new"
	mv "$share/.program.new" "$share/program"
}

make_repository() {
	mkdir "$share/repo"
	git -C "$share/repo" init -q -b version0
	git -C "$share/repo" config core.checkStat minimal
	for ((version = 1; version <= 4; version++)); do
		version_text "$version" | tee "$share/repo/one" >"$share/repo/two"
		git -C "$share/repo" add -A
		git -C "$share/repo" commit -q -m "version $version"
		git -C "$share/repo" branch "version$version"
	done
}

# Replaces all with the version; git knows only four.
replace_all() {
	local text=$work/text file

	version_text "$1" >"$text"
	cp "$text" "$share/.edited.swp" && mv "$share/.edited.swp" "$share/edited"
	ln -f "$share/backed-up" "$share/backed-up~" && cp "$text" "$share/.new" &&
		mv "$share/.new" "$share/backed-up"
	# Whole files, told apart by their sums: sizes may be equal and times are.
	cp "$text" "$work/source/synced" && rsync -a --checksum "$work/source/" "$share/sub/"
	git -C "$share/repo" checkout -q "version$1"
	make_program "$1"
}

make_replaced_share() {
	local i

	make_plain_share
	mkdir "$share/many" "$share/sub" "$work/source"
	for ((i = 0; i < n_many; i++)); do
		: >"$share/many/$i"
	done
	version_text 4 | tee "$share/edited" "$share/sub/synced" >"$share/backed-up"
	make_program 4
	make_repository
}

# replace NAME MANY OPTION...: one guest.
replace() {
	local name=$1 many=$2 round status=0
	shift 2

	note "$name"
	make_replaced_share
	start_side s "$@"
	guest_args=("$work/replaced-reader" "$many")
	boot_side s guest-replaced.sh --mem 256M --timeout 200
	until_true 60 test -e "$share/started" || bail "the guest does not start"
	for ((round = 0; round < rounds; round++)); do
		replace_all $((round % 4 + 1)) >"$work/replace.out" 2>&1 || status=$?
	done
	check_equal "the host replaces files $name" 0 "$status"
	((status == 0)) || sed 's/^/# /' "$work/replace.out"
	echo $(((round - 1) % 4 + 1)) >"$share/.stop"
	mv "$share/.stop" "$share/stop"
	end_side s
	rm -r "$share" "$work/source"
}

"${CC:-cc}" -std=gnu17 -O2 -Wall -Wextra -o "$work/replaced-reader" \
	"$guest_dir/replaced-reader.c" || bail "replaced-reader does not build"
replace "with many descriptors" 0
replace "with few descriptors and file handles" 1 --rlimit-nofile=160 \
	--inode-file-handles=mandatory
replace "with few descriptors and no file handles" 1 --rlimit-nofile=160 \
	--inode-file-handles=never
finish
