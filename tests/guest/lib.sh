# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the guest tests share: a place of their own, the daemon under test, the
# guests, and result lines in TAP.
#
# A test runs again inside mount and PID namespaces of its own. Whatever way it
# ends, by its time limit too, its processes die and its mounts vanish with them.
#
# shellcheck disable=SC2034 # variables are read by the including script

set -euo pipefail

if [[ -z ${GUEST_TEST_INSIDE:-} ]]; then
	export GUEST_TEST_INSIDE=1
	exec unshare --mount --pid --fork --kill-child --mount-proc "$0" "$@"
fi

guest_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${VIRTIOFSD_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/virtiofsd-lab}
export VIRTIOFSD_LAB=$lab
: "${VIRTIOFSD:?names the daemon to test}"

tests_done=0
tests_failed=0
daemon_pid=
share=
instance=
work=$(mktemp -d "${TMPDIR:-/tmp}/guest-test.XXXXXX")

# --- results ----------------------------------------------------------------

note() { printf '# %s\n' "$*"; }

result() {
	local status=$1
	shift

	tests_done=$((tests_done + 1))
	if ((status == 0)); then
		printf 'ok %d - %s\n' "$tests_done" "$*"
	else
		tests_failed=$((tests_failed + 1))
		printf 'not ok %d - %s\n' "$tests_done" "$*"
	fi
}

# check SENTENCE COMMAND...: the sentence is true when the command succeeds.
check() {
	local sentence=$1 status=0
	shift

	"$@" >"$work/check.out" 2>&1 || status=$?
	result "$status" "$sentence"
	((status == 0)) || sed 's/^/#   /' "$work/check.out"
}

check_equal() {
	local sentence=$1 want=$2 got=$3

	check "$sentence" test "$want" = "$got"
	[[ $want == "$got" ]] || note "  wanted: $want, got: $got"
}

bail() {
	printf 'Bail out! %s\n' "$*"
	exit 1
}

require() {
	local program

	for program in "$@"; do
		command -v "$program" >/dev/null || bail "this test needs $program"
	done
}

# Nothing to do where assets.sh ran before; else it fetches packages now.
require_assets() {
	"$guest_dir/assets.sh" "$@" 2>&1 | sed 's/^/# /' || bail "assets.sh $* failed"
}

# The last line of every test.
finish() {
	printf '1..%d\n' "$tests_done"
	((tests_failed == 0))
}

cleanup() {
	local status=$?

	if ((status != 0 || tests_failed > 0)); then
		note "last lines of the daemon's log:"
		tail -q -n 30 "$work"/daemon*.log 2>/dev/null | sed 's/^/#   /'
	fi
	stop_daemon
	! mountpoint -q "$share" || umount -R "$share" || umount --lazy "$share"
	rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# --- what is shared -----------------------------------------------------------

# An ext4 file system of its own (size as for truncate), mounted on $share.
make_ext4_share() {
	share=$work/share
	mkdir "$share"
	truncate -s "$1" "$work/image"
	mkfs.ext4 -q -F "$work/image"
	mount -o loop "$work/image" "$share"
	rmdir "$share/lost+found"
}

# A folder with a file for the guest to read.
make_plain_share() {
	share=$work/share
	mkdir "$share"
	head -c 2345678 /dev/urandom >"$share/from-host"
	(cd "$share" && sha256sum from-host >from-host.sha256)
}

# guest-smoke.sh leaves these two.
check_guest_file() {
	check "$1" env --chdir "$share" sha256sum -c from-guest.sha256
}

# --- the daemon -----------------------------------------------------------------

# until_true SECONDS COMMAND...: waits for a condition, at most so long.
until_true() {
	local end=$((SECONDS + $1))
	shift

	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.02
	done
}

daemon_gone() { ! kill -0 "$daemon_pid" 2>/dev/null; }
daemon_settled() { grep -q 'Waiting for vhost-user' "$daemon_log" || daemon_gone; }

# start_daemon OPTION...: comes back when it listens on $socket. Where there are
# several at a time, $instance keeps their files apart. $daemon_prefix is the command
# that starts it, $socket_dir where it may make its socket.
daemon_prefix=()
socket_dir=$work
start_daemon() {
	socket=$socket_dir/socket$instance
	daemon_log=$work/daemon$instance.log
	rm -f "$socket"
	: >"$daemon_log"
	"${daemon_prefix[@]}" "$VIRTIOFSD" --shared-dir "$share" --socket-path "$socket" "$@" \
		2>"$daemon_log" </dev/null &
	daemon_pid=$!
	until_true 20 daemon_settled || bail "the daemon does not start"
	[[ -S $socket ]] || bail "the daemon ended: $(tail -n1 "$daemon_log")"
}

# check_daemon_ended SENTENCE: it ends by itself once its guest is gone.
check_daemon_ended() {
	local status=0

	if until_true 10 daemon_gone; then
		wait "$daemon_pid" || status=$?
		daemon_pid=
	else
		status="still running"
	fi
	check_equal "$1" 0 "$status"
}

stop_daemon() {
	[[ -n $daemon_pid ]] || return 0
	kill "$daemon_pid" 2>/dev/null || true
	until_true 5 daemon_gone || kill -KILL "$daemon_pid" 2>/dev/null || true
	wait "$daemon_pid" 2>/dev/null || true
	daemon_pid=
}

children_of() { tr -d ' ' <"/proc/$1/task/$1/children"; }

# The process that serves: the daemon or, in a namespace, its child.
server_of() {
	local child

	child=$(children_of "$1")
	echo "${child:-$1}"
}

n_fds() { find "/proc/$1/fd" -mindepth 1 | wc -l; }
n_threads() { find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l; }

# Without the guest's memory, of which much or little may be mapped.
rss_kib() {
	awk '/^[0-9a-f]+-[0-9a-f]+ / { guest = /memfd:guest|vm_file|\/dev\/shm/ }
		/^Rss:/ && !guest { n += $2 } END { print n + 0 }' "/proc/$1/smaps"
}

# --- guests -----------------------------------------------------------------------

# Arguments for the script of the next guests.
guest_args=()

# Counts the results of a guest's script among its output; the rest is shown.
take_results() {
	local line

	while IFS= read -r line; do
		case $line in
		"CHECK ok: "*) result 0 "${line#CHECK ok: }" ;;
		"CHECK not ok: "*) result 1 "${line#CHECK not ok: }" ;;
		*) note "$line" ;;
		esac
	done
}

# run_guest KIND SCRIPT [OPTION...]: runs a script of this folder, with in-guest.sh
# put before it, on $socket under the tag "share"; options are the runner's. The
# status is the guest's.
run_guest() {
	local kind=$1 script=$work/script$instance out=$work/guest$instance.out status=0

	cat "$guest_dir/in-guest.sh" "$guest_dir/$2" >"$script"
	shift 2
	"$guest_dir/run-$kind.sh" "$@" "$socket" share "$script" "${guest_args[@]}" \
		>"$out" 2>&1 || status=$?
	take_results <"$out"
	return "$status"
}

for file in "$guest_dir/init.c" "$VIRTIOFSD"; do
	[[ -r $file ]] || bail "$file is missing"
done
((EUID == 0)) || bail "guest tests run as root: they mount file systems"
