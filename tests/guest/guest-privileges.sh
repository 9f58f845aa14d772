# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest, as root: what users may and may not do, and what becomes of
# set-id bits. $1: guest-privileges. $2: "daemon" if the daemon alone drops them.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

ops=$1
who=$2

user() { setpriv --reuid 1234 --regid 1234 --clear-groups "$@"; }
member() { setpriv --reuid 1234 --regid 1234 --groups 4321 "$@"; }
service() {
	setpriv --reuid 1234 --regid 1234 --clear-groups \
		--inh-caps +dac_override --ambient-caps +dac_override "$@"
}

# owned OWNER NAME...
owned() {
	local owner=$1 name
	shift

	for name in "$@"; do
		[[ $(stat -c %u:%g "$name") == "$owner" ]] || { stat "$name"; return 1; }
	done
}

service_creates_in_a_private_folder() {
	service touch private/file && service mkdir private/folder &&
		service ln -s x private/link && service mkfifo private/fifo &&
		owned 1234:1234 private/file private/folder private/link private/fifo
}

group_is_passed_on() {
	user mkdir group/folder && user touch group/file &&
		owned 1234:4321 group/folder group/file &&
		[[ $(stat -c %a group/folder) == 2??? ]]
}

# becomes MODE MODE COMMAND...: of a file that anybody may change.
becomes() {
	local before=$1 after=$2 now
	shift 2

	rm -f victim
	echo some text >victim
	chgrp 4321 victim
	chmod "$before" victim
	"$@" || return
	now=$(stat -c %a victim)
	[[ $now == "$after" ]] || { echo "$before became $now, not $after"; return 1; }
}

append() { bash -c 'echo more >>victim'; }
overwrite() { bash -c 'echo more >victim'; }
export -f append overwrite

atime_stays() {
	local before

	touch -a -d @1000 quiet && before=$(stat -c %X quiet) && "$ops" quiet quiet &&
		[[ $(stat -c %X quiet) == "$before" ]]
}

mapped_ids_are_shifted() {
	mkdir -p mapped /tmp/mapped && chown 1500:1500 mapped &&
		"$ops" idmap mapped /tmp/mapped &&
		[[ $(stat -c %u:%g /tmp/mapped) == 500:500 ]] &&
		setpriv --reuid 500 --regid 500 --clear-groups touch /tmp/mapped/file &&
		owned 500:500 /tmp/mapped/file && owned 1500:1500 mapped/file &&
		setpriv --reuid 500 --regid 500 --clear-groups mkdir /tmp/mapped/folder &&
		echo text >/tmp/mapped/file && chown 7:8 /tmp/mapped/file &&
		owned 1007:1008 mapped/file && rm /tmp/mapped/file && umount /tmp/mapped
}

cd /mnt || exit 1
mkdir private group sticky
chmod 700 private
chgrp 4321 group
chmod 2777 group
chmod 1777 sticky
echo text | tee quiet >sticky/root

check "a user with CAP_DAC_OVERRIDE creates anywhere" service_creates_in_a_private_folder
check "another user does not" fails_with "Permission denied" user touch private/no
check "a set-group-ID folder passes its group on" group_is_passed_on
check "a sticky folder guards what is others'" \
	fails_with "Operation not permitted" user rm -f sticky/root
check "a user's write drops set-id bits" becomes 6777 777 user bash -c append
check "a user's rewriting drops set-id bits" becomes 6777 777 user bash -c overwrite
check "a user's truncation drops set-id bits" becomes 6777 777 user truncate -s 3 victim
check "a user's allocation drops set-id bits" becomes 6777 777 user fallocate -l 9000 victim
check "a user's copy drops set-id bits" becomes 6777 777 user cp quiet victim
check "root's write keeps set-id bits" becomes 6777 6777 append
check "root's rewriting keeps set-id bits" becomes 6777 6777 overwrite
check "root's truncation keeps set-id bits" becomes 6777 6777 truncate -s 3 victim
[[ $who == daemon ]] ||
	check "root's allocation keeps set-id bits" becomes 6777 6777 fallocate -l 9000 victim
check "a member's write keeps the mark for mandatory locks" \
	becomes 6766 2766 member bash -c append
check "a chown to the same owner drops set-id bits" becomes 6777 777 "$ops" chown victim
check "a file is opened for ioctl only" "$ops" ioctl quiet
check "who may not write does not open it so" \
	fails_with "Permission denied" user "$ops" ioctl quiet
check "reading with O_NOATIME leaves the access time" atime_stays
check "a shared mapping agrees with reads and writes" "$ops" shared shared
check "an id-mapped mount shifts ids" mapped_ids_are_shifted
exit "$guest_failed"
