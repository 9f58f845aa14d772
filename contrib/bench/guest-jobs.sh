# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest that contrib/bench/guest boots, or on the host for comparison:
# everyday work in a source tree, and fio. Prints "BENCH job seconds" per job, and
# for fio "BENCH job rate".
#
# Arguments: the folder to work in, the tar file of a tree, how long fio measures.
set -euo pipefail

export GIT_AUTHOR_NAME=guest GIT_AUTHOR_EMAIL=guest@example.org
export GIT_COMMITTER_NAME=guest GIT_COMMITTER_EMAIL=guest@example.org

have() {
	local program

	for program in "$@"; do
		command -v "$program" >/dev/null || return 1
	done
}

# What the guest has cached is dropped first, unless it is not ours to drop.
forget() {
	sync
	[[ -z ${BENCH_DROP:-} ]] || echo 3 >/proc/sys/vm/drop_caches
}

now() {
	local up

	printf -v up '%s' "$EPOCHREALTIME"
	echo "${up/[.,]/}"
}

# job NAME COMMAND...
job() {
	local name=$1 start end
	shift

	forget
	start=$(now)
	"$@" >/dev/null
	end=$(now)
	printf 'BENCH %s %d.%06d\n' "$name" $(((end - start) / 1000000)) \
		$(((end - start) % 1000000))
}

# rate NAME MODE SIZE FIELD FIO-OPTION...: FIELD of fio's terse output, KiB/s.
rate() {
	local name=$1 mode=$2 size=$3 field=$4
	shift 4

	forget
	fio --minimal --name=bench --filename=fio.data --size=64m --rw="$mode" --bs="$size" \
		--ioengine=psync --runtime="$seconds" --time_based "$@" |
		awk -F';' -v name="$name" -v f="$field" 'NF > 100 { print "BENCH", name, $f }'
}

untar() { tar xf "$1"; }
status() { git -C tree status --porcelain; }
commit() { git -C tree init -q && git -C tree add -A && git -C tree commit -q -m tree; }
list() { find tree -type f -size +1k; }
search() { grep -r 'no such text' tree || true; }
copy() { cp -a tree copy; }
build() { make -s -C tree; }
delete() { rm -r copy; }

seconds=$3
cd "$1"
job untar untar "$2"
job find list
job grep search
job cp copy
job rm delete
if have make cc; then
	job make build
fi
if have git; then
	job git-commit commit
	job git-status status
fi
if have fio; then
	rate fio-write-1m write 1m 48
	rate fio-read-1m read 1m 7
	rate fio-write-4k randwrite 4k 48
	rate fio-read-4k randread 4k 7
	rate fio-direct-read-4k randread 4k 7 --direct=1
	rate fio-direct-write-4k randwrite 4k 48 --direct=1
fi
