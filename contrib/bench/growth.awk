# SPDX-License-Identifier: Apache-2.0
#
# The tables of the plans idle, known and scale. markdown=yes for the page.

function cell(text, width) {
	if (markdown == "yes")
		printf " %s |", text
	else
		printf " %*s", width, text
}

function number(n, digits) {
	return n == "" ? "–" : sprintf("%." digits "f", n)
}

function start_line() {
	printf markdown == "yes" ? "|" : ""
}

function title(text) {
	printf markdown == "yes" ? "\n### %s\n\n" : "\n%s\n", text
}

# head(NAMES, N): a heading line of the array.
function head(names, n,    i) {
	start_line()
	for (i = 1; i <= n; i++)
		cell(names[i], i == 1 ? -12 : 14)
	printf "\n"
	if (markdown != "yes")
		return
	printf "|---|"
	for (i = 2; i <= n; i++)
		printf "--:|"
	printf "\n"
}

function idle_table(    i, n, names, row) {
	title("Idle for 10 s, then asked once a millisecond")
	n = split("daemon|wake-ups|CPU ms|private KiB|asked: CPU µs per request", names, "|")
	head(names, n)
	for (i = 1; i <= n_order; i++) {
		if (!(("idle", order[i]) in has))
			continue
		start_line()
		cell(order[i], -12)
		row = row_of(1, 1, 0)
		cell(number(median("idle", order[i], row, "wakeups"), 0), 14)
		cell(number(median("idle", order[i], row, "cpu_ms"), 2), 14)
		cell(number(median("idle", order[i], row, "private_kib"), 0), 14)
		n = median("idle", order[i], row_of(1, 1, 1000), "cpu_ms")
		cell(number(n == "" ? "" : n / 2, 2), 14)
		printf "\n"
	}
}

function known_table(    i, j, n, names, row, part) {
	title("Many known inodes: LOOKUP of one of them, and memory")
	n = split("daemon|depth|inodes|lookups per s|p50 µs|bytes per inode", names, "|")
	head(names, n)
	for (i = 1; i <= n_order; i++)
		for (j = 1; j <= n_rows["known"]; j++) {
			row = rows_of["known", j]
			if (median("known", order[i], row, "rate") == "")
				continue
			split(row, part, SUBSEP)
			start_line()
			cell(order[i], -12)
			cell(part[2], 14)
			cell(part[3], 14)
			cell(number(median("known", order[i], row, "rate"), 0), 14)
			cell(number(median("known", order[i], row, "p50_us"), 1), 14)
			cell(number(median("known", order[i], row, "known_bytes"), 0), 14)
			printf "\n"
		}
}

function scale_table(    i, j, n, names, row, part) {
	title("Many queues, many daemons: private memory of each daemon")
	n = split("daemon|daemons|queues each|private KiB each", names, "|")
	head(names, n)
	for (i = 1; i <= n_order; i++)
		for (j = 1; j <= n_rows["scale"]; j++) {
			row = rows_of["scale", j]
			if (median("scale", order[i], row, "private_kib") == "")
				continue
			split(row, part, SUBSEP)
			start_line()
			cell(order[i], -12)
			cell(part[1], 14)
			cell(part[2], 14)
			cell(number(median("scale", order[i], row, "private_kib"), 0), 14)
			printf "\n"
		}
}

END {
	n_order = split("ours ours-nopoll c rust native", order, " ")
	if (plan == "idle")
		idle_table()
	if (plan == "known")
		known_table()
	if (plan == "scale")
		scale_table()
}
