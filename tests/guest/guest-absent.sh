# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest while the host changes the share whenever the guest asks, by
# making a file "ask-WHAT" that the host removes when it is done. $1: what of the
# host's changes is to be seen: "names", "absence" (names that do not exist are
# remembered).
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

# An attempt to make the name again tells the host's answer, which no cache holds.
ask() {
	: >"ask-$1"
	until mkdir "ask-$1" 2>/dev/null; do
		sleep 0.05
	done
}

read_often() {
	local i

	for ((i = 0; i < 15; i++)); do
		cat replaced moved/file && stat replaced || return
		sleep 0.1
	done
}

names_can_come() {
	! stat new 2>/dev/null && echo one >new && [[ $(<new) == one ]] && rm new &&
		! stat new && : >mine && ln mine new && stat new && rm new &&
		! stat new && mkdir new && [[ -d new ]]
}

cat replaced moved/file >/dev/null
exec 5<replaced
ask replace
if [[ $1 == names ]]; then
	check "nothing fails when the host replaces files and folders" read_often
	check_equal "the new file is seen" new "$(<replaced)"
	check_equal "the new folder is seen" new "$(<moved/file)"
fi
check_equal "an open file stays what it was" old "$(cat <&5)"
stat absent 2>/dev/null
ask create
case $1 in
names) check "a file that the host makes is seen at once" stat absent ;;
absence) check "that a name does not exist is remembered" fails_with "No such file" stat absent ;;
esac
check "what the guest makes takes the place of what was absent" names_can_come
exit "$guest_failed"
