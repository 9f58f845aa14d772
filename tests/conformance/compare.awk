# SPDX-License-Identifier: Apache-2.0
#
# Tells how the results of conformance in a guest differ from those on the host.
#
# awk -v run=NAME -f compare.awk KNOWN-DIFFERENCES HOST.TAP GUEST.TAP
#
# Silence means: no check failed, each saw the same in both, but for what is known; and all that
# is known for this run was seen.

function trim(text) { gsub(/^[ \t]+|[ \t]+$/, "", text); return text }

# Splits a result line into name, good and seen.
function parse(line) {
	good = line !~ /^not /
	sub(/^(not )?ok [0-9]+ - /, "", line)
	at = match(line, / -> [^>]*$/)
	name = substr(line, 1, at - 1)
	seen = (good ? "" : "FAILED ") substr(line, at + 4)
}

FNR == 1 { file++ }

file == 1 && !/^#/ && NF {
	if (split($0, field, "|") != 5) {
		print "no row of five fields: " $0
		next
	}
	if (trim(field[1]) == "*" || ("," trim(field[1]) ",") ~ ("," run ",")) {
		known[trim(field[2])] = trim(field[3]) " | " trim(field[4])
		unused[trim(field[2])] = 1
	}
}

file > 1 && /^Bail out/ { print (file == 2 ? "host: " : "guest: ") $0 }

file == 2 && /^(not )?ok / {
	parse($0)
	host[name] = seen
	order[++count] = name
	if (!good)
		print "fails on the host: " name " -> " seen
}

file == 3 && /^(not )?ok / {
	parse($0)
	if (!(name in host))
		print "not seen on the host: " name " | " seen
	guest[name] = seen
	if (seen == host[name])
		next
	if (known[name] == host[name] " | " seen)
		delete unused[name]
	else
		print "differs: " name " | " host[name] " | " seen
}

END {
	for (i = 1; i <= count; i++)
		if (!(order[i] in guest))
			print "not seen in the guest: " order[i]
	for (name in unused)
		print "known, but not so: " name " | " known[name]
}
