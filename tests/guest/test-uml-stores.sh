#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that a container's work on an overlay file system ends the same in a guest
# as on the host, and that subvolumes of btrfs are told apart in a guest.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require git python3 mkfs.btrfs btrfs
require_assets uml

git_in_image() {
	git -c user.name=a -c user.email=a@example.org -C "$image/repo" "$@"
}

# What the layers below are like: a repository with two branches, and some files.
make_image() {
	local i

	image=$work/disk/image
	mkdir -p "$image"/{repo,etc,lib,gone,many}
	for ((i = 0; i < 100; i++)); do
		printf 'line %d of the first\n' "$i" >"$image/repo/file-$i"
		echo "$i" >"$image/many/$i"
	done
	git init -q -b first "$image/repo"
	git_in_image add -A
	git_in_image commit -q -m first
	git_in_image checkout -q -b other
	sed -i s/first/other/ "$image"/repo/file-*[05-9]
	rm "$image/repo/file-44"
	git_in_image commit -q -a -m other
	git_in_image checkout -q first
	for i in motd mapped mode cut number renamed; do
		echo "$i of the image" >"$image/etc/$i"
	done
	echo lib >"$image/lib/file"
	echo gone >"$image/gone/file"
	echo twins >"$image/twin-a"
	ln "$image/twin-a" "$image/twin-b"
}

# overlay NAME [OPTIONS]: a container's view of the image, on $work/NAME.
overlay() {
	mkdir -p "$work/$1" "$work/disk/$1.upper" "$work/disk/$1.work"
	mount -t overlay -o "lowerdir=$image,upperdir=$work/disk/$1.upper,workdir=$work/disk/$1.work$2" \
		overlay "$work/$1"
}

# layers NAME MOUNT-OPTIONS OPTION...
layers() {
	local name=$1 mount_options=$2 status=0
	shift 2

	overlay local "$mount_options"
	overlay share "$mount_options"
	share=$work/share
	"$guest_dir/layers-work.sh" "$work/local" >"$work/local.out"
	start_daemon --tag share "$@"
	guest_args=("$guest_dir" layers)
	run_guest uml guest-stores.sh --mem 256M || status=$?
	check_equal "the guest ends well on an overlay $name" 0 "$status"
	check_daemon_ended "the daemon ends with its guest on an overlay $name"
	mv "$share/guest.out" "$work/guest.result"
	check "it went as on the host on an overlay $name" \
		diff "$work/local.out" "$work/guest.result"
	check "the layers are as on the host on an overlay $name" \
		diff -r --no-dereference -x .git "$work/local" "$share"
	umount "$work/local" "$share"
	rm -r "$work"/{local,share} "$work"/disk/{local,share}.{upper,work}
}

mkdir "$work/disk"
truncate -s 400M "$work/disk.img"
mkfs.ext4 -q -F "$work/disk.img"
mount -o loop "$work/disk.img" "$work/disk"
make_image
layers "as it is" ""
layers "with an index" ",index=on,nfs_export=on"
layers "with few descriptors" "" --rlimit-nofile=512
layers "with a write-back cache" "" --writeback
umount "$work/disk"

share=$work/share
mkdir "$share"
truncate -s 400M "$work/image"
mkfs.btrfs -q "$work/image" >"$work/mkfs.out" 2>&1
mount -o loop "$work/image" "$share"
echo top >"$share/top"
btrfs -q subvolume create "$share/vol"
btrfs -q subvolume create "$share/vol/inner"
echo original >"$share/vol/file"
echo moves >"$share/vol/moves"
echo inner >"$share/vol/inner/file"
btrfs -q subvolume snapshot -r "$share/vol" "$share/snap"
start_daemon --tag share
guest_args=("$guest_dir" subvolumes)
status=0
run_guest uml guest-stores.sh --mem 256M || status=$?
check_equal "the guest ends well on btrfs" 0 "$status"
check_daemon_ended "the daemon ends with its guest on btrfs"
check_equal "a file moved between subvolumes is whole on the host" \
	moves "$(<"$share/vol/inner/moves")"
finish
