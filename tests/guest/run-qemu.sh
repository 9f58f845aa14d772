#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs a script in a QEMU guest that has a virtio-fs share mounted.
#
# The guest runs a cloud kernel of Debian with two processors and two request
# queues, under KVM where that works and emulated where it does not. Its root is
# an initramfs made for the run: busybox, bash, the script and the programs
# asked for. The guest can see of the host what the share shows, nothing else.
#
# Environment: QEMU names another qemu-system-x86_64, QEMU_ACCEL an accelerator
# ("tcg" to have emulation although there is KVM).

guest_kind="a QEMU guest"
# shellcheck source=runner.sh
. "$(dirname "$0")/runner.sh"

qemu=${QEMU:-qemu-system-x86_64}
kernel=backports
queues=2
cpus=2
mem=512M
programs=()
boot=()
extra=()

usage_of_qemu() {
	runner_usage
	cat <<'USAGE'

  --with PROGRAM   a program of the host, with its libraries (repeat for more)
  --kernel SUITE   bookworm (6.1) or backports (6.12, default)
  --cpus N         processors (default 2)
  --queues N       request queues (default 2)
  --boot WORD      one more word for the kernel's command line (repeat for more)
  --extra WORD     one more word for QEMU's command line (repeat for more)
USAGE
}

# KVM is there when it boots this kernel (as far as its missing root): a device
# that opens is no proof, there are machines whose KVM runs only special guests.
# The answer holds until the host boots again.
kvm_works() {
	local answer

	answer=$lab/kvm-$(id -u)-$(</proc/sys/kernel/random/boot_id)
	if [[ ! -e $answer ]]; then
		rm -f "$lab/kvm-$(id -u)"-*
		if timeout --kill-after=1 5 "$qemu" -accel kvm -machine q35 -m 256M \
			-cpu max -nodefaults -no-user-config -no-reboot -display none \
			-kernel "$kernel/vmlinuz" -append "quiet panic=-1" \
			</dev/null &>/dev/null; then
			echo yes >"$answer"
		else
			echo no >"$answer"
		fi
	fi
	[[ $(<"$answer") == yes ]]
}

# Emulation goes without two features that QEMU 7.2 gets wrong now and then.
choose_accelerator() {
	# One thread for all CPUs: with several, a kernel that patches its own code
	# (jump labels) now and then runs into its breakpoint on another CPU.
	accel=${QEMU_ACCEL:-tcg,thread=single}
	if [[ -z ${QEMU_ACCEL:-} && -w /dev/kvm ]] && kvm_works; then
		accel=kvm
	fi
	cpu=max
	[[ $accel != tcg* ]] || cpu=max,cx16=off,la57=off
}

while [[ ${1:-} == -* ]]; do
	case $1 in
	--with) programs+=(--with "$2"); taken=2 ;;
	--kernel) kernel=$2 taken=2 ;;
	--cpus) cpus=$2 taken=2 ;;
	--queues) queues=$2 taken=2 ;;
	--boot) boot+=("$2"); taken=2 ;;
	--extra) extra+=("$2"); taken=2 ;;
	--help) usage_of_qemu; exit 0 ;;
	*) runner_option "$@" ;;
	esac
	shift "$taken"
done
runner_arguments "$@"
kernel=$lab/kernel-$kernel
[[ -r $kernel/vmlinuz ]] || runner_die "no $kernel: run assets.sh ${kernel##*/}"
runner_work
"$here/make-initramfs.sh" "${programs[@]}" "$kernel" "${program[0]}" "$work/initramfs"
choose_accelerator
runner_words /modules "$(<"$kernel/order")"

words+=(console=ttyS0 quiet loglevel=4 panic=-1 LAB_TERMINAL=/dev/ttyS1)
terminal=stdio
[[ -z $shell ]] || terminal="stdio,signal=off"
runner_boot "$qemu" -accel "$accel" -machine q35 -cpu "$cpu" \
	-smp "$cpus" -m "$mem" -nodefaults -no-user-config -no-reboot -display none \
	-object "memory-backend-memfd,id=mem,size=$mem,share=on" \
	-numa node,memdev=mem \
	-chardev "file,id=console,path=$log" -serial chardev:console \
	-chardev "$terminal,id=terminal" -serial chardev:terminal \
	-chardev "socket,id=share,path=$socket" \
	-device "vhost-user-fs-pci,chardev=share,tag=$tag,queue-size=1024,num-request-queues=$queues" \
	-kernel "$kernel/vmlinuz" -initrd "$work/initramfs" \
	-append "${boot[*]} ${words[*]} -- /bin/bash /lab/script ${program[*]:1}" \
	"${extra[@]}"
runner_exit
