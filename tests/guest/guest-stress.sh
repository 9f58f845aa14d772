# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest: stress-ng's file system stressors and dbench. $1: seconds of
# each stressor alone, or 0 for all at the same time; $2: seconds of all at the
# same time and of dbench.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

# Those of stress-ng 0.15 that work on files. Of its class "filesystem" these are
# left out: binderfs and procfs are file systems of their own, bind-mount mounts the
# root on itself, eventfd is no file, ioprio works on processes.
stressors=(
	access chattr chdir chmod chown copy-file dentry dir dirdeep dirmany dnotify dup
	fallocate fanotify fcntl fiemap file-ioctl filename flock fpunch fsize fstat
	getdent handle hdd inode-flags inotify io iomix lease link locka lockf lockofd
	mknod open rename symlink sync-file touch utime verity xattr
	# of other classes
	aio fault mmapfork msync readahead revio seek sendfile splice
)

# The host counts what the daemon has; all that the guest knew it has forgotten.
measured() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	: >"$1"
	until [[ ! -e $1 ]]; do
		sleep 0.02
	done
}

# What could not be tried here is told, but is no failure.
stress() {
	local seconds=$1 name options=() out status=0
	shift

	for name in "$@"; do
		options+=("--$name" 1)
	done
	out=$(timeout -k 5 $((seconds * 10 + 60)) stress-ng --temp-path "$PWD/stress" \
		--verify --no-rand-seed -t "$seconds" "${options[@]}" 2>&1) || status=$?
	grep -i 'skipp\|not implemented' <<<"$out" >&3 || true
	if ((status != 0)) || grep -iq 'fail:\|corrupt' <<<"$out"; then
		echo "status $status"
		echo "$out"
		return 1
	fi
	[[ -z $(ls -A stress) ]]
}

benches() {
	local out status=0

	mkdir dbench
	out=$(dbench -D dbench -t "$1" 4 2>&1) || status=$?
	if ! grep Throughput <<<"$out" >&3 || ((status != 0)); then
		echo "$out"
		return 1
	fi
	rm -r dbench
}

mkdir stress
cat from-host >/dev/null
measured at-start
exec 3>&1
if (($1 > 0)); then
	for name in "${stressors[@]}"; do
		check "stress-ng runs $name for $1 s" stress "$1" "$name"
	done
fi
check "stress-ng runs ${#stressors[@]} stressors at once for $2 s" stress "$2" "${stressors[@]}"
check "dbench runs for $2 s" benches "$2"
check "a file of the host is whole afterwards" sha256sum -c from-host.sha256
rmdir stress
measured at-end
exit "$guest_failed"
