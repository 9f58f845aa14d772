# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in a guest whose security module is SELinux, without a policy: all labels
# are "unlabeled", and each creation comes with one.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

module_is_on() {
	grep -q selinux /sys/kernel/security/lsm ||
		{ mount -t securityfs none /sys/kernel/security &&
		  grep -q selinux /sys/kernel/security/lsm; }
}

made_is_whole() { [[ $(<dir/file) == text && $(readlink link) == file ]]; }

check "the guest runs SELinux" module_is_on
check "files and folders are made" eval 'mkdir dir && echo text >dir/file && : >file'
check "links, pipes and devices are made" \
	eval 'ln -s file link && mkfifo fifo && mknod null c 1 3'
check "what was made is whole" made_is_whole
exit "$guest_failed"
