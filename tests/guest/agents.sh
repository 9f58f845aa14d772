# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Tells lock-agent processes in guests and on the host what to do.
#
# Their commands are files in $agents, a folder of the share. An agent that waits
# for a lock does not answer until it has got it.
#
# shellcheck disable=SC2034,SC2154 # lib.sh comes first and reads some

declare -A n_sent=()
agents=

start_agents_on_host() {
	local name

	for name in "$@"; do
		env --chdir "$agents" "$work/lock-agent" "$name" &
	done
}

# tell AGENT WORD...: does not wait for an answer.
tell() {
	local agent=$1 n=$((${n_sent[$1]:-0} + 1))
	shift

	n_sent[$agent]=$n
	echo "$*" >"$agents/.command"
	mv "$agents/.command" "$agents/$agent.$n"
}

# Sets $answer to what the agent says to its last command.
hear() {
	local file=$agents/$1.${n_sent[$1]}.re

	answer="no answer"
	! until_true "${2:-30}" test -e "$file" || answer=$(<"$file")
}

# ask AGENT WORD...: sets $answer.
ask() {
	tell "$@"
	hear "$1"
}

# order AGENT WORD...: for what is not in question.
order() {
	ask "$@"
	[[ $answer == ok ]] || bail "$* is answered: $answer"
}

# expect ANSWER AGENT WORD...: 1 in failed when the answer is another.
expect() {
	local want=$1
	shift

	ask "$@"
	if [[ $answer != "$want" ]]; then
		note "$* is answered $answer, not $want"
		failed=1
	fi
}

# expect_waiting AGENT COLLEAGUE...: the agent does not get an answer while each
# of the others does a few things, which takes some time.
expect_waiting() {
	local waiting=$1 i colleague

	for i in 1 2 3; do
		for colleague in "${@:2}"; do
			expect ok "$colleague" nothing "$i"
		done
	done
	if [[ -e $agents/$waiting.${n_sent[$waiting]}.re ]]; then
		note "$waiting did not wait: $(<"$agents/$waiting.${n_sent[$waiting]}.re")"
		failed=1
	fi
}

# expect_answer ANSWER AGENT: to the last command.
expect_answer() {
	hear "$2"
	if [[ $answer != "$1" ]]; then
		note "$2 is answered $answer, not $1"
		failed=1
	fi
}

# verdict SENTENCE: counts what was expected since the last one.
verdict() {
	result "$failed" "$1"
	failed=0
}
failed=0
