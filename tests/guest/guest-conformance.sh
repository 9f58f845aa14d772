# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs conformance in the guest and leaves its results on the share.
# $1: the program; others: settings of the host's kernel that count for links, as
# NAME=VALUE.
#
# shellcheck disable=SC2154 # in-guest.sh stands before this text

program=$1
for setting in "${@:2}"; do
	echo "${setting#*=}" >"/proc/sys/fs/${setting%%=*}"
done
status=0
"$program" guest >/tmp/results || status=$?
cp /tmp/results results
((status <= 1)) || guest_failed=1
exit "$guest_failed"
