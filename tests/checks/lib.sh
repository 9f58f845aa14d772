# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What the checks share: a check is a function that prints one line per offence. It must find
# the offences planted for it before its silence about the real thing counts.
export LC_ALL=C.UTF-8

scratch=$(mktemp -d "${TMPDIR:-/tmp}/check-XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# Folders with something to check, below $1.
source_folders() {
	local folder
	for folder in base vhost sandbox fuse daemon tests contrib docs .ci; do
		[[ ! -d $1/$folder ]] || printf '%s\n' "$1/$folder"
	done
}

# C files below $1.
c_files() {
	source_folders "$1" | while read -r folder; do
		find "$folder" -type f -name '*.[ch]'
	done | sort
}

# A check that sees nothing has shown nothing.
expect_sources() {
	if [[ -z $(c_files "$1") || -z $(shell_files "$1") ]]; then
		echo "no sources below $1"
		exit 1
	fi
}

# Files that a shell runs or sources below $1.
shell_files() {
	source_folders "$1" | while read -r folder; do
		find "$folder" -type f -name '*.sh'
		find "$folder" -type f ! -name '*.*' -exec \
			awk 'FNR == 1 && /^#!.*sh$/ { print FILENAME }' {} +
	done | sort -u
}

# plant FILE: writes stdin to a file in the scratch folder.
plant() {
	mkdir -p "$(dirname "$scratch/$1")"
	cat >"$scratch/$1"
}

# expect_offence TEXT COMMAND...: the check must print a line with TEXT.
expect_offence() {
	local text=$1 found
	shift
	found=$("$@" 2>&1 || true)
	if [[ $found != *"$text"* ]]; then
		printf 'self-test: no offence "%s" was found in what was planted\n' "$text"
		printf 'it said: %s\n' "$found"
		exit 1
	fi
}

# expect_silence COMMAND...: the end of a check: fails with the offences, if any.
expect_silence() {
	local found
	found=$("$@" 2>&1) || true
	if [[ -n $found ]]; then
		printf '%s\n' "$found"
		exit 1
	fi
}
