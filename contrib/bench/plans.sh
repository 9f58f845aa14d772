# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Part of contrib/bench/run: what is measured. Each plan adds lines of JSON to the samples, with
# what was measured in front of what the driver says.

# shellcheck disable=SC2154 # the variables are those of run

progress() {
	printf '\r\e[K[%3d s] %s' "$SECONDS" "$*" >&2
}

# Adds the lines of standard input as samples: keep PLAN DAEMON ROUND.
keep() {
	local line

	while read -r line; do
		printf '{"plan":"%s","daemon":"%s","round":%d,%s\n' "$1" "$2" "$3" "${line#\{}"
	done >>"$samples"
}

failed() {
	sed 's/^/  /' "$scratch/errors" >&2
	die "$*"
}

# The daemons, every other round the other way round.
in_order() {
	local round=$1 i

	for ((i = 0; i < ${#daemons[@]}; i++)); do
		if ((round % 2)); then
			printf '%s\n' "${daemons[i]}"
		else
			printf '%s\n' "${daemons[-1 - i]}"
		fi
	done
}

# rows PLAN DEPTHS OPERATIONS [DRIVER-OPTION...]: all rounds of each row.
rows() {
	local plan=$1 depths=${2// /,} operations=$3 operation round daemon

	shift 3
	for operation in $operations; do
		for ((round = 1; round <= rounds; round++)); do
			progress "$plan: $operation, round $round of $rounds"
			for daemon in $(in_order "$round"); do
				run_once "$daemon" "$share" -- "$driver" --pid PID --seconds "$seconds" \
					"$@" SOCKET "$operation" "$depths" >"$scratch/lines" ||
					failed "'$operation' fails on the daemon '$daemon'"
				keep "$plan" "$daemon" "$round" <"$scratch/lines"
			done
			native_row "$plan" "$operation" "$round"
		done
	done
}

# The same operation without a daemon, for the plans that compare with that.
native_row() {
	case $1 in
	one | split | spin)
		"${driver_prefix[@]}" "$driver" --native --seconds "$seconds" "$share" "$2" 1 |
			keep "$1" native "$3"
		;;
	esac
}

plan_one() {
	place one
	rows one "$depths" "${operations:-$("$driver" --list)}"
}

plan_split() {
	place split
	rows split 1 "${operations:-$("$driver" --list)}"
	# Large reads and writes, which a daemon may share out among threads.
	if [[ " ${daemons[*]} " == *" c "* ]]; then
		daemons+=(c-pool)
	fi
	rows split 8 "${operations:-read-1m write-1m}"
	daemons=("${daemons[@]/c-pool/}")
	if [[ -z ${daemons[-1]} ]]; then
		unset 'daemons[-1]'
	fi
}

plan_spin() {
	place split
	rows spin 1 "${operations:-noop lookup-hit getattr read-4k}" --spin
}

# The stock daemons offer one request queue, so ours is compared with itself.
plan_queues() {
	local all=("${daemons[@]}") list=${operations:-noop lookup-hit getattr open read-4k}

	daemons=(ours)
	place one
	rows queues "1 8" "$list"
	place both
	rows queues "1 8" "$list" --lanes 2 --cpus "$cpu,$other_cpu"
	rows queues "1 8" "$list" --lanes 4 --cpus "$cpu,$other_cpu"
	daemons=("${all[@]}")
}

# A file system on a disk: an image beside the temporary folders, not in memory.
make_disk() {
	image=$(mktemp -p "${TMPDIR:-/var/tmp}" bench-XXXXXX)
	truncate -s 256M "$image"
	mkfs.ext4 -q "$image"
	mkdir -p "$scratch/disk"
	loop=$(losetup --direct-io=on --find --show "$image")
	mount "$loop" "$scratch/disk"
}

release_disk() {
	if [[ -n ${loop:-} ]]; then
		umount "$scratch/disk" || true
		losetup --detach "$loop"
	fi
	rm -f "${image:-}"
	loop='' image=''
}

plan_loaded() {
	local round daemon how

	make_disk
	place both
	for ((round = 1; round <= rounds; round++)); do
		progress "loaded: round $round of $rounds"
		for daemon in $(in_order "$round"); do
			for how in "getattr 1" "getattr-loaded 8"; do
				# shellcheck disable=SC2086 # two words
				run_once "$daemon" "$scratch/disk" -- "$driver" --pid PID \
					--seconds 0.5 --share "$scratch/disk" SOCKET $how \
					>"$scratch/lines" || failed "'$how' fails on '$daemon'"
				keep loaded "$daemon" "$round" <"$scratch/lines"
			done
		done
	done
	release_disk
}

# No request for 10 s, then one each millisecond. Nothing is pinned, as on a host.
plan_idle() {
	local all=("${daemons[@]}") daemon round
	local was_realtime=$realtime

	realtime=no
	place free
	for daemon in "${daemons[@]}"; do
		progress "idle: $daemon"
		run_once "$daemon" "$share" -- "$idler" --seconds 10 SOCKET PID >"$scratch/lines" ||
			failed "idle fails on '$daemon'"
		keep idle "$daemon" 1 <"$scratch/lines"
	done
	if "$ours" --help | grep -q -- --poll; then
		daemons+=(ours-nopoll)
	fi
	for ((round = 1; round <= 3; round++)); do
		for daemon in $(in_order "$round"); do
			progress "idle: 1000 requests a second, $daemon, round $round of 3"
			run_once "$daemon" "$share" -- "$idler" --seconds 2 --rate 1000 SOCKET PID \
				>"$scratch/lines" || failed "idle fails on '$daemon'"
			keep idle "$daemon" "$round" <"$scratch/lines"
		done
	done
	daemons=("${all[@]}")
	realtime=$was_realtime
}

# The stock daemons keep a descriptor per inode and give up where there are no more.
plan_known() {
	local n round daemon

	place one
	for n in 1000 10000 100000 1000000; do
		((n <= known_max)) || continue
		for ((round = 1; round <= 3; round++)); do
			for daemon in $(in_order "$round"); do
				progress "known: $n inodes, $daemon, round $round of 3"
				known_row "$daemon" "$n" "$round"
			done
			"${driver_prefix[@]}" "$driver" --native --known "$n" "$share" lookup-known 1 |
				sed "s/}/,\"known\":$n}/" | keep known native "$round"
		done
	done
	rm -rf "$share/known"
}

known_row() {
	local daemon=$1 n=$2 round=$3

	# The shell's own words on how it ended are not wanted.
	if { run_once "$daemon" "$share" -- "$driver" --pid PID --share "$share" --known "$n" \
		--seconds "$seconds" SOCKET lookup-known 1,32 >"$scratch/lines"; } 2>/dev/null; then
		keep known "$daemon" "$round" <"$scratch/lines"
	elif [[ $daemon == ours ]]; then
		failed "$n known inodes are too many"
	fi
}

# Memory of one daemon with many queues, and of many daemons.
plan_scale() {
	local n daemon
	local was_realtime=$realtime

	realtime=no
	place free
	for n in 1 4 16 64; do
		progress "scale: $n queues"
		run_once ours "$share" -- "$idler" --seconds 0.1 --queues "$n" SOCKET PID \
			>"$scratch/lines" || failed "$n queues fail"
		keep scale ours 1 <"$scratch/lines"
	done
	for daemon in "${daemons[@]}"; do
		for n in 1 10 50 100 200; do
			((n <= idle_max)) || continue
			progress "scale: $n x $daemon"
			many_daemons "$daemon" "$n"
			keep scale "$daemon" 1 <"$scratch/lines"
		done
	done
	realtime=$was_realtime
}

many_daemons() {
	local daemon=$1 n=$2 i
	local -a guests=()

	for ((i = 0; i < n; i++)); do
		start_daemon "$daemon" "$share"
		guests+=("$socket" "$pid")
	done
	timeout 60 "$idler" --seconds 1 "${guests[@]}" >"$scratch/lines" 2>"$scratch/errors" ||
		failed "$n idle daemons '$daemon'"
	for pid in "${!running[@]}"; do
		await_end "$pid"
	done
}

# Everyday work in a guest of its own for each sample: how often a minute it could be done, and
# fio's MiB a second.
plan_guest() {
	local -a options=(--build "$build" --rust "$rust" --rounds "$rounds" --seconds 1)

	if [[ $realtime == yes ]]; then
		options+=(--realtime)
	fi
	"$here/guest" "${options[@]}" --out "$scratch/guest" >/dev/null ||
		die "the guest fails; prepare it with tests/guest/assets.sh uml"
	sed -E 's/^\{(.*),"job":"([^"]*)","value":([0-9.]+)\}$/\1 \2 \3/' "$scratch/guest" |
		awk '{
			speed = $2 ~ /^fio-/ ? $3 / 1024 : 60 / $3
			gsub(/"daemon":"host"/, "\"daemon\":\"native\"", $1)
			printf "{\"plan\":\"guest\",%s,\"op\":\"%s\",\"depth\":1,\"lanes\":1,", $1, $2
			printf "\"speed\":%.3f}\n", speed
		}' >>"$samples"
}

# System calls of a whole run of $3 items, all threads and processes.
count_calls() {
	local daemon=$1 operation=$2 items=$3

	run_once "$daemon" "$share" strace -f -qq -c -o "$scratch/calls" -- \
		"$driver" --count "$items" SOCKET "$operation" 1 >"$scratch/lines" ||
		failed "'$operation' fails on '$daemon' under strace"
	awk '$NF == "total" { print $4 }' "$scratch/calls"
}

# The difference of two runs of different length leaves out start and end.
plan_calls() {
	local operation daemon few many few_requests many_requests items
	local requests='s/.*"requests":([0-9]+).*/\1/'

	place one
	for operation in ${operations:-$("$driver" --list)}; do
		items=64
		[[ $operation != readdir* ]] || items=2 # passes over a whole folder
		for daemon in "${daemons[@]}"; do
			progress "calls: $operation, $daemon"
			count_calls "$daemon" "$operation" 1 >/dev/null # makes the tree
			few=$(count_calls "$daemon" "$operation" "$items")
			few_requests=$(sed -E "$requests" "$scratch/lines")
			many=$(count_calls "$daemon" "$operation" $((items * 5)))
			many_requests=$(sed -E "$requests" "$scratch/lines")
			awk -v o="$operation" -v a="$few" -v b="$many" -v ra="$few_requests" \
				-v rb="$many_requests" 'BEGIN {
				printf "{\"op\":\"%s\",\"depth\":1,\"lanes\":1,", o
				printf "\"calls\":%.2f}\n", (b - a) / (rb - ra) }' |
				keep calls "$daemon" 1
		done
	done
}
