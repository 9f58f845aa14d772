#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs a script in a User-Mode Linux guest that has a virtio-fs share mounted.
#
# The guest's root is the host's, read-only, under a tmpfs: it has all the tools
# of the host, and what it writes outside of the share is gone with it.

guest_kind="a User-Mode Linux guest"
# shellcheck source=runner.sh
. "$(dirname "$0")/runner.sh"

while [[ ${1:-} == -* ]]; do
	runner_option "$@"
	shift "$taken"
done
runner_arguments "$@"
[[ -x $lab/uml/linux ]] || runner_die "no guest in $lab: run assets.sh uml"
init=$("$here/make-init.sh")
runner_work
runner_words "$lab/uml/modules" overlay,fuse,virtiofs

input=null
[[ -z $shell ]] || input=fd:0
# UML keeps the guest's memory in a file in TMPDIR, which it maps to execute. Small
# or noexec, as containers have it, the usual place is of no use.
mem_kib=$(($(numfmt --from=iec "$mem") / 1024))
if findmnt -n -o OPTIONS -T /dev/shm | grep -qvw noexec &&
	(($(df --output=avail /dev/shm | tail -n1) > mem_kib)); then
	export TMPDIR=/dev/shm
fi
runner_boot "$lab/uml/linux" "mem=$mem" \
	root=/dev/root rootfstype=hostfs rootflags=/ ro "init=$init" \
	"virtio_uml.device=$socket:26" \
	con=null con0=null,fd:3 "con1=$input,fd:1" \
	ssl=null console=tty0 quiet loglevel=4 "uml_dir=$work/" umid=guest \
	"${words[@]}" LAB_OVERLAY=1 LAB_TERMINAL=/dev/tty1 \
	-- /bin/bash "${program[@]}" 3>"$log"
runner_exit
