# SPDX-License-Identifier: Apache-2.0
#
# Reads the samples of contrib/bench/run, one JSON object a line, for the program that follows
# on the command line. A row is an operation at a depth on a number of lanes.
#
# value[plan, daemon, row, metric, round]; rows_of[plan, 1..n_rows[plan]] in the order measured;
# rounds[plan, row].

function field(name,    text) {
	if (!match($0, "\"" name "\":(\"[^\"]*\"|-?[0-9.]+)"))
		return ""
	text = substr($0, RSTART, RLENGTH)
	sub(/^"[a-z0-9_]*":/, "", text)
	gsub(/"/, "", text)
	return text
}

function row_of(op, depth, lanes) {
	return op SUBSEP depth SUBSEP lanes
}

# The median of the numbers a[1..n], which it sorts.
function median_list(a, n,    i, j, v) {
	for (i = 2; i <= n; i++) {
		v = a[i]
		for (j = i - 1; j >= 1 && a[j] > v; j--)
			a[j + 1] = a[j]
		a[j + 1] = v
	}
	return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}

# Over the rounds; "" where nothing was measured.
function median(plan, daemon, row, metric,    i, n, list) {
	for (i = 1; i <= rounds[plan, row]; i++)
		if ((plan, daemon, row, metric, i) in value)
			list[++n] = value[plan, daemon, row, metric, i]
	return n ? median_list(list, n) : ""
}

# The median of the ratios of two daemons round by round, their range in low and high; or "".
function ratio(plan, daemon, other, row, metric,    i, n, list, a, b, result) {
	for (i = 1; i <= rounds[plan, row]; i++) {
		if (!((plan, daemon, row, metric, i) in value))
			continue
		if (!((plan, other, row, metric, i) in value))
			continue
		a = value[plan, daemon, row, metric, i]
		b = value[plan, other, row, metric, i]
		if (b > 0)
			list[++n] = a / b
	}
	if (!n)
		return ""
	result = median_list(list, n)
	low = list[1]
	high = list[n]
	return result
}

function is_metadata(op) {
	return op !~ /^(read|write)-[0-9]/ && op != "small-file"
}

function keep_sample(plan, daemon, row, round,    i, metric) {
	if (!((plan, row) in rounds))
		rows_of[plan, ++n_rows[plan]] = row
	if (round > rounds[plan, row])
		rounds[plan, row] = round
	for (i = 1; i <= n_metrics; i++) {
		metric = metrics[i]
		if (field(metric) != "")
			value[plan, daemon, row, metric, round] = field(metric) + 0
	}
}

BEGIN {
	n_metrics = split("rate cpu_us p50_us p99_us p999_us driver_cpu_us private_kib calls " \
		"known_bytes wakeups cpu_ms bytes_per_s speed", metrics, " ")
}

field("plan") == "machine" {
	n = split("where processors machine linux c_version rust_version rounds seconds realtime", \
		names, " ")
	for (i = 1; i <= n; i++)
		machine[names[i]] = field(names[i])
	next
}

{
	p = field("plan")
	who = field("daemon")
	has[who] = has[p, who] = 1
	# The rows of the plans that have no operation: what they varied.
	if (p == "idle" || p == "scale")
		row = row_of(field("guests"), field("queues"), field("asked_per_s"))
	else if (p == "known")
		row = row_of("lookup-known", field("depth"), field("known"))
	else
		row = row_of(field("op"), field("depth"), field("lanes"))
	keep_sample(p, who, row, field("round") + 0)
}
