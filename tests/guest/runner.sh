# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What run-uml.sh and run-qemu.sh have in common: options, the wait with its bound
# and the reading of the guest's exit status.
#
# shellcheck disable=SC2034 # variables are read by the including script

set -euo pipefail
: "${guest_kind:?}"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lab=${VIRTIOFSD_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/virtiofsd-lab}
mem=1G
timeout=60
options=
shell=
log=

runner_usage() {
	cat <<USAGE
Usage: ${0##*/} [OPTION...] SOCKET TAG SCRIPT [ARG...]

Boots $guest_kind on the vhost-user socket, mounts TAG on /mnt, runs the bash
script there with its output on standard output, and exits with its status:
124 after the time limit, 125 when the guest did not get as far.

  --mem SIZE       memory of the guest (default $mem)
  --timeout SEC    wall time for all of it (default $timeout; 0 is no limit)
  --options LIST   mount options for the share
  --log FILE       keep the guest's console, with the kernel's messages
  --shell          give the script this terminal, to talk to the user
  --help           show this text
USAGE
}

runner_die() { echo "${0##*/}: $*" >&2; exit 125; }

# Takes one of the common options from "$@"; taken tells how many words it had.
runner_option() {
	taken=2
	case $1 in
	--mem) mem=$2 ;;
	--timeout) timeout=$2 ;;
	--options) options=$2 ;;
	--log) log=$2 ;;
	--shell) shell=1 taken=1 ;;
	--help) runner_usage; exit 0 ;;
	*) runner_usage >&2; exit 125 ;;
	esac
}

# Sets socket, tag and program from the words after the options.
runner_arguments() {
	local word

	(($# >= 3)) || { runner_usage >&2; exit 125; }
	[[ -S $1 ]] || runner_die "$1 is no socket"
	[[ -r $3 ]] || runner_die "cannot read $3"
	socket=$(realpath "$1")
	tag=$2
	program=("$(realpath "$3")" "${@:4}")
	for word in "$socket" "$tag" "$options" "$lab" "${program[@]}"; do
		[[ $word != *[[:space:]\"]* ]] ||
			runner_die "no blanks or quotes are possible in: $word"
	done
}

# A private folder that goes away with the runner, and the console's file.
runner_work() {
	trap runner_cleanup EXIT
	trap 'exit 143' TERM
	trap 'exit 130' INT
	work=$(mktemp -d "${TMPDIR:-/tmp}/guest.XXXXXX")
	: "${log:=$work/console}"
	: >"$log"
}

runner_cleanup() {
	runner_stop
	rm -rf "$work"
}

# The words of the kernel command line that tell the first process what to do.
# $1: folder of the modules as the guest sees it, $2: their names.
runner_words() {
	words=(
		"LAB_MODDIR=$1" "LAB_MODULES=$2" "LAB_TAG=$tag"
		${options:+"LAB_OPTIONS=$options"} ${shell:+LAB_SHELL=1}
	)
}

# Runs the given command as the guest until it ends or its time is up. The
# command must become the guest (exec), so that its process id is the guest's.
runner_boot() {
	local terminal first=

	guest_status=0
	timed_out=
	if [[ -n $shell ]]; then
		terminal=$(stty -g)
		timeout --foreground "$timeout" "$@" || guest_status=$?
		stty "$terminal"
		return
	fi
	((timeout > 0)) || timeout=infinity
	sleep "$timeout" &
	alarm_pid=$!
	"$@" </dev/null &
	guest_pid=$!
	wait -n -p first "$guest_pid" "$alarm_pid" || guest_status=$?
	if [[ $first == "$guest_pid" ]]; then
		guest_pid=
	else
		timed_out=1
	fi
	runner_stop
}

# Ends what still runs: the guest, or the alarm for it.
runner_stop() {
	local pid

	for pid in ${guest_pid:-} ${alarm_pid:-}; do
		kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	guest_pid=
	alarm_pid=
}

# Exits with what the guest said, or explains why it said nothing.
runner_exit() {
	local status

	status=$(sed -n 's/.*guest init: status \([0-9]*\).*/\1/p' "$log" | tail -n1)
	if [[ -n $status ]] && ((status != 125)); then
		exit "$status"
	fi
	if [[ -n $timed_out ]]; then
		echo "${0##*/}: time limit of $timeout s reached" >&2
		status=124
	else
		echo "${0##*/}: the guest ended without a result (status $guest_status)" >&2
		status=125
	fi
	echo "${0##*/}: last lines of the guest's console:" >&2
	tail -n 20 "$log" >&2
	exit "$status"
}
