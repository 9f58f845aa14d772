# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest that contrib/try boots: shows the share, works in it, and
# measures it. The arguments are the folder for that and how long to measure.
set -euo pipefail

title() { printf '\n== %s\n' "$*"; }

have() { command -v "$1" >/dev/null; }

work_with_tools() {
	cp from-host.txt copy.txt && mv copy.txt renamed.txt && ln -s renamed.txt link
	ls -l
	if have git; then
		git init -q repository
		cp from-host.txt repository/
		git -C repository add .
		git -C repository -c user.name=guest -c user.email=guest@example.org \
			commit -q -m 'from the guest'
		git -C repository --no-pager log --no-color --oneline
	fi
	if have gcc; then
		printf '#include <stdio.h>\nint main(void) { puts("%s"); }\n' \
			'compiled and run on the share' >hello.c
		gcc -o hello hello.c && ./hello
	fi
	if have sqlite3; then
		sqlite3 data.db "CREATE TABLE t (x); INSERT INTO t VALUES (42);
			SELECT 'sqlite reads ' || x || ' back' FROM t;"
	fi
}

# One line of the table, from fio's terse output.
measure() {
	local name=$1 mode=$2 size=$3 field=$4

	fio --minimal --name=try --filename=fio.data --size=64m --rw="$mode" \
		--bs="$size" --ioengine=psync --runtime="$seconds" --time_based |
		awk -F';' -v name="$name" -v f="$field" 'NF > 100 {
			printf "  %-26s %9.1f MiB/s %10d IOPS\n", name, $f / 1024, $(f + 1) }'
}

seconds=$2
title "the share in the guest (Linux $(uname -r))"
grep ' /mnt virtiofs' /proc/mounts
df -h /mnt
cd "/mnt/$1"
title "tools at work on it"
work_with_tools
title "a file of the host, checked in the guest"
sha256sum -c from-host.sha256
head -c 4000000 /dev/urandom >from-guest.bin
sha256sum from-guest.bin >from-guest.sha256
if have fio; then
	title "fio, $seconds s each, through the guest's page cache where it has one"
	measure "sequential writes, 1 MiB" write 1m 48
	measure "sequential reads, 1 MiB" read 1m 7
	measure "random writes, 4 KiB" randwrite 4k 48
	measure "random reads, 4 KiB" randread 4k 7
	rm fio.data
fi
