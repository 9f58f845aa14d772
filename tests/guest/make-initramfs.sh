#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Packs the root of a QEMU guest: our first process, the kernel's modules,
# busybox, bash, a script, and programs of the host with their libraries.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
programs=(bash)

die() { echo "make-initramfs.sh: $*" >&2; exit 1; }

while [[ ${1:-} == --with ]]; do
	programs+=("$2")
	shift 2
done
if (($# != 3)); then
	echo "Usage: make-initramfs.sh [--with PROGRAM]... KERNEL SCRIPT OUTPUT" >&2
	exit 2
fi
kernel=$1 script=$2 output=$(realpath "$3")

[[ -r $kernel/vmlinuz ]] || die "no kernel in $kernel: run assets.sh ${kernel##*/}"
[[ -x /bin/busybox ]] || die "no /bin/busybox (package busybox-static)"
init=$("$here/make-init.sh")
root=$(mktemp -d "$output.XXXXXX")
trap 'rm -rf "$root"' EXIT

# Copies a program and the libraries it asks for to the same places.
add_program() {
	local path file

	path=$(command -v "$1") || die "no program $1 on this host"
	rm -f "$root/$path"
	mkdir -p "$root/$(dirname "$path")"
	cp -L "$path" "$root/$path"
	for file in $(ldd "$path" 2>/dev/null | grep -o '/[^ ]*'); do
		mkdir -p "$root/$(dirname "$file")"
		[[ -e $root/$file ]] || cp -L "$file" "$root/$file"
	done
}

mkdir -p "$root"/{usr/bin,usr/sbin,usr/lib,usr/lib64,etc,lab}
for dir in bin sbin lib lib64; do
	ln -s "usr/$dir" "$root/$dir"
done
cp /bin/busybox "$root/bin/busybox"
for name in $(/bin/busybox --list); do
	[[ $name == busybox ]] || ln -s busybox "$root/bin/$name"
done
for name in "${programs[@]}"; do
	add_program "$name"
done
cp -r "$kernel/modules" "$root/"
cp "$init" "$root/init"
cp "$script" "$root/lab/script"
echo 'root:x:0:0:root:/root:/bin/bash' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
(cd "$root" && find . -print0 | cpio --quiet --null -o -H newc -R 0:0) >"$output"
