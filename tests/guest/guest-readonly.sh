# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest: a share that is read-only on the host, mounted read-write.
# $1: guest-ops.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

refused() { fails_with "Read-only file system" "$@"; }

check "the guest has mounted it read-write" grep -q ' /mnt virtiofs rw' /proc/mounts
check "files are readable" sha256sum -c from-host.sha256
check "no file is created" refused touch new
check "no folder is created" refused mkdir new
check "no link is made" refused ln from-host new
check "no symbolic link is made" refused ln -s from-host new
check "no node is made" refused mkfifo new
check "no file is opened for writing" refused dd if=/dev/null of=from-host conv=notrunc
check "no file is truncated" refused truncate -s 0 from-host
check "no file is emptied at open" refused bash -c ': >from-host'
check "no file is allocated" refused fallocate -l 9000 from-host
check "no file is copied to" refused cp --no-preserve=all from-host.sha256 from-host
check "no file without a name is made" refused "$1" tmpfile new
check "no flag changes" refused chattr +d from-host
check "no attribute is set" refused setfattr -n user.a -v b from-host
check "no access time is set" refused touch -a -d 2001-01-01 from-host
check "files are locked" flock from-host true
check "folders are listed" ls -la .
check "no mode changes" refused chmod 600 from-host
check "no owner changes" refused chown 12:34 from-host
check "no time changes" refused touch -d 2001-01-01 from-host
check "no name changes" refused mv from-host new
check "no name goes" refused rm -f from-host
exit "$guest_failed"
