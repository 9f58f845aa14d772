# SPDX-License-Identifier: Apache-2.0
#
# A sentence about where and how the samples were taken.

END {
	printf "Measured on %s with %d processors (%s), Linux %s.\n", machine["where"],
		machine["processors"], machine["machine"], machine["linux"]
	printf "C daemon: %s. Rust daemon: %s.\n", machine["c_version"], machine["rust_version"]
	printf "%d samples of %s s per daemon and row%s.\n\n", machine["rounds"],
		machine["seconds"],
		machine["realtime"] == "yes" ? ", everything under SCHED_RR" : ""
}
