# SPDX-License-Identifier: Apache-2.0
#
# The data of one plot for plot.gp, by name: a heading line of daemons, then a line per mark of the
# x axis. "?" where nothing was measured.

function number(n) {
	return n == "" ? "?" : n
}

function titles(plan,    i) {
	printf "\"\""
	for (i = 1; i <= n_order; i++)
		if ((plan, order[i]) in has)
			printf " \"%s\"", names[order[i]]
	printf "\n"
}

# A line per row of a plan at one depth; each daemon's median, over the C daemon's if relative.
function bars(plan, metric, depth, relative,    i, j, row, part, base) {
	titles(plan)
	for (i = 1; i <= n_rows[plan]; i++) {
		row = rows_of[plan, i]
		split(row, part, SUBSEP)
		if (part[2] != depth)
			continue
		base = relative ? median(plan, "c", row, metric) : 1
		if (base == "" || !base)
			continue
		printf "\"%s\"", part[1]
		for (j = 1; j <= n_order; j++)
			if ((plan, order[j]) in has)
				printf " %s", scaled(median(plan, order[j], row, metric), base)
		printf "\n"
	}
}

function scaled(n, base) {
	return n == "" ? "?" : n / base
}

# x from part @x of the rows whose part @fixed is @is.
function curves(plan, metric, x, fixed, is,    i, j, row, part) {
	titles(plan)
	for (i = 1; i <= n_rows[plan]; i++) {
		row = rows_of[plan, i]
		split(row, part, SUBSEP)
		if (part[fixed] != is)
			continue
		printf "%s", part[x]
		for (j = 1; j <= n_order; j++)
			if ((plan, order[j]) in has)
				printf " %s", number(median(plan, order[j], row, metric))
		printf "\n"
	}
}

END {
	names["ours"] = "ours"
	names["c"] = "C"
	names["rust"] = "Rust"
	n_order = split("ours c rust", order, " ")
	if (name == "rate-depth-1")
		bars("one", "rate", 1, 1)
	if (name == "rate-depth-32")
		bars("one", "rate", 32, 1)
	if (name == "cpu-depth-1")
		bars("one", "cpu_us", 1, 1)
	if (name == "busy-guest")
		bars("spin", "p50_us", 1, 0)
	if (name == "latency")
		bars("split", "p50_us", 1, 1)
	if (name == "known")
		curves("known", "rate", 3, 2, 1)
	if (name == "daemons")
		curves("scale", "private_kib", 1, 2, 1)
}
