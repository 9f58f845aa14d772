# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in each of two guests: transactions in one data base. $1: transact.sh; $2:
# this guest's name; $3: the data base; $4: how many.
#
# shellcheck disable=SC2154 # in-guest.sh stands before this text

# shellcheck source=transact.sh
. "$1"
: >"$2.started"
until [[ -e go ]]; do
	sleep 0.01
done
check "$4 transactions are made by guest $2" transact_many "$3" "$2" "$4"
exit "$guest_failed"
