# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest: a container's work on an overlay, or subvolumes of btrfs.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

layers() {
	"$1/layers-work.sh" "$PWD" >/tmp/guest.out
	cp /tmp/guest.out guest.out
}

# A guest mounts them when somebody goes inside.
devices_differ() {
	ls vol/inner snap/inner && [[ $(stat -c %d . vol vol/inner snap | sort -u | wc -l) == 4 ]]
}

# Not yet mounted, they are on the same device.
roots_differ() {
	[[ $(stat -c %d:%i . vol snap | sort -u | wc -l) == 3 ]]
}

# find says so, and stays out, where it takes one directory for another above it.
find_sees_no_loop() {
	[[ $(find . -type f 2>&1 | sort | xargs) == "$*" ]]
}

# Without devices of their own, tools would take them for hard links of one file.
no_number_is_used_twice() {
	[[ -z $(find . -type f -printf '%D:%i\n' | sort | uniq -d) ]]
}

snapshot_keeps_its_content() {
	echo changed >vol/file && [[ $(<snap/file) == original && $(<vol/file) == changed ]]
}

snapshot_cannot_be_written() { fails_with "Read-only file system" touch snap/new; }
link_does_not_cross() { fails_with "cross-device" ln vol/file vol/inner/link; }

file_moves_between() {
	mv vol/moves vol/inner/ && [[ $(<vol/inner/moves) == moves && ! -e vol/moves ]]
}

subvolumes_sync() { sync -f vol/inner/file && sync; }

subvolumes() {
	check "roots of subvolumes differ before anybody goes inside" roots_differ
	check "find goes into subvolumes" find_sees_no_loop ./snap/file ./snap/moves ./top \
		./vol/file ./vol/inner/file ./vol/moves
	check "each subvolume and snapshot has a device of its own" devices_differ
	check_equal "find -xdev stays out of subvolumes" "./top" \
		"$(find . -xdev -type f)"
	check "no two files have the same device and number" no_number_is_used_twice
	check "a snapshot keeps its content" snapshot_keeps_its_content
	check "a snapshot that is read-only cannot be written" snapshot_cannot_be_written
	check "a link does not cross into a subvolume" link_does_not_cross
	check "mv copies a file into a subvolume" file_moves_between
	check "a subvolume is synced" subvolumes_sync
}

case $2 in
layers) check "a container's work is done" layers "$1" ;;
subvolumes) subvolumes ;;
esac
exit "$guest_failed"
