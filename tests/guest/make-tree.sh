#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the same source tree in C every time, of 4,200 files, a part of it a
# program with a Makefile. Its result is known, so a wrong byte shows in it.
set -euo pipefail

mkdir -p "${1:?names the folder to fill}"
cd "$1"
awk 'BEGIN {
	for (d = 0; d < 42; d++) {
		dir = sprintf("part%02d", d)
		system("mkdir -p " dir)
		for (i = 0; i < 50; i++) {
			name = sprintf("f%02d_%02d", d, i)
			file = dir "/" name ".h"
			printf "/* declares %s */\nint %s(int x);\n", name, name > file
			close(file)
			file = dir "/" name ".c"
			printf "#include \"%s.h\"\n\n", name > file
			for (l = 0; l < (d * 7 + i * 13) % 200; l++)
				printf "/* line %d of %s pads the file */\n", l, name > file
			printf "int %s(int x)\n{\n\treturn x * %d + %d;\n}\n",
				name, d + 2, i > file
			close(file)
		}
	}
	main = "main.c"
	print "#include <stdio.h>" > main
	for (i = 0; i < 20; i++)
		printf "#include \"part07/f07_%02d.h\"\n", i > main
	print "int main(void)\n{\n\tint x = 1;\n" > main
	for (i = 0; i < 20; i++)
		printf "\tx = f07_%02d(x) %% 1000003;\n", i > main
	print "\tprintf(\"%d\\n\", x);\n\treturn 0;\n}" > main
	x = 1
	for (i = 0; i < 20; i++)
		x = (x * 9 + i) % 1000003
	print x > "expected"
}'
for ((i = 0; i < 38; i++)); do
	printf 'A page of text, number %d.\n' "$i" >"page$i.txt"
done
ln -s part07/f07_00.c link-to-a-source
cat >Makefile <<'EOM'
objects = main.o $(patsubst %.c,%.o,$(wildcard part07/f07_[01]?.c))

sum: $(objects)
	$(CC) -o $@ $^

%.o: %.c
	$(CC) -c -o $@ $<
EOM
