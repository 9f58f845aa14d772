# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest: what depends on open files, then a day's work in phases, each
# between two syncs of the share, by which the host tells the requests apart.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

export GIT_AUTHOR_NAME=guest GIT_AUTHOR_EMAIL=guest@example.org
export GIT_COMMITTER_NAME=guest GIT_COMMITTER_EMAIL=guest@example.org

# --- open files -----------------------------------------------------------------

removed_file_stays_open() {
	local fd

	head -c 300000 /dev/urandom >removed
	cp removed /tmp/removed
	exec {fd}<>removed
	rm removed
	echo 1 >/proc/sys/vm/drop_caches
	cmp "/proc/self/fd/$fd" /tmp/removed
	echo more >>/tmp/removed
	cat /tmp/removed >"/proc/self/fd/$fd"
	echo 1 >/proc/sys/vm/drop_caches
	cmp "/proc/self/fd/$fd" /tmp/removed
	exec {fd}>&-
}

replaced_file_stays_open() {
	local fd

	echo old >replaced && echo new >other
	exec {fd}<replaced
	mv other replaced
	echo 1 >/proc/sys/vm/drop_caches
	[[ $(cat <&"$fd") == old && $(<replaced) == new ]]
	exec {fd}<&-
}

removed_directory_stays_open() {
	mkdir gone && cd gone && rmdir ../gone && [[ -z $(ls -A) ]]
	cd ..
}

# As git makes its objects.
unwritable_file_is_written() {
	local fd

	(umask 0333 && exec {fd}>unwritable && echo one >&"$fd" && echo two >&"$fd")
	[[ $(<unwritable) == $'one\ntwo' && $(stat -c %a unwritable) == 444 ]]
}

open_truncates() {
	echo "a long line" >truncated && echo short >truncated &&
		[[ $(<truncated) == short ]] && : >truncated && [[ ! -s truncated ]]
}

appenders_lose_nothing() {
	local i

	for i in 1 2 3 4; do
		for ((n = 0; n < 200; n++)); do echo "$i $n" >>appended; done &
	done
	wait
	[[ $(sort -u appended | wc -l) == 800 ]]
}

locks_hold() {
	: >locked
	flock locked flock --nonblock locked true && return 1
	flock --shared locked flock --shared --nonblock locked true
	flock locked true
}

mapped_program_runs() {
	cp /bin/true program && ./program && rm program
}

two_read_while_names_go() {
	local i

	mkdir many && (cd many && touch {1..3000}) || return 1
	echo 2 >/proc/sys/vm/drop_caches
	for i in 1 2; do
		find many -type f >"/tmp/found$i" &
	done
	wait
	cmp <(sort /tmp/found1) <(sort /tmp/found2) && [[ $(wc -l </tmp/found1) == 3000 ]] &&
		rm -r many
}

database_is_whole() {
	{
		echo "PRAGMA journal_mode=$1;"
		echo 'CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT);'
		for ((i = 0; i < 100; i++)); do
			echo "INSERT INTO t (text) VALUES ('row $i of the table');"
		done
	} | sqlite3 "$1.db" >/dev/null &&
		[[ $(sqlite3 "$1.db" 'SELECT count(*) FROM t; PRAGMA integrity_check;' |
		     tr '\n' ' ') == "100 ok " ]]
}

# The first argument says that only the requests of the phases are wanted.
if [[ ${1:-} != phases ]]; then
	check "a removed file is read and written until it is closed" removed_file_stays_open
	check "so is one that another has replaced" replaced_file_stays_open
	check "a removed directory is empty" removed_directory_stays_open
	check "a file is written by who made it, whatever its mode" unwritable_file_is_written
	check "opening truncates" open_truncates
	check "four that append lose nothing" appenders_lose_nothing
	check "locks exclude others in the guest" locks_hold
	check "a program that was just written runs" mapped_program_runs
	check "two list a directory at the same time, and it is removed" two_read_while_names_go
	check "sqlite works with a rollback journal" database_is_whole delete
	check "sqlite works with a write-ahead log" database_is_whole wal
fi

# --- phases -----------------------------------------------------------------------

phase() {
	sync -f /mnt
	check "$@"
	sync -f /mnt
}

program_is_right() {
	make -s -j2 && [[ $(./sum) == "$(<expected)" ]]
}

all_is_read() {
	[[ $(grep -rl 'return x' --exclude-dir=.git . | wc -l) == 2100 ]]
}

# A thousand files or so.
part_is_committed() {
	mkdir part
	(cd tree && find . -type f | sort | head -n 1000 | tar cf - -T -) | tar xf - -C part
	git -C part init -q && git -C part add -A && git -C part commit -q -m part
}

status_is_clean() {
	[[ -z $(git status --porcelain) ]]
}

phase "untar" tar xf tree.tar
cd tree || exit 1
echo 3 >/proc/sys/vm/drop_caches
phase "grep -r, nothing cached" all_is_read
phase "grep -r again" all_is_read
phase "make" program_is_right
cd .. || exit 1
check "git commits a part of the tree" part_is_committed
cd part || exit 1
echo 3 >/proc/sys/vm/drop_caches
phase "git status, nothing cached" status_is_clean
phase "git status again" status_is_clean
cd .. || exit 1
phase "git clone" git clone -q part clone
check "git finds the clone sound" git -C clone fsck --full
exit "$guest_failed"
