# SPDX-License-Identifier: Apache-2.0
#
# Says of each performance goal whether the samples meet it and by how much. Informative.
# markdown=yes for the page.

# One line. @good is better the higher when @sign is ">=", the lower when "<=".
function goal(text, measured, sign, target,    met, off) {
	if (measured == "") {
		line(text, "–", sign " " target, "not measured")
		return
	}
	met = sign == ">=" ? measured >= target : measured <= target
	off = target ? sprintf(" by %.0f %%", 100 * (measured > target ? measured / target - 1 \
		: 1 - measured / target)) : ""
	line(text, sprintf("%.2f", measured), sign " " target, (met ? "met" : "MISSED") off)
}

function line(text, measured, target, verdict) {
	if (markdown == "yes")
		printf "| %s | %s | %s | %s |\n", text, measured, target, verdict
	else
		printf "  %-66s %9s %9s  %s\n", text, measured, target, verdict
}

# Geometric mean of the ratios ours / @other over the rows at @depth; worst_row and worst are
# the one furthest to the wrong side.
function mean(plan, other, metric, depth, metadata_only, wrong_is_high,    i, row, part, r, n, logs) {
	worst = worst_row = ""
	for (i = 1; i <= n_rows[plan]; i++) {
		row = rows_of[plan, i]
		split(row, part, SUBSEP)
		if (part[2] != depth || (metadata_only && !is_metadata(part[1])))
			continue
		r = ratio(plan, "ours", other, row, metric)
		if (r == "" || r <= 0)
			continue
		logs += log(r)
		n++
		if (worst == "" || (wrong_is_high ? r > worst : r < worst)) {
			worst = r
			worst_row = part[1]
		}
	}
	return n ? exp(logs / n) : ""
}

# A mean and, as a goal of its own, its worst row.
function mean_and_worst(text, plan, other, metric, depth, metadata, sign, target, row_target,    m) {
	m = mean(plan, other, metric, depth, metadata, sign == "<=")
	goal(text ", geometric mean", m, sign, target)
	if (row_target != "")
		goal(text ", worst row" (worst_row == "" ? "" : " (" worst_row ")"), worst, sign,
			row_target)
}

function better(a, b, sign) {
	if (a == "" || b == "")
		return a b
	return (sign == ">" ? a > b : a < b) ? a : b
}

# x / y, "" where either was not measured.
function quotient(x, y) {
	return x == "" || y == "" || y == 0 ? "" : x / y
}

function one_processor() {
	mean_and_worst("one CPU, depth 1: rate / Rust", "one", "rust", "rate", 1, 0, ">=", 1.8)
	mean_and_worst("one CPU, depth 1: rate / C", "one", "c", "rate", 1, 0, ">=", 1.3, 1)
	mean_and_worst("one CPU, depth 1: CPU per item / Rust", "one", "rust", "cpu_us", 1, 0,
		"<=", 0.5)
	mean_and_worst("one CPU, depth 1: CPU per item / C", "one", "c", "cpu_us", 1, 0, "<=", 0.7)
	mean_and_worst("one CPU, depth 32: metadata rate / Rust", "one", "rust", "rate", 32, 1,
		">=", 4, 4)
	mean_and_worst("one CPU, depth 32: metadata rate / C", "one", "c", "rate", 32, 1, ">=",
		2.5, 2.5)
	goal("one CPU, depth 32: lookup-hit / native",
		quotient(median("one", "ours", row_of("lookup-hit", 32, 1), "rate"),
			median("one", "native", row_of("lookup-hit", 1, 1), "rate")), ">=", 0.5)
}

function spinning(    i, n, ops, row, best) {
	n = split("noop lookup-hit getattr read-4k", ops, " ")
	for (i = 1; i <= n; i++) {
		row = row_of(ops[i], 1, 1)
		best = better(median("spin", "c", row, "rate"), median("spin", "rust", row, "rate"),
			">")
		goal("busy guest: " ops[i] ", rate / the better of both",
			quotient(median("spin", "ours", row, "rate"), best), ">=", 8)
		best = median("spin", "native", row, "p50_us")
		goal("busy guest: " ops[i] ", p50 - native p50, µs",
			best == "" ? "" : median("spin", "ours", row, "p50_us") - best, "<=", 1.5)
	}
}

function split_processors(    i, row, part, best, r, n, logs, ops, native) {
	worst = worst_row = ""
	for (i = 1; i <= n_rows["split"]; i++) {
		row = rows_of["split", i]
		split(row, part, SUBSEP)
		if (part[2] != 1 || !is_metadata(part[1]))
			continue
		best = better(median("split", "c", row, "p50_us"),
			median("split", "rust", row, "p50_us"), "<")
		r = quotient(median("split", "ours", row, "p50_us"), best)
		if (r == "")
			continue
		logs += log(r)
		n++
		if (worst == "" || r > worst) {
			worst = r
			worst_row = part[1]
		}
	}
	goal("a CPU each, depth 1: metadata p50 / the better of both, geometric mean",
		n ? exp(logs / n) : "", "<=", 0.6)
	goal("a CPU each, depth 1: metadata p50 / the better of both, worst (" worst_row ")",
		worst, "<=", 0.6)
	n = split("read-1m write-1m", ops, " ")
	for (i = 1; i <= n; i++) {
		native = median("split", "native", row_of(ops[i], 1, 1), "rate")
		goal("a CPU each, depth 1: " ops[i] " / native",
			quotient(median("split", "ours", row_of(ops[i], 1, 1), "rate"), native),
			">=", 0.95)
	}
	for (i = 1; i <= n; i++)
		goal("a CPU each, depth 8: " ops[i] " / C with a pool of 8",
			ratio("split", "ours", "c-pool", row_of(ops[i], 8, 1), "rate"), ">=", 1)
}

function queues(    i, j, n, ops, n_depths, depths) {
	n = split("noop lookup-hit getattr open read-4k", ops, " ")
	n_depths = split("1 8", depths, " ")
	for (i = 1; i <= n; i++)
		for (j = 1; j <= n_depths; j++)
			goal("two queues on two CPUs / one on one: " ops[i] ", depth " depths[j],
				quotient(median("queues", "ours", row_of(ops[i], depths[j], 2), "rate"),
					median("queues", "ours", row_of(ops[i], depths[j], 1), "rate")),
				">=", 1.6)
}

function in_guest() {
	mean_and_worst("everyday work in a guest: speed / Rust", "guest", "rust", "speed", 1, 0, ">=",
		1.5, 1)
}

function loaded(    i, n, names) {
	n = split("ours c rust", names, " ")
	for (i = 1; i <= n; i++)
		if (("loaded", names[i]) in has)
			goal("p99 of GETATTR under fsync and cold reads / unloaded: " names[i],
				quotient(median("loaded", names[i], row_of("getattr-loaded", 8, 1),
					"p99_us"),
				median("loaded", names[i], row_of("getattr", 1, 1), "p99_us")), "<=", 3)
}

# In every plan, on every row.
function honest_polling(    p, n_plans, plans, i, row, r, part) {
	worst = worst_row = ""
	n_plans = split("one split spin", plans, " ")
	for (p = 1; p <= n_plans; p++)
		for (i = 1; i <= n_rows[plans[p]]; i++) {
			row = rows_of[plans[p], i]
			r = ratio(plans[p], "ours", "rust", row, "cpu_us")
			if (r == "" || (worst != "" && r <= worst))
				continue
			split(row, part, SUBSEP)
			worst = r
			worst_row = plans[p] ", " part[1] ", depth " part[2]
		}
	if (worst != "")
		goal("CPU per item / Rust, worst row of all (" worst_row ")", worst, "<=", 1)
}

function idle(    row) {
	goal("idle: wake-ups in 10 s", median("idle", "ours", row_of(1, 1, 0), "wakeups"), "<=", 0)
	goal("1000 requests a second: CPU / without polling",
		quotient(median("idle", "ours", row_of(1, 1, 1000), "cpu_ms"),
			median("idle", "ours-nopoll", row_of(1, 1, 1000), "cpu_ms")), "<=", 1.1)
	goal("idle: private memory, KiB", median("idle", "ours", row_of(1, 1, 0), "private_kib"),
		"<=", 1024)
}

# A lookup among many is dearer on the host already: that is told beside it.
function known(    i, n, depths, few, many, growth) {
	goal("1,000,000 known inodes: bytes each",
		median("known", "ours", row_of("lookup-known", 1, 1000000), "known_bytes"), "<=", 256)
	n = split("1 32", depths, " ")
	for (i = 1; i <= n; i++) {
		few = median("known", "ours", row_of("lookup-known", depths[i], 1000), "rate")
		many = median("known", "ours", row_of("lookup-known", depths[i], 1000000), "rate")
		goal("1,000,000 known inodes: time of a lookup / with 1,000, depth " depths[i],
			quotient(few, many), "<=", 1.3)
	}
	few = median("known", "native", row_of("lookup-known", 1, 1000), "rate")
	many = median("known", "native", row_of("lookup-known", 1, 1000000), "rate")
	growth = quotient(few, many)
	if (growth != "")
		line("(the host's own statx: with 1,000,000 / with 1,000)", sprintf("%.2f", growth),
			"", "")
}

END {
	if (markdown == "yes")
		printf "| goal | measured | wanted | |\n|---|--:|--:|---|\n"
	if (n_rows["one"])
		one_processor()
	if (n_rows["spin"])
		spinning()
	if (n_rows["split"])
		split_processors()
	if (n_rows["queues"])
		queues()
	if (n_rows["loaded"])
		loaded()
	honest_polling()
	if (n_rows["idle"])
		idle()
	if (n_rows["known"])
		known()
	if (n_rows["guest"])
		in_guest()
}
