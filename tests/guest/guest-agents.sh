# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in each of two guests: processes that lock files as the test on the host
# tells them. $1: lock-agent; the rest are their names.
#
# shellcheck disable=SC2154 # in-guest.sh stands before this text

agent=$1
for name in "${@:2}"; do
	"$agent" "$name" &
done
# One may have been killed, as was asked for.
wait
exit "$guest_failed"
