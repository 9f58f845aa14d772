# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest: a day's work in a source tree, a data base, and fio.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

export GIT_AUTHOR_NAME=guest GIT_AUTHOR_EMAIL=guest@example.org
export GIT_COMMITTER_NAME=guest GIT_COMMITTER_EMAIL=guest@example.org

tree_is_committed() {
	git init -q . && git add -A && git commit -q -m tree &&
		git fsck --full && [[ -z $(git status --porcelain) ]]
}

program_is_right() {
	make -s -j4 && [[ $(./sum) == "$(<expected)" ]]
}

tree_is_copied() {
	cp -a tree copy && diff -r tree copy
}

# One commit each, so a thousand times journal, fsync and unlink.
database_is_whole() {
	local mode=$1 count=$2

	{
		echo "PRAGMA journal_mode=$mode;"
		echo 'CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT);'
		for ((i = 0; i < count; i++)); do
			echo "INSERT INTO t (text) VALUES ('row $i of the table');"
		done
	} | sqlite3 "$mode.db" >/dev/null &&
		[[ $(sqlite3 "$mode.db" 'SELECT count(*) FROM t; PRAGMA integrity_check;' |
		     tr '\n' ' ') == "$count ok " ]]
}

fio_verifies() {
	fio --name=job --filename="fio.$1-$2" --rw="$1" --bs="$2" --size="$3" \
		--verify=crc32c --verify_fatal=1 --do_verify=1 --randrepeat=1 \
		--ioengine=psync --fallocate=none "${@:4}"
}

# Links, modes, times and owners for the host to compare.
state_is_written() {
	ln tree/expected tree/hard-link && chmod 4751 tree/Makefile &&
		touch -d '2001-02-03 04:05:06.789 UTC' tree/page1.txt &&
		chown 12:34 tree/page2.txt && mkfifo tree/fifo &&
		"$1/manifest.sh" tree >manifest
}

check "the tree unpacks" tar xf tree.tar
cd tree || exit 1
check_equal "all files of it are found" 4241 "$(find . -type f | wc -l)"
check_equal "grep reads all of it" 2100 "$(grep -rl 'return x' . | wc -l)"
check "make builds a program that computes the right result" program_is_right
cd ..
check "a copy of the tree equals it" tree_is_copied
check "the copy is removed" rm -r copy
cd tree || exit 1
check "git commits the tree and finds it sound" tree_is_committed
cd ..
check "sqlite keeps 700 transactions with a rollback journal" \
	database_is_whole delete 700
check "sqlite keeps 300 transactions with a write-ahead log" \
	database_is_whole wal 300
check "fio verifies random writes of 4 KiB" fio_verifies randwrite 4k 16m
check "fio verifies sequential writes of 4 KiB" fio_verifies write 4k 16m
check "fio verifies random writes of 1 MiB" fio_verifies randwrite 1m 128m
check "fio verifies sequential writes of 1 MiB" fio_verifies write 1m 128m
check "fio verifies sequential writes of 1 MiB past the page cache" \
	fio_verifies write 1m 64m --direct=1 --filename=fio.direct
check "the state of the tree is written down" state_is_written "$1"
exit "$guest_failed"
