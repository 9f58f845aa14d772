# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# For tests with several guests on one share, or with much to do while one runs: a
# side is a daemon and a guest. Sides have one-letter names. Guests run in the
# background; what they say is read by end_side.
#
# shellcheck disable=SC2034,SC2154 # lib.sh comes first and reads some

declare -A side_daemon=() side_socket=() side_guest=()

# start_side SIDE OPTION...: a daemon of its own on the same share.
start_side() {
	instance=-$1
	start_daemon --tag share "${@:2}"
	side_daemon[$1]=$daemon_pid
	side_socket[$1]=$socket
}

# boot_side SIDE SCRIPT [OPTION...]: as run_guest, without waiting for its end.
boot_side() {
	instance=-$1
	socket=${side_socket[$1]}
	daemon_pid=${side_daemon[$1]}
	run_guest uml "$2" "${@:3}" >"$work/results-$1" 2>&1 &
	side_guest[$1]=$!
}

# end_side SIDE: waits for the end of guest and daemon, and counts their results.
end_side() {
	local status=0

	wait "${side_guest[$1]}" || status=$?
	take_results < <(sed -E 's/^(not ok|ok) [0-9]+ - /CHECK \1: /; s/^# //' \
		"$work/results-$1")
	check_equal "guest $1 ends well" 0 "$status"
	daemon_pid=${side_daemon[$1]}
	check_daemon_ended "the daemon of guest $1 ends with it"
}

# kill_side SIDE: the guest is gone from one moment to the next.
kill_side() {
	kill "$(children_of "${side_guest[$1]}")"
	wait "${side_guest[$1]}" || true
}

# side_fds_of SIDE FILE: how many descriptors of it the daemon has.
side_fds_of() {
	find "/proc/$(server_of "${side_daemon[$1]}")/fd" -lname "*/$2" | wc -l
}
