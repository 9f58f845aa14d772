#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that files which an SELinux guest makes have its labels on the host, with
# the messages of an older kernel (6.1) and of a newer one.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require qemu-system-x86_64 cpio getfattr
require_assets kernel-bookworm kernel-backports

label_of() {
	getfattr -h --only-values --absolute-names -n user.guest.security.selinux \
		"$share/$1" 2>&1 | tr -d '\0' || true
}

for kernel in bookworm backports; do
	note "kernel of $kernel"
	make_plain_share
	start_daemon --security-label --xattrmap :map:security.selinux:user.guest.:
	status=0
	run_guest qemu guest-labels.sh --kernel "$kernel" --boot lsm=selinux \
		--boot enforcing=0 --timeout 80 || status=$?
	check_equal "the guest with the kernel of $kernel ends well" 0 "$status"
	check_daemon_ended "the daemon ends with it"
	for name in dir dir/file file; do
		check_equal "$name has the guest's label" unlabeled "$(label_of "$name")"
	done
	check_equal "what the host made has none" 0 \
		"$(getfattr -d -m - "$share/from-host" | wc -l)"
	rm -r "$share"
done
finish
