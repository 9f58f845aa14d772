#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Prepares what the guests of the tests are made of, from Debian packages only.
#
# Nothing is installed: packages are fetched through an apt root of its own
# inside the cache folder (the host's apt sources, lists and dpkg database are
# only read, never written) and unpacked there. The mirror is the one the host's
# apt already uses. A finished component leaves a stamp, so that a second run
# costs nothing.
set -euo pipefail

usage() {
	cat <<'USAGE'
Usage: assets.sh [--cache DIR] COMPONENT...

Components
  uml               User-Mode Linux of Debian forky: kernel, modules, its own libc
  kernel-bookworm   the cloud kernel of Debian 12 (6.1), for QEMU guests
  kernel-backports  the same of bookworm-backports, whose virtio-fs client uses
                    all request queues (since Linux 6.12)
  qemu-backports    QEMU of bookworm-backports with its libraries and firmware
  rust              the Rust virtiofsd of Debian forky, to compare with
  all               all that the tests need (not rust)

DIR defaults to $VIRTIOFSD_LAB, else ${XDG_CACHE_HOME:-~/.cache}/virtiofsd-lab.
VIRTIOFSD_LAB_MIRROR names a Debian mirror where apt's own is not to be used.
USAGE
}

say() { printf 'assets: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Recipes change: a stamp of another number is no stamp.
readonly RECIPE=2
readonly ALL=(uml kernel-bookworm kernel-backports qemu-backports)
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# shellcheck disable=SC2016 # $(REPO_URI) is apt's own
# The address the host's apt fetches Debian itself from (not security, not a
# third party): first by what the fetched release files say, and where there are
# none yet, by what the address looks like.
debian_mirror() {
	local uri

	if [[ -n ${VIRTIOFSD_LAB_MIRROR:-} ]]; then
		echo "$VIRTIOFSD_LAB_MIRROR"
		return
	fi
	uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
	      'Origin: Debian' 'Label: Debian' 2>/dev/null | head -n1) || true
	[[ -n $uri ]] ||
		uri=$(apt-get indextargets --format '$(REPO_URI)' |
		      grep -E '/debian/?$' | head -n1) || true
	[[ -n $uri ]] || die "no Debian mirror in apt's sources; set VIRTIOFSD_LAB_MIRROR"
	echo "$uri"
}

# Makes apt/NAME, an apt root that knows the given suites and no installed
# package, and fetches its lists. Later calls use it by "apt_in NAME".
apt_root() {
	local name=$1 root=$cache/apt/$1 suite uri
	shift

	uri=$(debian_mirror)
	[[ -r $KEYRING ]] || die "$KEYRING is missing (package debian-archive-keyring)"
	mkdir -p "$root"/{state/lists/partial,cache/archives/partial,etc/parts}
	: >"$root/state/status"
	for suite in "$@"; do
		echo "deb [signed-by=$KEYRING] $uri $suite main"
	done >"$root/etc/sources.list"
	# A mirror that is a snapshot has lists past their date. Signed they are all the same, and
	# a guest for tests need not be the newest.
	cat >"$root/etc/apt.conf" <<CONF
Dir::State "$root/state";
Dir::State::status "$root/state/status";
Dir::Cache "$root/cache";
Dir::Etc::sourcelist "$root/etc/sources.list";
Dir::Etc::sourceparts "$root/etc/parts";
Dir::Etc::preferences "$root/etc/preferences";
Dir::Etc::preferencesparts "$root/etc/parts";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
APT::Sandbox::User "";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Acquire::Retries "3";
Acquire::Check-Valid-Until "false";
CONF
	say "$name: fetching package lists of $*"
	apt_in "$name" apt-get -qq update
}

apt_in() {
	local name=$1 tool=$2
	shift 2
	"$tool" -c "$cache/apt/$name/etc/apt.conf" "$@"
}

# Fetches exactly the named packages ("name/suite" allowed) into a fresh folder
# and unpacks them into TREE.
unpack_named() {
	local name=$1 tree=$2 deb
	local debs=$cache/apt/$1/debs
	shift 2

	rm -rf "$debs"
	mkdir -p "$debs" "$tree"
	say "$name: fetching $*"
	(cd "$debs" && apt_in "$name" apt-get -qq download "$@")
	say "$name: unpacking"
	for deb in "$debs"/*.deb; do
		dpkg -x "$deb" "$tree"
	done
	rm -rf "$debs"
}

# The same for packages and everything they depend on. apt resolves against an
# empty package database, so what comes is complete, whatever the host has.
unpack_closure() {
	local name=$1 tree=$2 deb
	local debs=$cache/apt/$1/cache/archives
	shift 2

	mkdir -p "$tree"
	say "$name: fetching $* with all libraries"
	apt_in "$name" apt-get -qq -y --download-only install "$@" >/dev/null
	say "$name: unpacking $(find "$debs" -name '*.deb' | wc -l) packages"
	for deb in "$debs"/*.deb; do
		dpkg -x "$deb" "$tree"
	done
	rm -f "$debs"/*.deb
}

# Copies module NAME (may be compressed) out of a module tree into a folder.
take_module() {
	local from=$1 name=$2 to=$3 file

	file=$(find "$from" \( -name "$name.ko" -o -name "$name.ko.xz" -o \
			       -name "$name.ko.zst" \) -print -quit)
	[[ -n $file ]] || die "module $name is not in the kernel package"
	case $file in
	*.xz) xz -dc "$file" >"$to/$name.ko" ;;
	*.zst) zstd -qdc "$file" >"$to/$name.ko" ;;
	*) cp "$file" "$to/$name.ko" ;;
	esac
}

# A program that runs PROGRAM of an unpacked tree with that tree's own libraries
# and loader: it may need a newer libc than the host has.
write_wrapper() {
	local wrapper=$1 tree=$2 program=$3
	shift 3

	cat >"$wrapper" <<WRAPPER
#!/bin/sh
exec "$tree/usr/lib64/ld-linux-x86-64.so.2" \\
	--library-path "$tree/usr/lib/x86_64-linux-gnu:$tree/lib/x86_64-linux-gnu" \\
	"$tree$program" $* "\$@"
WRAPPER
	chmod +x "$wrapper"
}

# The same for UML, which cannot be an argument of the loader: it finds its
# memory from where its heap begins and executes /proc/self/exe again. So the
# loader's path in the program is overwritten with a descriptor that the wrapper
# opens.
write_uml_wrapper() {
	local wrapper=$1 tree=$2 program=$3
	local old=/lib64/ld-linux-x86-64.so.2 new=/proc/self/fd/9 offset

	offset=$(grep -abo -m1 -F "$old" "$program" | head -n1 | cut -d: -f1)
	[[ -n $offset ]] || die "$program names no loader"
	{
		printf %s "$new"
		head -c $((${#old} - ${#new})) /dev/zero
	} | dd of="$program" conv=notrunc bs=1 seek="$offset" status=none
	cat >"$wrapper" <<WRAPPER
#!/bin/sh
LD_LIBRARY_PATH="$tree/usr/lib/x86_64-linux-gnu"
export LD_LIBRARY_PATH
exec "$tree/usr/bin/linux.uml" "\$@" 9<"$tree/usr/lib64/ld-linux-x86-64.so.2"
WRAPPER
	chmod +x "$wrapper"
}

# Debian before trixie ships /lib and /lib64 as real folders in its packages.
merge_usr() {
	local tree=$1 dir

	mkdir -p "$tree/usr/lib64"
	for dir in lib64 lib; do
		[[ -d $tree/$dir && ! -L $tree/$dir ]] || continue
		cp -a "$tree/$dir/." "$tree/usr/$dir/"
		rm -rf "${tree:?}/$dir"
		ln -s "usr/$dir" "$tree/$dir"
	done
}

make_uml() {
	local dir=$1 module

	apt_root forky forky
	unpack_named forky "$dir/tree" user-mode-linux libc6
	mkdir "$dir/modules"
	for module in fuse virtiofs overlay; do
		take_module "$dir/tree/usr/lib/uml/modules" "$module" "$dir/modules"
	done
	rm -rf "$dir/tree/usr/lib/uml" "$dir/tree/usr/share"
	write_uml_wrapper "$dir/linux" "$final/tree" "$dir/tree/usr/bin/linux.uml"
}

# The cloud kernel of a suite. What is built in needs no module; "order" names
# the rest in loading order.
make_kernel() {
	local dir=$1 root=$2 suite=$3 kernel module order=
	shift 3

	apt_root "$root" "$@"
	kernel=$(apt_in "$root" apt-cache show "linux-image-cloud-amd64/$suite" |
		 sed -n 's/^Depends: *\(linux-image-[^ ,]*\).*/\1/p' | head -n1)
	[[ -n $kernel ]] || die "linux-image-cloud-amd64 depends on no kernel"
	unpack_named "$root" "$dir/tree" "$kernel/$suite"
	cp "$dir/tree"/boot/vmlinuz-* "$dir/vmlinuz"
	mkdir "$dir/modules"
	for module in virtio_ring virtio virtio_pci_legacy_dev \
		      virtio_pci_modern_dev virtio_pci fuse virtiofs; do
		! grep -qs "/$module\.ko" "$dir"/tree/{usr/,}lib/modules/*/modules.builtin ||
			continue
		take_module "$dir/tree" "$module" "$dir/modules"
		order+=${order:+,}$module
	done
	echo "$order" >"$dir/order"
	rm -rf "$dir/tree"
}

make_kernel-bookworm() {
	make_kernel "$1" bookworm bookworm bookworm
}

make_kernel-backports() {
	make_kernel "$1" bookworm-backports bookworm-backports \
		bookworm bookworm-backports
}

make_qemu-backports() {
	local dir=$1

	apt_root bookworm-backports bookworm bookworm-backports
	unpack_closure bookworm-backports "$dir/tree" \
		qemu-system-x86/bookworm-backports \
		qemu-system-common/bookworm-backports \
		qemu-system-data/bookworm-backports \
		seabios/bookworm-backports
	merge_usr "$dir/tree"
	rm -rf "$dir"/tree/usr/share/{doc,man,locale,info}
	write_wrapper "$dir/qemu-system-x86_64" "$final/tree" \
		/usr/bin/qemu-system-x86_64 \
		"-L '$final/tree/usr/share/qemu' -L '$final/tree/usr/share/seabios'"
}

make_rust() {
	local dir=$1

	apt_root forky forky
	unpack_named forky "$dir/tree" virtiofsd libc6 libgcc-s1 libcap-ng0 libseccomp2
	rm -rf "$dir/tree/usr/share"
	write_wrapper "$dir/virtiofsd" "$final/tree" /usr/libexec/virtiofsd
}

# Builds a component in a folder beside its place and moves it in when whole.
prepare() {
	local component=$1

	final=$cache/$component
	if [[ $(cat "$final/stamp" 2>/dev/null) == "$RECIPE" ]]; then
		say "$component: ready in $final"
		return
	fi
	rm -rf "$final" "$final.new"
	mkdir -p "$final.new"
	"make_$component" "$final.new"
	echo "$RECIPE" >"$final.new/stamp"
	mv "$final.new" "$final"
	say "$component: ready in $final ($(du -sh "$final" | cut -f1))"
}

cache=${VIRTIOFSD_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/virtiofsd-lab}
components=()
while (($#)); do
	case $1 in
	--help) usage; exit 0 ;;
	--cache) cache=${2:?--cache needs a folder}; shift ;;
	uml | kernel-bookworm | kernel-backports | qemu-backports | rust) components+=("$1") ;;
	all) components=("${ALL[@]}") ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
((${#components[@]})) || { usage >&2; exit 2; }

mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
exec 9>"$cache/lock"
flock 9
for component in "${components[@]}"; do
	prepare "$component"
done
