#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that two guests and the host make transactions in one SQLite data base at
# the same time, that none is lost or seen by halves, and that those left go on
# when a guest vanishes in the midst of one.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=sides.sh
. "$guest_dir/sides.sh"
# shellcheck source=transact.sh
. "$guest_dir/transact.sh"
require sqlite3
require_assets uml

all_started() { [[ -e $share/a.started && -e $share/b.started ]]; }
# lines_in COUNT NAME...: each has committed so much.
lines_in() {
	local name

	for name in "${@:2}"; do
		[[ -e $share/$name.committed ]] &&
			(($(wc -l <"$share/$name.committed") >= $1)) || return
	done
}

# start_all COUNT_A COUNT_B
start_all() {
	local side

	for side in a b; do
		# What one side has written the others must read, not remember.
		start_side "$side" --posix-lock --cache never
		guest_args=("$guest_dir/transact.sh" "$side" data.db "$1")
		boot_side "$side" guest-database.sh --mem 128M --timeout 120
		shift
	done
	until_true 60 all_started || bail "the guests do not start"
	: >"$share/go"
}

host_transacts() { (cd "$share" && transact_many data.db host "$1"); }
query() { sqlite3 "$share/data.db" "$1"; }

check_database() {
	check_equal "the data base is sound $1" ok "$(query 'PRAGMA integrity_check')"
	check_equal "nothing is left over $1" "0 $(query 'SELECT sum(n) FROM done')" \
		"$(query 'SELECT (SELECT sum(balance) FROM account), count(*) FROM log' |
			tr '|' ' ')"
}

all_take_part() {
	make_plain_share
	make_database "$share/data.db" "$1"
	start_all "$count" "$count"
	check "$count transactions are made by the host" host_transacts "$count"
	end_side a
	end_side b
	check_database "with the journal mode $1"
	check_equal "every transaction counts with the journal mode $1" \
		"a=$count b=$count host=$count" \
		"$(query "SELECT who || '=' || n FROM done ORDER BY who" | paste -sd' ')"
	rm -r "$share"
}

one_vanishes() {
	local n_a

	make_plain_share
	make_database "$share/data.db" delete
	start_all 1000000 "$count"
	host_transacts "$count" >"$work/host.log" 2>&1 &
	host=$!
	check "all make transactions" until_true 60 lines_in 5 a b host
	kill_side a
	daemon_pid=${side_daemon[a]}
	check_daemon_ended "the daemon of a killed guest ends with it"
	check "the host goes on when a guest vanishes" wait "$host"
	end_side b
	check_database "after a guest vanished"
	check_equal "the others lost nothing when a guest vanished" "$count $count" \
		"$(query "SELECT n FROM done WHERE who <> 'a'" | paste -sd' ')"
	n_a=$(($(query "SELECT n FROM done WHERE who = 'a'") - $(wc -l <"$share/a.committed")))
	check "nothing is lost of what the guest had committed" test $((n_a & ~1)) = 0
	rm -r "$share"
}

count=${GUEST_TEST_COUNT:-40}
all_take_part delete
all_take_part truncate
one_vanishes
finish
