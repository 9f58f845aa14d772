# SPDX-License-Identifier: Apache-2.0
#
# Names the rows of the plan one that are slower than the C daemon; exits with 1 if there are any.

END {
	for (i = 1; i <= n_rows["one"]; i++) {
		row = rows_of["one", i]
		r = ratio("one", "ours", "c", row, "rate")
		if (r != "" && r < 1) {
			split(row, part, SUBSEP)
			printf "slower than the C daemon: %s at depth %d (%.2f)\n", part[1],
				part[2], r
			slower = 1
		}
	}
	exit slower
}
