#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that shellcheck has nothing to say about any script, and that every bash script stops at
# its first failure.
#
# check-shell.sh SOURCE_ROOT
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

if ! command -v shellcheck >/dev/null; then
	echo 'shellcheck is needed'
	exit 1
fi

# stops_at_failure FILE: says so itself, or in a script beside it that it sources.
stops_at_failure() {
	local sourced
	! grep -qx 'set -euo pipefail' "$1" || return 0
	sourced=$(sed -nE 's:^(\.|source) .*/([a-z-]+\.sh)"?$:\2:p' "$1" | head -n 1)
	[[ -n $sourced ]] && stops_at_failure "${1%/*}/$sourced"
}

offences() {
	shell_files "$1" | while read -r file; do
		# From where no lib.sh is: it would be taken for the one beside the script.
		(cd "$scratch" &&
			shellcheck --external-sources --source-path=SCRIPTDIR "$file") || true
		if [[ $(sed -n 1p "$file") == '#!'*bash ]]; then
			stops_at_failure "$file" ||
				echo "$file: does not stop at the first failure"
		fi
	done
}

plant tests/bad.sh <<<$'#!/usr/bin/env bash\nset -euo pipefail\nrm $1'
expect_offence 'SC2086' offences "$scratch"
plant tests/bad.sh <<<$'#!/usr/bin/env bash\nrm "$1"'
expect_offence 'does not stop' offences "$scratch"
rm "$scratch/tests/bad.sh"
plant contrib/without-suffix <<<$'#!/usr/bin/env bash\nset -euo pipefail\nrm $1'
expect_offence 'SC2086' offences "$scratch"
plant contrib/without-suffix <<<$'#!/usr/bin/env bash\nset -euo pipefail\nrm "$1"'
expect_silence offences "$scratch"

expect_sources "$1"
expect_silence offences "$(realpath "$1")"
