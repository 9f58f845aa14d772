#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that systemd accepts the units, and starts the daemon with the options of an instance: its own
# tool for socket activation does, as the first connection comes.
#
# check-units.sh SERVICE SOCKET PROGRAM INSTALLED_PROGRAM
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

# The units with a program that is there, as an instance.
offences() {
	local units=$scratch/units
	mkdir -p "$units"
	sed "s#$3#$(realpath "$4")#" "$1" >"$units/virtiofsd@.service"
	cp "$2" "$units/virtiofsd@.socket"
	systemd-analyze verify --man=no "$units/virtiofsd@share.service" \
		"$units/virtiofsd@share.socket" 2>&1 | grep virtiofsd@ || true
}

# The command line of the unit, with what the configuration file of an instance would set.
started() {
	local socket=$scratch/socket log=$scratch/log words pid
	export SHARED_DIR=$scratch/share OPTIONS='--cache=never --seccomp=none'
	mkdir -p "$SHARED_DIR"
	words=$(sed -n "s#^ExecStart=$3 ##p" "$1" | sed "s#\${SHARED_DIR}#$SHARED_DIR#; s#\$OPTIONS#$OPTIONS#")
	# shellcheck disable=SC2086 # words are wanted
	systemd-socket-activate -l "$socket" "$4" $words 2>"$log" &
	pid=$!
	# Connects as soon as somebody listens, and hangs up: the daemon's end.
	python3 - "$socket" <<'END'
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
end = time.monotonic() + 10
while s.connect_ex(sys.argv[1]) and time.monotonic() < end:
    time.sleep(0.01)
END
	wait "$pid" || echo "the daemon ended with $?"
	grep -q 'Client connected, servicing requests' "$log" || cat "$log"
}

sed 's/^Type=.*/Type=planted/' "$1" >"$scratch/planted"
expect_offence planted offences "$scratch/planted" "$2" "$4" "$3"
sed 's/--shared-dir/--planted/' "$1" >"$scratch/planted"
expect_offence 'there is no option --planted' started "$scratch/planted" "$2" "$4" "$3"

expect_silence offences "$1" "$2" "$4" "$3"
expect_silence started "$1" "$2" "$4" "$3"
