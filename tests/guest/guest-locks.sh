# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest: locks shared with processes of the host. The test on the
# host holds, releases and answers when files with the agreed names appear.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

appears() {
	local tries

	for ((tries = 0; tries < 1000; tries++)); do
		[[ ! -e $1 ]] || return 0
		sleep 0.01
	done
	echo "$1 does not appear"
	return 1
}

# The lock is waited for while the same guest goes on working.
waits_without_holding_up() {
	local i waiter

	"$@" touch got &
	waiter=$!
	for ((i = 0; i < 200; i++)); do
		echo "$i" >"work" && [[ $(<work) == "$i" ]] || return
	done
	[[ ! -e got ]] && touch release && wait "$waiter" && [[ -e got ]] && rm got
}

# lockf HOW FILE START LENGTH COMMAND...: runs the command with bytes locked.
lockf() {
	python3 - "$@" <<'END'
import fcntl, subprocess, sys
how, name, start, length = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with open(name, "r+") as f:
    fcntl.lockf(f, getattr(fcntl, how) | (fcntl.LOCK_NB if length < 0 else 0),
                abs(length), start)
    sys.exit(subprocess.call(sys.argv[5:]))
END
}

bytes_are_refused_to_the_host() {
	lockf LOCK_EX bytes 10 10 bash -c 'touch bytes-locked
		until [[ -e bytes-tried ]]; do sleep 0.01; done'
	[[ $(<bytes-tried) == "refused granted" ]]
}

holder_is_named() {
	python3 - <<'END'
import fcntl, os, struct
r, w = os.pipe()
child = os.fork()
if child == 0:
    f = open("bytes", "r+")
    fcntl.lockf(f, fcntl.LOCK_EX, 5, 100)
    os.write(w, b"x")
    os.read(r, 0)
    import signal
    signal.pause()
os.read(r, 1)
with open("bytes", "r+") as f:
    ask = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
    kind, _, start, length, pid = struct.unpack("hhqqi4x", fcntl.fcntl(f, fcntl.F_GETLK, ask))
    assert (kind, start, length, pid) == (fcntl.F_WRLCK, 100, 5, child), (kind, start, length, pid)
    os.kill(child, 9)
    os.waitpid(child, 0)
    fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
END
}

# Together with as many on the host.
counter_counts() {
	local i pids=()

	touch counting
	for ((i = 0; i < $1; i++)); do
		# shellcheck disable=SC2016 # for the shell inside
		flock counter.lock bash -c 'n=$(<counter); echo $((n + 1)) >counter' &
		pids+=($!)
	done
	wait "${pids[@]}" && appears counted && [[ $(<counter) == $((2 * $1)) ]]
}

database_counts() {
	local i

	touch transacting
	for ((i = 0; i < $1; i++)); do
		printf '%s\n' '.timeout 20000' 'BEGIN IMMEDIATE;' 'UPDATE t SET n = n + 1;' \
			'INSERT INTO log VALUES (1);' 'COMMIT;'
	done | sqlite3 -bail data.db && appears transacted &&
		[[ $(sqlite3 data.db 'SELECT n FROM t; SELECT count(*) FROM log;
			PRAGMA integrity_check;' | tr '\n' ' ') == "$((2 * $1)) $((2 * $1)) ok " ]]
}

count=$1
check "flock is refused while the host has the lock" fails_with '' flock -n whole true
check "flock waits for the host and holds up nobody" \
	waits_without_holding_up flock whole
check "flock is granted again at once" flock -n whole true
rm release
touch hold-bytes
check "the host locks bytes" appears bytes-held
check "lockf is refused while the host has the bytes" \
	fails_with BlockingIOError lockf LOCK_EX bytes 5 -1 true
check "lockf of other bytes is granted" lockf LOCK_EX bytes 50 -1 true
check "lockf waits for the host and holds up nobody" \
	waits_without_holding_up lockf LOCK_EX bytes 0 10
check "the host is refused bytes that the guest has, and no others" \
	bytes_are_refused_to_the_host
check "who holds a lock is named, and a killed process holds none" holder_is_named
check "$count processes each here and on the host count with a lock" counter_counts "$count"
check "$count transactions each here and on the host count in one data base" \
	database_counts "$count"
exit "$guest_failed"
