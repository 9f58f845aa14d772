#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that locks of two guests on one share, and of the host, exclude each other
# as those of local processes do: byte ranges of processes and of open files, and
# whole files; that who waits is woken by unlocking, closing and dying, of a process
# and of a whole guest; and that guests which wait for each other hold up nobody.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=sides.sh
. "$guest_dir/sides.sh"
# shellcheck source=agents.sh
. "$guest_dir/agents.sh"
require gcc
require_assets uml

start_all() {
	local side

	for side in a b; do
		start_side "$side" --posix-lock --flock
		guest_args=("$work/lock-agent" "$side"{1,2,3})
		boot_side "$side" guest-agents.sh --mem 128M --timeout 150
	done
	start_agents_on_host h1
}

# Everybody has the file in slot 0.
all_open() {
	local agent

	for agent in "${all[@]}"; do
		order "$agent" open 0 "$1"
	done
}

all_close() {
	local agent

	for agent in "${all[@]}"; do
		order "$agent" close 0
	done
}

# With KIND posix or ofd.
ranges_exclude() {
	local kind=$1

	expect ok a1 "$kind" 0 w 0 10
	expect ok b1 "$kind" 0 w 10 10
	expect ok h1 "$kind" 0 w 20 10
	expect EAGAIN a1 "$kind" 0 w 15 1
	expect EAGAIN a1 "$kind" 0 r 29 100
	expect EAGAIN b1 "$kind" 0 w 0 1
	expect EAGAIN b1 "$kind" 0 w 5 0
	expect EAGAIN h1 "$kind" 0 w 9 2
	expect EAGAIN a2 "$kind" 0 r 0 1
	verdict "written bytes are refused to all others, $kind"
	expect ok a1 "$kind" 0 u 3 4
	expect ok b1 "$kind" 0 w 3 4
	expect EAGAIN h1 "$kind" 0 r 2 1
	expect EAGAIN h1 "$kind" 0 r 6 1
	expect EAGAIN b2 "$kind" 0 r 7 1
	verdict "a range is given up in part, $kind"
	expect ok a1 "$kind" 0 r 100 100
	expect ok b1 "$kind" 0 r 150 100
	expect ok h1 "$kind" 0 r 180 10
	expect EAGAIN b1 "$kind" 0 w 180 10
	expect ok h1 "$kind" 0 u 0 0
	expect EAGAIN b1 "$kind" 0 w 180 10
	expect ok a1 "$kind" 0 u 180 10
	expect ok b1 "$kind" 0 w 180 10
	expect EAGAIN h1 "$kind" 0 r 185 1
	expect ok b1 "$kind" 0 r 180 10
	expect ok h1 "$kind" 0 r 185 1
	verdict "readers share and become writers when they are alone, $kind"
	expect ok a1 "$kind" 0 u 0 0
	expect ok b1 "$kind" 0 u 0 0
	expect ok h1 "$kind" 0 w 0 0
	expect ok h1 "$kind" 0 u 0 0
	verdict "everything is given up, $kind"
}

conflicts_are_shown() {
	local pid

	ask a1 pid
	pid=$answer
	expect ok a1 posix 0 w 5 10
	expect ok b1 posix 0 r 30 10
	expect "w 5 10 0" b2 ask 0 r 0 100
	expect "r 30 10 0" a2 ask 0 w 20 100
	expect free a2 ask 0 r 20 100
	expect "w 5 10 $pid" a2 ask 0 w 0 20
	expect "w 5 10 -1" h1 ask 0 w 0 20
	expect free a1 ask 0 w 0 20
	expect "w 5 10 -1" b2 ask-ofd 0 w 0 20
	expect ok h1 posix 0 w 60 5
	expect "w 60 5 0" a1 ask 0 w 50 0
	order a1 posix 0 u 0 0
	order b1 posix 0 u 0 0
	order h1 posix 0 u 0 0
	expect free b2 ask 0 w 0 0
	verdict "who asks is shown what is in the way"
}

# waiters_are_woken KIND FREE WORD...: two others wait for a1 or h1, which gives the lock
# up with the command.
waiters_are_woken() {
	local kind=$1 free=$2 holder range=(0 10)
	shift 2

	[[ $kind != flock ]] || range=()
	for holder in a1 h1; do
		expect ok "$holder" "$kind" 0 w "${range[@]}"
		tell b1 "$kind" 0 w "${range[@]}" wait
		expect_waiting b1 b2 a2
		expect ok "$holder" "$@"
		expect_answer ok b1
		[[ $1 != close ]] || order "$holder" open 0 "$file"
		tell "$holder" "$kind" 0 r "${range[@]}" wait
		expect_waiting "$holder" a2
		expect ok b1 "$kind" 0 r "${range[@]}"
		expect_answer ok "$holder"
		expect ok b1 "$kind" 0 u "${range[@]}"
		expect ok "$holder" "$kind" 0 u "${range[@]}"
	done
	verdict "who waits is woken by $free, $kind"
}

whole_files_exclude() {
	expect ok a1 flock 0 r
	expect ok b1 flock 0 r
	expect ok h1 flock 0 r
	expect EAGAIN b1 flock 0 w
	expect EAGAIN a2 flock 0 w
	# Having asked for more, b1 lost what it had.
	expect ok h1 flock 0 u
	expect ok a1 flock 0 w
	expect EAGAIN b1 flock 0 r
	expect EAGAIN h1 flock 0 r
	verdict "whole files are shared and exclusive"
	tell b1 flock 0 r wait
	tell h1 flock 0 r wait
	expect_waiting b1 b2
	expect_waiting h1 a2
	expect ok a1 flock 0 r
	expect_answer ok b1
	expect_answer ok h1
	verdict "a writer that becomes a reader lets readers in"
	tell a1 flock 0 w wait
	expect ok b1 flock 0 u
	expect_waiting a1 a2 b1
	expect ok h1 flock 0 u
	expect_answer ok a1
	verdict "a reader waits for the others to become a writer"
	expect ok b1 posix 0 w 0 0
	expect ok a1 flock 0 u
	expect ok b1 posix 0 u 0 0
	verdict "whole files and bytes are locked apart"
}

open_files_have_locks() {
	order a1 open 1 "$file"
	order b1 open 1 "$file"
	expect ok a1 ofd 0 w 0 10
	expect EAGAIN a1 ofd 1 w 0 10
	expect EAGAIN b1 posix 0 r 0 1
	expect ok a1 close 1
	expect EAGAIN b1 ofd 1 r 0 1
	expect EAGAIN h1 ofd 0 r 0 1
	tell b1 ofd 1 r 0 1 wait
	expect_waiting b1 b2
	expect ok a1 close 0
	expect_answer ok b1
	expect ok b1 close 1
	order a1 open 0 "$file"
	expect ok a1 ofd 0 w 0 10
	order a1 ofd 0 u 0 10
	verdict "locks of an open file go with its last descriptor"
	order a1 open 1 "$file"
	expect ok a1 posix 0 w 0 10
	expect EAGAIN b1 posix 0 w 0 10
	expect ok a1 close 1
	expect ok b1 posix 0 w 0 10
	expect EAGAIN a1 ofd 0 w 0 10
	order b1 posix 0 u 0 10
	verdict "locks of a process go with any descriptor of the file"
}

processes_die() {
	local pid

	ask a2 pid
	pid=$answer
	order a2 posix 0 w 0 10
	order a2 ofd 0 w 10 10
	order a2 flock 0 w
	tell b1 posix 0 w 0 10 wait
	tell b2 flock 0 w wait
	tell h1 ofd 0 w 10 10 wait
	expect_waiting b1 a1
	expect ok a1 kill "$pid"
	expect_answer ok b1
	expect_answer ok b2
	expect_answer ok h1
	verdict "a killed process of a guest gives up all its locks"
	expect ok b1 posix 0 u 0 0
	expect ok b2 flock 0 u
	expect ok h1 ofd 0 u 0 0
	ask a3 pid
	pid=$answer
	order a3 open 0 "$file"
	expect ok b1 posix 0 w 0 10
	tell a3 posix 0 w 0 10 wait
	expect_waiting a3 a1
	expect ok a1 kill "$pid"
	expect_waiting a3 a1 b2
	expect ok b1 posix 0 u 0 0
	expect ok b2 posix 0 w 0 10 wait
	expect ok b2 posix 0 u 0 0
	verdict "a process that is killed while it waits keeps nothing"
}

# Nobody can know of it: each guest sees half of the circle.
guests_wait_for_each_other() {
	expect ok a1 posix 0 w 0 1
	expect ok b1 posix 0 w 1 1
	tell a1 posix 0 w 1 1 wait
	tell b1 posix 0 w 0 1 wait
	expect_waiting a1 b2 h1
	expect_waiting b1 b2 h1
	expect ok b2 posix 0 w 100 10
	expect EAGAIN b2 posix 0 w 0 10
	expect "w 100 10 -1" h1 ask 0 w 50 100
	expect ok b2 flock 0 w
	expect EAGAIN h1 flock 0 w
	expect ok b2 flock 0 u
	verdict "guests that wait for each other's locks hold up nobody else"
	kill_side a
	expect_answer ok b1
	expect EAGAIN h1 posix 0 w 0 1
	daemon_pid=${side_daemon[a]}
	check_daemon_ended "the daemon of a killed guest ends with it"
	verdict "a killed guest gives up its locks and waits no longer"
}

"${CC:-cc}" -std=gnu17 -O2 -Wall -Wextra -o "$work/lock-agent" "$guest_dir/lock-agent.c" ||
	bail "lock-agent does not build"
make_plain_share
agents=$share
file=locked
all=(a1 a2 b1 b2 h1)
start_all
all_open "$file"
ranges_exclude posix
ranges_exclude ofd
conflicts_are_shown
waiters_are_woken posix unlocking posix 0 u 0 10
waiters_are_woken posix closing close 0
waiters_are_woken ofd unlocking ofd 0 u 0 10
waiters_are_woken ofd closing close 0
waiters_are_woken flock unlocking flock 0 u
waiters_are_woken flock closing close 0
whole_files_exclude
open_files_have_locks
all_close
n_fds=$(side_fds_of b "$file")
all_open "$file"
processes_die
guests_wait_for_each_other
for agent in b1 b2; do
	order "$agent" close 0
done
check_equal "no descriptors for the locks are left" "$n_fds" "$(side_fds_of b "$file")"
for agent in b1 b2 b3 h1; do
	tell "$agent" exit
done
end_side b
finish
