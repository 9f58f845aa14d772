#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that the file that launchers look for agrees with what the daemon prints, and names it.
#
# check-capabilities.sh JSON PROGRAM INSTALLED_PROGRAM
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

offences() {
	python3 - "$1" "$3" <(exec "$2" --print-capabilities) <<'END'
import json, sys
file = json.load(open(sys.argv[1]))
printed = json.load(open(sys.argv[3]))
if file.pop("binary") != sys.argv[2]:
    print("another binary than the one that is installed")
if not file.pop("description"):
    print("no description")
if file != printed:
    print("file:", file, "printed:", printed)
END
}

plant program <<'END'
#!/bin/sh
echo '{ "type": "fs", "features": [ "planted" ] }'
END
chmod +x "$scratch/program"
expect_offence 'planted' offences "$1" "$scratch/program" "$3"
expect_offence 'another binary' offences "$1" "$2" /elsewhere

expect_silence offences "$1" "$2" "$3"
