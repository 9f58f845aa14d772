#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that flock, lockf and a data base exclude each other between processes of
# a guest and of the host, also when they wait.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require flock python3 sqlite3
require_assets uml

count=30

appears() { until_true 60 test -e "$share/$1"; }

# The other side of guest-locks.sh.
host_side() {
	cd "$share"
	flock whole bash -c 'touch ready; until [[ -e release ]]; do sleep 0.02; done'
	appears hold-bytes
	python3 - <<'END'
import fcntl, os, time
with open("bytes", "r+") as f:
    fcntl.lockf(f, fcntl.LOCK_EX, 20)
    open("bytes-held", "w").close()
    while not os.path.exists("release"):
        time.sleep(0.02)
    fcntl.lockf(f, fcntl.LOCK_UN)
    while not os.path.exists("bytes-locked"):
        time.sleep(0.02)
    said = []
    for start in 15, 20:
        try:
            fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start)
            said.append("granted")
        except BlockingIOError:
            said.append("refused")
with open("bytes-tried.new", "w") as f:
    f.write(" ".join(said) + "\n")
os.rename("bytes-tried.new", "bytes-tried")
END
	appears counting
	for ((i = 0; i < count; i++)); do
		# shellcheck disable=SC2016 # for the shell inside
		flock counter.lock bash -c 'n=$(<counter); echo $((n + 1)) >counter' &
	done
	wait
	touch counted
	appears transacting
	for ((i = 0; i < count; i++)); do
		printf '%s\n' '.timeout 20000' 'BEGIN IMMEDIATE;' 'UPDATE t SET n = n + 1;' \
			'INSERT INTO log VALUES (2);' 'COMMIT;'
	done | sqlite3 -bail data.db
	touch transacted
}

make_plain_share
echo 0 >"$share/counter"
touch "$share/whole" "$share/bytes"
sqlite3 "$share/data.db" \
	'CREATE TABLE t (n); INSERT INTO t VALUES (0); CREATE TABLE log (who);'
# What one side writes under a lock the other must read, not remember.
start_daemon --tag share --posix-lock --flock --cache never
host_side >"$work/host.log" 2>&1 &
host_pid=$!
appears ready || bail "the host side does not start"
status=0
guest_args=("$count")
run_guest uml guest-locks.sh --mem 256M --timeout 120 || status=$?
check_equal "the guest ends well" 0 "$status"
host_status=0
wait "$host_pid" || host_status=$?
check_equal "the host side ends well" 0 "$host_status"
[[ $host_status == 0 ]] || sed 's/^/# /' "$work/host.log"
check_daemon_ended "the daemon ends with its guest"
finish
