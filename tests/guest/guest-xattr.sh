# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest: extended attributes with the usual tools. The argument tells
# how they are served: plain, map, acl or off.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

value() { getfattr --only-values -h -n "$1" "$2" 2>&1; }

as_user() { setpriv --reuid=1234 --regid=1234 --clear-groups "$@"; }

attributes_are_kept() {
	setfattr -n user.a -v one "$1" && setfattr -n user.b -v two "$1" &&
		[[ $(value user.a "$1") == one && $(value user.b "$1") == two ]] &&
		[[ $(getfattr -d "$1" | grep -c '^user\.') == 2 ]] &&
		setfattr -n user.a -v three "$1" && [[ $(value user.a "$1") == three ]] &&
		setfattr -x user.b "$1" && fails_with "No such attribute" value user.b "$1"
}

long_value_is_kept() {
	local long

	long=$(head -c 3000 /dev/zero | tr '\0' x)
	setfattr -n user.long -v "$long" file && [[ $(value user.long file) == "$long" ]] &&
		setfattr -x user.long file
}

attributes_move_along() {
	cp -a file copy && [[ $(value user.a copy) == three ]] && mv copy moved &&
		[[ $(value user.a moved) == three ]] && rm moved
}

capability_is_kept_until_a_write() {
	cp /bin/true program && setcap cap_net_raw+ep program &&
		[[ $(getcap program) == *cap_net_raw* ]] && echo more >>program &&
		[[ -z $(getcap program) ]] && setcap cap_net_raw+ep program &&
		truncate -s 10000 program && [[ -z $(getcap program) ]] &&
		setcap cap_net_raw+ep program && chown 1234 program &&
		[[ -z $(getcap program) ]]
}

program_runs_with_its_capability() {
	cp "$(command -v grep)" grep-tool && chmod 755 grep-tool &&
		setcap cap_net_raw+ep grep-tool &&
		[[ $(as_user ./grep-tool CapEff /proc/self/status) == *2000 ]]
}

set_id_bits_end_with_a_stranger() {
	: >setid && chmod 6777 setid && echo root >>setid &&
		[[ $(stat -c %a setid) == 6777 ]] && as_user dd if=/etc/hostname of=setid \
		conv=notrunc status=none && [[ $(stat -c %a setid) == 777 ]] &&
		chmod 6777 setid && as_user truncate -s 1 setid &&
		[[ $(stat -c %a setid) == 777 ]] && chmod 6777 setid &&
		chown 7:7 setid && [[ $(stat -c %a setid) == 777 ]]
}

trusted_works() {
	setfattr -n trusted.overlay.opaque -v y dir &&
		[[ $(value trusted.overlay.opaque dir) == y ]]
}

# ---- ACLs ----

user_entry_counts() {
	echo text >private && chmod 600 private &&
		fails_with "Permission denied" as_user cat private &&
		setfacl -m u:1234:rw private && [[ $(as_user cat private) == text ]] &&
		as_user dd if=/dev/null of=private conv=notrunc status=none &&
		[[ $(stat -c %a private) == 660 ]] && chmod 600 private &&
		fails_with "Permission denied" as_user cat private &&
		[[ $(getfacl -c private) == *'user:1234:rw-'*effective:---* ]]
}

umask_counts_without_default() {
	(umask 077 && mkdir plain && : >plain/file && mknod plain/fifo p) &&
		[[ $(stat -c %a plain plain/file plain/fifo | tr '\n' ' ') == '700 600 600 ' ]]
}

default_is_inherited() {
	mkdir parent && setfacl -d -m u:1234:rwx,g::rx,o::- parent &&
		(umask 077 && mkdir parent/sub && : >parent/file) &&
		[[ $(getfacl -c parent/sub) == *'default:user:1234:rwx'* ]] &&
		[[ $(getfacl -c parent/file) == *'user:1234:rwx'* ]] &&
		[[ $(stat -c %a parent/sub parent/file | tr '\n' ' ') == '770 660 ' ]]
}

group_entry_lets_create() {
	mkdir -m 755 team && setfacl -m g:5555:rwx team &&
		fails_with "Permission denied" as_user touch team/refused &&
		setpriv --reuid=1234 --regid=1234 --groups=77,5555 touch team/made &&
		[[ $(stat -c %u team/made) == 1234 ]]
}

stranger_loses_setgid() {
	: >shared && chown 1234:4321 shared && chmod 2755 shared &&
		setfacl -m u:1:r shared && [[ $(stat -c %a shared) == 2755 ]] &&
		as_user setfacl -m u:2:r shared && [[ $(stat -c %a shared) == 755 ]]
}

acls_are_copied() {
	cp -a private copy && [[ $(getfacl -c copy) == "$(getfacl -c private)" ]] &&
		cp -a parent tree && [[ $(getfacl -c tree) == "$(getfacl -c parent)" ]]
}

acls_are_written_down() { getfacl -R -n private parent tree team >acls; }

echo text >file
mkdir dir
ln -s file link
if [[ $1 == off ]]; then
	check "attributes are not supported" fails_with "Operation not supported" \
		setfattr -n user.a -v one file
	check "none are listed" test -z "$(getfattr -d file)"
	exit "$guest_failed"
fi
check "attributes of a file are kept" attributes_are_kept file
check "attributes of a folder are kept" attributes_are_kept dir
check "the share itself has attributes" attributes_are_kept .
check "a long value is kept" long_value_is_kept
check "attributes are copied and moved along" attributes_move_along
check "a symbolic link cannot have user attributes" fails_with "Operation not permitted" \
	setfattr -h -n user.a -v one link
check "file capabilities end with a write, a truncation and a new owner" \
	capability_is_kept_until_a_write
check "a program runs with its capability" program_runs_with_its_capability
check "set-id bits end with a write by somebody else and a new owner" \
	set_id_bits_end_with_a_stranger
case $1 in
map)
	check "trusted attributes are stored elsewhere" trusted_works
	;;
plain)
	check "trusted attributes are refused" fails_with "Operation not permitted" \
		setfattr -n trusted.a -v one file
	check "ACLs are not there" fails_with "Operation not supported" \
		setfacl -m u:1234:r file
	;;
acl)
	check "an entry for a user counts, under the mask" user_entry_counts
	check "without a default ACL the umask counts" umask_counts_without_default
	check "a default ACL is inherited and the umask does not count" default_is_inherited
	check "an entry for any group of a user lets create" group_entry_lets_create
	check "an ACL set by a stranger to the group ends set-group-ID" stranger_loses_setgid
	check "ACLs are copied" acls_are_copied
	check "ACLs are written down" acls_are_written_down
	;;
esac
exit "$guest_failed"
