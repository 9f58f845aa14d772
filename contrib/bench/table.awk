# SPDX-License-Identifier: Apache-2.0
#
# Makes the table of contrib/bench/run from its samples (one JSON object a line).
#
# Variables: placement picks the samples; markdown=yes for the page; calls=yes
# adds system calls per request; check=yes prints nothing but the rows that are
# slower than the C daemon and exits with 1 when there is one.

function field(name,    text) {
	if (!match($0, "\"" name "\":(\"[^\"]*\"|[0-9.]+)"))
		return ""
	text = substr($0, RSTART, RLENGTH)
	sub(/^"[a-z0-9_]*":/, "", text)
	gsub(/"/, "", text)
	return text
}

# The median of the numbers a[1..n], which it sorts.
function median(a, n,    i, j, v) {
	for (i = 2; i <= n; i++) {
		v = a[i]
		for (j = i - 1; j >= 1 && a[j] > v; j--)
			a[j + 1] = a[j]
		a[j + 1] = v
	}
	return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}

function median_of(what, daemon, row,    i, n, list) {
	for (i = 1; i <= rounds[row]; i++)
		if ((what, daemon, row, i) in sample)
			list[++n] = sample[what, daemon, row, i]
	return n ? median(list, n) : 0
}

# Fills ratio[]: median and range of the ratios to the C daemon, round by round.
function ratios(daemon, row,    i, n, list) {
	for (i = 1; i <= rounds[row]; i++)
		if (("rate", daemon, row, i) in sample && ("rate", "c", row, i) in sample)
			list[++n] = sample["rate", daemon, row, i] / sample["rate", "c", row, i]
	ratio["median"] = median(list, n)
	ratio["min"] = list[1]
	ratio["max"] = list[n]
}

function cells(text) {
	if (markdown != "yes") {
		gsub(/ *\| */, " ", text)
		printf "%s", text
	} else {
		gsub(/ +/, " ", text)
		sub(/ $/, "", text)
		printf "%s |", text
	}
}

function print_head() {
	if (markdown == "yes") {
		printf "| operation | depth | ours per s | C per s | ours / C | range | p50 µs ours | p50 µs C |"
		if (calls == "yes")
			printf " calls ours | calls C |"
		if (has_rust)
			printf " Rust per s | Rust / C |"
		printf "\n|---|--:|--:|--:|--:|--:|--:|--:|"
		if (calls == "yes")
			printf "--:|--:|"
		if (has_rust)
			printf "--:|--:|"
		printf "\n"
		return
	}
	printf "%-14s %5s %11s %11s %8s %11s %8s %8s", "operation", "depth", "ours/s", "C/s",
		"ours/C", "range", "p50 ours", "p50 C"
	if (calls == "yes")
		printf " %7s %7s", "calls", "calls C"
	if (has_rust)
		printf " %11s %8s", "Rust/s", "Rust/C"
	printf "\n"
}

function print_row(row,    part, bar) {
	split(row, part, SUBSEP)
	bar = markdown == "yes" ? "| " : ""
	ratios("ours", row)
	cells(sprintf("%s%-14s", bar, part[1]))
	cells(sprintf(" %5d", part[2]))
	cells(sprintf(" %11.0f", median_of("rate", "ours", row)))
	cells(sprintf(" %11.0f", median_of("rate", "c", row)))
	cells(sprintf(" %8.2f", ratio["median"]))
	cells(sprintf(" %11s", sprintf("%.2f–%.2f", ratio["min"], ratio["max"])))
	cells(sprintf(" %8.1f", median_of("p50_us", "ours", row)))
	cells(sprintf(" %8.1f", median_of("p50_us", "c", row)))
	if (calls == "yes") {
		cells(sprintf(" %7.2f", n_calls["ours", row]))
		cells(sprintf(" %7.2f", n_calls["c", row]))
	}
	if (has_rust) {
		ratios("rust", row)
		cells(sprintf(" %11.0f", median_of("rate", "rust", row)))
		cells(sprintf(" %8.2f", ratio["median"]))
	}
	printf "\n"
}

/"calls_per_request"/ {
	n_calls[field("daemon"), field("op"), field("depth")] = field("calls_per_request")
	next
}

field("placement") == placement {
	row = field("op") SUBSEP field("depth")
	round = field("round") + 0
	if (!(row in rounds))
		rows[++n_rows] = row
	if (round > rounds[row])
		rounds[row] = round
	sample["rate", field("daemon"), row, round] = field("rate") + 0
	sample["p50_us", field("daemon"), row, round] = field("p50_us") + 0
	if (field("daemon") == "rust")
		has_rust = 1
}

END {
	if (check != "yes")
		print_head()
	for (i = 1; i <= n_rows; i++) {
		if (check != "yes") {
			print_row(rows[i])
			continue
		}
		ratios("ours", rows[i])
		if (ratio["median"] < 1) {
			split(rows[i], part, SUBSEP)
			printf "slower than the C daemon: %s at depth %d (%.2f)\n", part[1],
				part[2], ratio["median"]
			slower = 1
		}
	}
	exit slower
}
