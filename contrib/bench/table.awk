# SPDX-License-Identifier: Apache-2.0
#
# The table of one plan and metric, with digits behind the point. markdown=yes for the page.

function label(daemon) {
	return names[daemon]
}

# A cell of a line: text on the page between bars, on a terminal in a column.
function cell(text, width) {
	if (markdown == "yes")
		printf " %s |", text
	else
		printf " %*s", width, text
}

function number(n) {
	return n == "" ? "–" : sprintf("%." digits "f", n)
}

function ratio_text(daemon, row,    r) {
	r = ratio(plan, "ours", daemon, row, metric)
	return r == "" ? "–" : sprintf("%.2f (%.2f–%.2f)", r, low, high)
}

function print_head(    i, width) {
	printf markdown == "yes" ? "|" : ""
	cell("operation", -14)
	cell("depth", 5)
	if (with_lanes)
		cell("queues", 6)
	for (i = 1; i <= n_columns; i++)
		cell(label(columns[i]), 10)
	for (i = 1; i <= n_others; i++)
		cell("ours / " label(others[i]) " (range)", 21)
	printf "\n"
	if (markdown != "yes")
		return
	printf "|---|--:|"
	for (i = 1; i <= with_lanes + n_columns + n_others; i++)
		printf "--:|"
	printf "\n"
}

function print_row(row,    part, i) {
	split(row, part, SUBSEP)
	printf markdown == "yes" ? "|" : ""
	cell(part[1], -14)
	cell(part[2], 5)
	if (with_lanes)
		cell(part[3], 6)
	for (i = 1; i <= n_columns; i++)
		cell(number(median(plan, columns[i], row, metric)), 10)
	for (i = 1; i <= n_others; i++)
		cell(ratio_text(others[i], row), 21)
	printf "\n"
}

# The geometric means of the ratios at one depth.
function print_means(depth,    i, j, n, logs, part, r) {
	printf markdown == "yes" ? "|" : ""
	cell("geometric mean", -14)
	cell(depth, 5)
	for (i = 1; i <= n_columns; i++)
		cell("", 10)
	for (i = 1; i <= n_others; i++) {
		n = logs = 0
		for (j = 1; j <= n_rows[plan]; j++) {
			split(rows_of[plan, j], part, SUBSEP)
			r = ratio(plan, "ours", others[i], rows_of[plan, j], metric)
			if (part[2] == depth && r > 0) {
				logs += log(r)
				n++
			}
		}
		cell(n ? sprintf("%.2f", exp(logs / n)) : "–", 21)
	}
	printf "\n"
}

END {
	names["ours"] = "ours"
	names["c"] = "C"
	names["rust"] = "Rust"
	names["c-pool"] = "C, pool of 8"
	names["native"] = "native"
	n = split("ours c rust c-pool native", order, " ")
	with_lanes = plan == "queues"
	for (i = 1; i <= n; i++) {
		if (!((plan, order[i]) in has) || (order[i] == "native" && metric == "cpu_us"))
			continue
		columns[++n_columns] = order[i]
		if (order[i] == "c" || order[i] == "rust")
			others[++n_others] = order[i]
	}
	print_head()
	for (i = 1; i <= n_rows[plan]; i++) {
		print_row(rows_of[plan, i])
		split(rows_of[plan, i], part, SUBSEP)
		if (!(part[2] in seen))
			depths[++n_depths] = part[2]
		seen[part[2]] = 1
	}
	for (i = 1; i <= n_depths; i++)
		if (n_others && plan != "loaded" && plan != "queues")
			print_means(depths[i])
}
