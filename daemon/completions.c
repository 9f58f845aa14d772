/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the completion script of a shell: run by the build, not installed.
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/options-internal.h"

int main(int argc, char **argv)
{
	g_autofree char *text = argc == 2 ? options_completion(argv[1]) : NULL;

	if (!text) {
		fprintf(stderr, "usage: completions bash|zsh|fish\n");
		return EXIT_FAILURE;
	}
	return fputs(text, stdout) < 0 || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
