#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that libvirt starts the daemon its own way (--fd and -o source=...), that
# the guest of such a domain works on the share, and that the daemon goes with
# the domain when libvirt destroys it.
#
# libvirtd and virtlogd are started by hand. What they keep goes to a tmpfs that
# only this test sees.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
require libvirtd virtlogd virsh qemu-system-x86_64 cpio
require_assets kernel-bookworm

kernel=$lab/kernel-bookworm

# libvirt's own places, hidden by empty ones.
make_runtime() {
	local dir

	cp -a /etc/libvirt "$work/etc"
	rm -rf "$work"/etc/qemu/networks "$work"/etc/qemu/autostart
	mount --bind "$work/etc" /etc/libvirt
	for dir in /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do
		mount -t tmpfs tmpfs "$dir"
	done
	mkdir -p /run/lock /var/lib/libvirt/qemu
	cat >/etc/libvirt/qemu.conf <<'CONF'
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
remember_owner = 0
CONF
}

libvirt_answers() { virsh -q uri >/dev/null 2>&1; }

start_libvirt() {
	export LIBVIRT_DEFAULT_URI=qemu:///system
	virtlogd >"$work/virtlogd.log" 2>&1 &
	libvirtd >"$work/libvirtd.log" 2>&1 &
	until_true 20 libvirt_answers ||
		bail "libvirtd does not answer: $(tail -n1 "$work/libvirtd.log")"
}

# The guest stays on after the script, so that there is something to destroy.
pack_guest() {
	{
		echo "trap 'echo \"END \$?\"; exec sleep 1000' EXIT"
		cat "$guest_dir/in-guest.sh" "$guest_dir/guest-smoke.sh"
	} >"$work/script"
	"$guest_dir/make-initramfs.sh" "$kernel" "$work/script" "$work/initramfs"
}

write_domain() {
	local words="console=ttyS0 quiet loglevel=4 panic=-1 LAB_TAG=share"

	words+=" LAB_MODDIR=/modules LAB_MODULES=$(<"$kernel/order")"
	words+=" LAB_TERMINAL=/dev/ttyS1 -- /bin/bash /lab/script"
	cat >"$work/domain.xml" <<XML
<domain type='qemu'>
  <name>guest</name>
  <memory unit='MiB'>512</memory>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
  <vcpu>2</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>$kernel/vmlinuz</kernel>
    <initrd>$work/initramfs</initrd>
    <cmdline>$words</cmdline>
  </os>
  <features><acpi/></features>
  <on_reboot>destroy</on_reboot>
  <devices>
    <emulator>$(command -v qemu-system-x86_64)</emulator>
    <filesystem type='mount' accessmode='passthrough'>
      <driver type='virtiofs' queue='1024'/>
      <binary path='$VIRTIOFSD'/>
      <source dir='$share'/>
      <target dir='share'/>
    </filesystem>
    <serial type='file'><source path='$work/console'/><target port='0'/></serial>
    <serial type='file'><source path='$work/output'/><target port='1'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
XML
}

# Every process that runs the daemon's program, as far as this test sees.
daemons() {
	local exe

	for exe in /proc/[0-9]*/exe; do
		[[ $(readlink "$exe") != "$(realpath "$VIRTIOFSD")" ]] || echo "$exe"
	done
}
no_daemon() { [[ -z $(daemons) ]]; }
guest_ended() { grep -q '^END ' "$work/output" || ! virsh -q domstate guest &>/dev/null; }

make_plain_share
make_runtime
start_libvirt
note "$(virsh -q version --daemon | tail -n1)"
pack_guest
write_domain
check "libvirt starts a domain with the share" virsh -q create "$work/domain.xml"
check "the guest comes to an end" until_true 120 guest_ended
take_results <"$work/output"
check "the guest ends well" grep -qx 'END 0' "$work/output"
check_guest_file "the guest's file is whole on the host"
check "the daemon serves the domain" test -n "$(daemons)"
note "its command line: $(tr '\0' ' ' <"$(daemons | tail -n1 | sed 's/exe$/cmdline/')")"
check "libvirt destroys the domain" virsh -q destroy guest
check "the daemon has gone with the domain" until_true 10 no_daemon
cp /var/log/libvirt/qemu/*virtiofsd.log "$work/daemon.log" 2>/dev/null || true
((tests_failed == 0)) || tail -n 20 "$work/console" /var/log/libvirt/qemu/*.log | sed 's/^/# /'
finish
