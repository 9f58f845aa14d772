# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in the guest: writes of all shapes that a write-back cache must get right.
# $1: guest-ops.
#
# shellcheck disable=SC2154,SC2317 # in-guest.sh stands before this text; check
# calls the functions

ops=$1

fio_verifies() {
	fio --name=job --minimal --thread --filename=fio.data --size=16M --verify=crc32c \
		--verify_fatal=1 --do_verify=1 "$@"
}

drop_caches() { sync && echo 3 >/proc/sys/vm/drop_caches; }

partial_page_is_merged() {
	head -c 10000 /dev/zero | tr '\0' A >partial && drop_caches && "$ops" partial partial &&
		drop_caches && [[ $(stat -c %s partial) == 10000 ]] &&
		[[ $(tail -c +4999 partial | head -c 7) == AAxyzAA ]]
}

lines_are_appended() {
	"$ops" append lines && drop_caches &&
		cmp lines <(for ((i = 0; i < 2000; i++)); do echo "line $i"; done)
}

mapped_end_is_written() {
	"$ops" mapped odd && drop_caches && [[ $(tail -c 11 odd | tr '\0' .) == .0123456789 ]]
}

check "unaligned writes verify" fio_verifies --rw=randwrite --bsrange=1k-64k --bs_unaligned=1
check "direct and cached writes verify" fio_verifies --rw=randrw --bs=4k --direct=1
check "writes to a mapping verify" fio_verifies --rw=randwrite --bs=4k --ioengine=mmap
check "a write into a page that is not cached is merged" partial_page_is_merged
check "two handles append in turn" lines_are_appended
check "the end of a mapping of a direct file is written" mapped_end_is_written
echo x >dated && touch -d @2000 dated
check_equal "the guest's times stand" 2000 "$(drop_caches && stat -c %Y dated)"
rm fio.data
exit "$guest_failed"
