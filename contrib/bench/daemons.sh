# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Part of contrib/bench/run: which daemons there are, and how one is started and stopped.

# shellcheck disable=SC2154 # the variables are those of run

# By the pid of their first process.
declare -A running=()

# Sets rust to a path or to nothing.
find_rust() {
	local cache=${VIRTIOFSD_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/virtiofsd-lab}

	case $rust in
	none) rust= ;;
	fetch)
		"$project/tests/guest/assets.sh" rust
		rust=$cache/rust/virtiofsd
		;;
	auto)
		for rust in "$cache/rust/virtiofsd" /usr/libexec/virtiofsd ""; do
			[[ ! -x $rust ]] || break
		done
		;;
	esac
	[[ -z $rust || -x $rust ]] || die "$rust cannot be run"
}

# Those that are here.
find_daemons() {
	daemons=(ours)
	if [[ -x $c_daemon ]]; then
		daemons+=(c)
	else
		printf 'bench: no C daemon: %s\n' "$c_daemon" >&2
	fi
	if [[ -n $rust ]]; then
		daemons+=(rust)
	else
		printf 'bench: no Rust daemon; --rust fetch gets one\n' >&2
	fi
}

# Sets the array command to the daemon $1 sharing $2 behind $3.
daemon_command() {
	case $1 in
	ours) command=("$ours" "--socket-path=$3" "--shared-dir=$2" "${our_options[@]}") ;;
	ours-nopoll)
		command=("$ours" "--socket-path=$3" "--shared-dir=$2" "${our_options[@]}" --poll=0)
		;;
	rust) command=("$rust" "--socket-path=$3" "--shared-dir=$2") ;;
	c) command=("$c_daemon" "--socket-path=$3" -o "source=$2") ;;
	# It dies of its own filter where malloc makes an arena per thread.
	c-pool)
		command=(env MALLOC_ARENA_MAX=2 "$c_daemon" "--socket-path=$3" -o "source=$2"
			--thread-pool-size=8)
		;;
	esac
}

# A tmpfs for everything, and one for the pid files that the C daemon leaves in /run.
mount_scratch() {
	mount -t tmpfs -o size=75%,mode=0755,nr_inodes=0 bench "$scratch"
	mount -t tmpfs -o mode=0755 bench /run
	share=$scratch/share
	mkdir "$share"
}

# All daemons say this when they listen.
wait_until_ready() {
	local pid=$1 log=$2

	until grep -q "Waiting for vhost-user socket connection" "$log"; do
		kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.005
	done
}

# start_daemon DAEMON SHARE [WRAPPER...]: sets pid and socket. What it runs in is daemon_prefix.
start_daemon() {
	local daemon=$1 dir=$2

	shift 2
	n_started=$((${n_started:-0} + 1))
	socket=$scratch/socket-$n_started
	log=$scratch/log-$n_started
	: >"$log"
	daemon_command "$daemon" "$dir" "$socket"
	# A session of its own, so that all its processes can be stopped.
	setsid "${daemon_prefix[@]}" "$@" "${command[@]}" </dev/null &>"$log" &
	pid=$!
	running[$pid]=yes
	if ! wait_until_ready "$pid" "$log"; then
		cat "$log" >&2
		die "the daemon '$daemon' does not start"
	fi
}

# A daemon ends by itself when the driver hangs up.
await_end() {
	local pid=$1 status=0

	wait "$pid" || status=$?
	rm -f "$socket" "$socket.pid" "$log"
	unset "running[$pid]"
	return "$status"
}

stop_all() {
	local pid

	for pid in "${!running[@]}"; do
		kill -KILL -- "-$pid" 2>/dev/null || true
	done
	running=()
}

# run_once DAEMON SHARE [WRAPPER...] -- DRIVER-ARGUMENT...: a run of the driver against a fresh
# daemon; the arguments SOCKET and PID are replaced. Prints what the driver prints.
run_once() {
	local daemon=$1 dir=$2 status=0
	local -a wrapper=() words=()

	shift 2
	while [[ $1 != -- ]]; do
		wrapper+=("$1") && shift
	done
	shift
	start_daemon "$daemon" "$dir" "${wrapper[@]}"
	for word in "$@"; do
		word=${word/#SOCKET/$socket}
		words+=("${word/#PID/$pid}")
	done
	timeout --kill-after=5 300 "${driver_prefix[@]}" "${words[@]}" 2>"$scratch/errors" || status=$?
	if ((status)); then
		kill -KILL -- "-$pid" 2>/dev/null || true
		await_end "$pid" || true
		return 1
	fi
	await_end "$pid"
}

# What stands before the daemon's and the driver's command: $1 is the placement.
place() {
	daemon_prefix=() driver_prefix=()
	case $1 in
	one) daemon_prefix=(taskset -c "$cpu") driver_prefix=(taskset -c "$cpu") ;;
	split) daemon_prefix=(taskset -c "$cpu") driver_prefix=(taskset -c "$other_cpu") ;;
	both) daemon_prefix=(taskset -c "$cpu,$other_cpu") driver_prefix=("${daemon_prefix[@]}") ;;
	esac
	if [[ $realtime == yes ]]; then
		daemon_prefix+=(chrt --rr 1) driver_prefix+=(chrt --rr 1)
	fi
}
