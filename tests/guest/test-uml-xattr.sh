#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that extended attributes, file capabilities and POSIX ACLs work in a guest
# with the usual tools, and that the host has them as it was told to.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require getfattr setfattr getfacl setfacl getcap setcap setpriv mkfs.ext4
require_assets uml

# served HOW OPTION...: the guest's checks with the daemon's options.
served() {
	local how=$1 status=0
	shift

	note "$how: $*"
	rm -f "$work/image"
	make_ext4_share 1G
	start_daemon --tag share "$@"
	guest_args=("$how")
	run_guest uml guest-xattr.sh --mem 256M || status=$?
	check_equal "the guest ends well with attributes $how" 0 "$status"
	check_daemon_ended "the daemon ends with its guest with attributes $how"
}

unshare_place() {
	umount "$share"
	rmdir "$share"
}

on_host() { getfattr --only-values --absolute-names -n "$1" "$share/$2" 2>&1 || true; }

same_acls() {
	diff <(cd "$share" && getfacl -R -n private parent tree team) "$share/acls"
}

served off
unshare_place

served plain --xattr
check_equal "the host has the guest's attribute" three "$(on_host user.a file)"
unshare_place

served plain --xattr --cache never --killpriv-v2
unshare_place

served map --xattrmap :map::user.guest.:
check_equal "the host has the guest's attribute elsewhere" three \
	"$(on_host user.guest.user.a file)"
check_equal "the host has the guest's trusted attribute elsewhere" y \
	"$(on_host user.guest.trusted.overlay.opaque dir)"
unshare_place

served acl --posix-acl
check "the host has the guest's ACLs" same_acls
finish
