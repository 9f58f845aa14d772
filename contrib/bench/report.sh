# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Part of contrib/bench/run: tables, plots and the page, all from the samples alone.

# shellcheck disable=SC2154 # the variables are those of run

# The first line of the samples: where and how they were taken.
describe_machine() {
	local where=hardware c_version=none rust_version=none

	if grep -qw hypervisor /proc/cpuinfo; then
		where="a virtual machine"
	fi
	if [[ " ${daemons[*]} " == *" c "* ]]; then
		c_version=$("$c_daemon" --version 2>&1 | head -n 1)
	fi
	if [[ -n $rust ]]; then
		rust_version=$("$rust" --version 2>&1 | head -n 1)
	fi
	printf '{"plan":"machine","where":"%s","processors":%d,"machine":"%s","linux":"%s"' \
		"$where" "$(getconf _NPROCESSORS_ONLN)" "$(uname -m)" \
		"$(uname -r | cut -d. -f1,2)"
	printf ',"c_version":"%s","rust_version":"%s","rounds":%d,"seconds":%s,"realtime":"%s"}\n' \
		"$c_version" "$rust_version" "$rounds" "$seconds" "$realtime"
}

has_plan() {
	grep -q "^{\"plan\":\"$1\"" "$samples"
}

# stats PROGRAM [NAME=VALUE...]: an awk program over the samples.
stats() {
	local program=$1 assignment
	local -a options=()

	shift
	for assignment in "$@"; do
		options+=(-v "$assignment")
	done
	awk "${options[@]}" -f "$here/stats.awk" -f "$here/$program.awk" "$samples"
}

# Every table of a plan: heading, plan, metric, digits behind the point.
readonly TABLES="One processor: requests a second|one|rate|0
One processor: CPU time of the daemon per item, in µs|one|cpu_us|2
One processor: median latency in µs|one|p50_us|1
A processor each: requests a second|split|rate|0
A processor each: median latency in µs|split|p50_us|1
A processor each: 99th percentile of latency in µs|split|p99_us|1
A processor each: CPU time of the daemon per item, in µs|split|cpu_us|2
A busy guest (the driver never sleeps): requests a second|spin|rate|0
A busy guest: median latency in µs|spin|p50_us|2
A busy guest: CPU time of the daemon per item, in µs|spin|cpu_us|2
Busy queues: requests a second|queues|rate|0
GETATTR while the same queue waits for a disk: 99th percentile in µs|loaded|p99_us|1
GETATTR while the same queue waits for a disk: median in µs|loaded|p50_us|1
System calls per request|calls|calls|2
In a guest: times a minute, and MiB a second (fio)|guest|speed|1"

# Every plot: name, plan, kind, title, label, title of the x axis.
readonly PLOTS="rate-depth-1|one|bars|Rate on one processor at depth 1 (C = 1)|times the rate of C|
rate-depth-32|one|bars|Rate on one processor at depth 32 (C = 1)|times the rate of C|
cpu-depth-1|one|bars|CPU time per item at depth 1 (C = 1)|times the CPU time of C|
latency|split|bars|Median latency, a processor each, depth 1 (C = 1)|times the latency of C|
busy-guest|spin|bars|Median latency seen by a busy guest|µs|
known|known|curves|Lookups of one of many known inodes|per second|known inodes
daemons|scale|curves|Private memory of each of many idle daemons|KiB|daemons"

tables() {
	local markdown=$1 title plan metric digits

	while IFS='|' read -r title plan metric digits; do
		has_plan "$plan" || continue
		if [[ $markdown == yes ]]; then
			printf '\n### %s\n\n' "$title"
		else
			printf '\n%s\n' "$title"
		fi
		stats table "plan=$plan" "metric=$metric" "digits=$digits" "markdown=$markdown"
	done <<<"$TABLES"
	for plan in idle known scale; do
		has_plan "$plan" || continue
		stats growth "plan=$plan" "markdown=$markdown"
	done
}

report() {
	tables no
	if [[ $check_goals == yes ]]; then
		printf '\nGoals\n'
		stats goals
	fi
	if [[ $write_docs == yes ]]; then
		write_docs
	fi
	if [[ $require_faster == yes ]]; then
		stats slower
	fi
}

# Replaces what stands between the two marks in docs/benchmarks.md.
write_docs() {
	local page=$project/docs/benchmarks.md folder=$project/docs/benchmarks work

	work=$(mktemp -d)
	mkdir -p "$folder"
	{
		stats machine
		plots "$folder" "$work"
		tables yes
		printf '\n### Goals\n\n'
		stats goals markdown=yes
	} >"$work/tables"
	awk -v tables="$work/tables" '
		/<!-- tables end -->/ { skip = 0 }
		!skip { print }
		/<!-- tables begin/ {
			print ""
			while ((getline line < tables) > 0)
				print line
			print ""
			skip = 1
		}' "$page" >"$work/page"
	cp "$work/page" "$page"
	cp "$samples" "$folder/samples.jsonl"
	rm -rf "$work"
}

# Draws each plot whose plan was measured into folder $1 and names it on the page.
plots() {
	local folder=$1 work=$2 name plan kind title label xtitle

	command -v gnuplot >/dev/null || die "gnuplot is missing"
	while IFS='|' read -r name plan kind title label xtitle; do
		has_plan "$plan" || continue
		stats plot "name=$name" >"$work/data"
		gnuplot -e "data='$work/data'; columns=$(awk '{ print NF; exit }' "$work/data")" \
			-e "out='$folder/$name.svg'; kind='$kind'; title='$title'" \
			-e "label='$label'; xtitle='$xtitle'" "$here/plot.gp"
		printf '![%s](benchmarks/%s.svg)\n\n' "$title" "$name"
	done <<<"$PLOTS"
}
