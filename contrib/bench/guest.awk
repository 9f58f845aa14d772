# SPDX-License-Identifier: Apache-2.0
#
# Makes the table of contrib/bench/guest from its samples (one JSON object a line).
# Values of fio jobs are rates, of the others times; every ratio is a speed.

function field(name,    text) {
	if (!match($0, "\"" name "\":(\"[^\"]*\"|[0-9.]+)"))
		return ""
	text = substr($0, RSTART, RLENGTH)
	sub(/^"[a-z0-9_]*":/, "", text)
	gsub(/"/, "", text)
	return text
}

function median(a, n,    i, j, v) {
	for (i = 2; i <= n; i++) {
		v = a[i]
		for (j = i - 1; j >= 1 && a[j] > v; j--)
			a[j + 1] = a[j]
		a[j + 1] = v
	}
	return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}

function is_rate(job) {
	return job ~ /^fio-/
}

# How many times as fast as the other, round by round, the median.
function speed(job, daemon, other,    i, n, list) {
	for (i = 1; i <= n_rounds; i++) {
		if (!((job, daemon, i) in value) || !((job, other, i) in value))
			continue
		if (is_rate(job))
			list[++n] = value[job, daemon, i] / value[job, other, i]
		else
			list[++n] = value[job, other, i] / value[job, daemon, i]
	}
	return n ? median(list, n) : 0
}

function typical(job, daemon,    i, n, list) {
	for (i = 1; i <= n_rounds; i++)
		if ((job, daemon, i) in value)
			list[++n] = value[job, daemon, i]
	return n ? median(list, n) : 0
}

function row(first, cells, n,    i) {
	if (markdown == "yes") {
		printf "| %s |", first
		for (i = 1; i <= n; i++)
			printf " %s |", cells[i]
	} else {
		printf "%-20s", first
		for (i = 1; i <= n; i++)
			printf " %14s", cells[i]
	}
	printf "\n"
}

{
	job = field("job")
	daemon = field("daemon")
	if (!(job in seen)) {
		seen[job] = 1
		jobs[++n_jobs] = job
	}
	if (!(daemon in met)) {
		met[daemon] = 1
		daemons[++n_daemons] = daemon
	}
	if (field("round") + 0 > n_rounds)
		n_rounds = field("round") + 0
	value[job, daemon, field("round") + 0] = field("value") + 0
}

END {
	for (d = 1; d <= n_daemons; d++)
		cells[d] = daemons[d]
	n = n_daemons
	for (d = 2; d <= n_daemons; d++)
		cells[++n] = "ours / " daemons[d]
	row("job", cells, n)
	if (markdown == "yes") {
		printf "|---|"
		for (d = 1; d <= n; d++)
			printf "--:|"
		printf "\n"
	}
	for (j = 1; j <= n_jobs; j++) {
		for (d = 1; d <= n_daemons; d++) {
			v = typical(jobs[j], daemons[d])
			cells[d] = is_rate(jobs[j]) ? sprintf("%.1f MiB/s", v / 1024) : sprintf("%.3f s", v)
		}
		n = n_daemons
		for (d = 2; d <= n_daemons; d++) {
			s = speed(jobs[j], "ours", daemons[d])
			cells[++n] = sprintf("%.2f", s)
			if (s > 0) {
				sum[d] += log(s)
				count[d]++
			}
		}
		row(jobs[j], cells, n)
	}
	for (d = 1; d <= n_daemons; d++)
		cells[d] = ""
	n = n_daemons
	for (d = 2; d <= n_daemons; d++)
		cells[++n] = count[d] ? sprintf("%.2f", exp(sum[d] / count[d])) : ""
	row("geometric mean", cells, n)
}
