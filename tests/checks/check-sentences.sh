#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows that the list of what the daemon complains about has every sentence of the sources, and no
# other; what a test is named for must be there.
#
# check-sentences.sh SOURCE_ROOT
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/lib.sh"

list=tests/component/sentences

# What is passed to the log as an error or a warning, and what is wrong with a command line.
in_sources() {
	python3 - "$1" <<'END'
import pathlib, re, sys
literal = r'"(?:[^"\\]|\\.)*"'
text = r"((?:" + literal + r"|PRIu64|\s)+)"
said = re.compile(r"\b(?:log_error|log_warn|log_peer)\(\s*" + text)
usage = re.compile(r"(?:g_strdup|g_strdup_printf)\(\s*" + text + "|return " + text + ";")
for path in sorted(pathlib.Path(sys.argv[1]).glob("*/**/*.c")):
    folder = path.relative_to(sys.argv[1]).parts[0]
    if folder not in ("base", "vhost", "sandbox", "fuse", "daemon"):
        continue
    patterns = [said] + [usage] * (path.name.startswith("options") and folder == "daemon")
    for match in (m for p in patterns for m in p.finditer(path.read_text())):
        found = next(group for group in match.groups() if group)
        parts = re.findall(literal + "|PRIu64", found)
        sentence = "".join("lu" if p == "PRIu64" else p[1:-1] for p in parts)
        if " " in sentence:
            print(sentence)
END
}

offences() {
	comm -3 <(in_sources "$1" | sort -u) <(sed -n 's/^> //p' "$1/$list" | sort) |
		sed -E 's/^\t(.*)/only in the list: \1/; t
			s/^/not in the list: /'
	sed -n 's/^by //p' "$1/$list" | while read -r file; do
		[[ -f $1/$file ]] || echo "there is no $file"
	done
	awk '/^> / { if (open) print "nothing said about: " open; open = $0; next }
		/^(run|peer|guest|by|not) / { open = "" }' "$1/$list"
}

plant daemon/options.c <<'END'
	return "one " /* a comment ends it */;
	return "two words";
	x = g_strdup_printf("--%s takes %" PRIu64
			    " words", a, b);
END
plant vhost/x.c <<<$'\tlog_peer("A peer\'s %u",\n\t\t 1);'
plant "$list" <<'END'
> two words
run 2 -- x
> --%s takes %lu words
by vhost/x.c
END
expect_offence "not in the list: A peer's %u" offences "$scratch"
printf "> A peer's %%u\n" >>"$scratch/$list"
printf '> No such\n' >>"$scratch/$list"
expect_offence 'only in the list: No such' offences "$scratch"
expect_offence "nothing said about: > A peer's %u" offences "$scratch"
sed -i '/No such/d' "$scratch/$list"
echo 'by nowhere' >>"$scratch/$list"
expect_offence 'there is no nowhere' offences "$scratch"
sed -i '$s/.*/not possible/' "$scratch/$list"
expect_silence offences "$scratch"

expect_sources "$1"
expect_silence offences "$1"
