# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest: a little of everything, with the tools that busybox has.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

host_file_is_whole() { sha256sum -c from-host.sha256; }

guest_file_is_written() {
	head -c 3000000 /dev/urandom >from-guest &&
		dd if=from-guest of=synced bs=1M conv=fsync && cmp from-guest synced &&
		sha256sum from-guest >from-guest.sha256
}

names_change() {
	mkdir -p dir/sub && echo one >dir/file && mv dir/file dir/sub/moved &&
		ln dir/sub/moved dir/hard && ln -s sub/moved dir/soft &&
		[[ $(<dir/soft) == one && $(stat -c %h dir/hard) == 2 ]] &&
		rm dir/sub/moved && rmdir dir/sub && ! cat dir/soft && rm -r dir &&
		[[ ! -e dir ]]
}

sizes_change() {
	echo 12345678 >size && truncate -s 4 size && printf abc >>size &&
		[[ $(<size) == 1234abc ]] && truncate -s 100000 size &&
		[[ $(stat -c %s size) == 100000 ]] && rm size
}

attributes_change() {
	echo x >attr && chmod 640 attr && chown 12:34 attr &&
		touch -d '2001-02-03 04:05:06' attr &&
		[[ $(stat -c '%a %u:%g %Y' attr) == '640 12:34 981173106' ]] && rm attr
}

folder_lists_all() {
	local i

	mkdir many || return
	for ((i = 0; i < 700; i++)); do
		: >"many/a-name-of-some-length-$i"
	done
	set -- many/*
	(($# == 700)) && rm -r many
}

open_file_outlives_its_name() {
	exec 7<>gone && rm gone && echo kept >&7 &&
		[[ $(cat <"/proc/self/fd/7") == kept ]] && exec 7>&-
}

queues_all_busy() {
	local cpu name count busy=0

	for cpu in 0 1; do
		mkdir "queue$cpu" || return
		for name in 1 2 3 4 5 6 7 8 9; do
			echo "$name" >"queue$cpu/$name"
		done
		taskset "$((cpu + 1))" rm -r "queue$cpu" || return
	done
	while read -r name count; do
		echo "$name: $count requests answered"
		((count < 9)) || busy=$((busy + 1))
	done < <(awk '/virtio.*requests/ { n = 0; for (i = 2; i <= 3; i++) n += $i
		 print $NF, n }' /proc/interrupts)
	((busy == $1))
}

check "a file of the host is whole in the guest" host_file_is_whole
check "a file of the guest is written and reads back" guest_file_is_written
check "names, links and folders come and go" names_change
check "files grow and shrink" sizes_change
check "modes, owners and times are kept" attributes_change
check "a folder lists all of 700 names" folder_lists_all
check "an open file outlives its name" open_file_outlives_its_name
check "the file system tells its size" df /mnt
[[ -z ${1:-} ]] || check "all of $1 request queues answer" queues_all_busy "$1"
exit "$guest_failed"
