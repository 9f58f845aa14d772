/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options, for the files that parse, explain and complete it.
 */
#ifndef DAEMON_OPTIONS_INTERNAL_H
#define DAEMON_OPTIONS_INTERNAL_H

#include <stddef.h>

#include "daemon/options.h"

/* A setter returns NULL, or an allocated sentence that says what is wrong with the value. */
typedef char *(*option_setter)(struct options *options, const char *value);

struct option_word {
	const char *word;
	int value;
};

/* What a shell may offer as a value, besides the words of the option. */
enum option_kind {
	OPTION_TEXT,
	OPTION_PATH,
	OPTION_GROUP,
};

struct option_row {
	const char *name;	 /* long, without dashes */
	char letter;		 /* or 0 */
	const char *placeholder; /* NULL: a flag without value */
	const char *help;
	option_setter set;
	bool value_optional;	 /* behind '=' only; the setter gets NULL where there is none */
	enum option_kind kind;	 /* of the value */
	const char *theme;	 /* starts a part of --help */
	enum options_show shows; /* prints something instead of serving */
	/* Without a setter: what member of struct options becomes what. */
	const struct option_word *words; /* an int that becomes the value of one of these */
	size_t field;
	bool becomes; /* without words: a bool */
};

/* What another daemon has and this one refuses. */
struct option_refused {
	const char *name;
	bool has_value;
	const char *why; /* a sentence with what to do instead */
};

/* Both end with a row without a name. */
extern const struct option_row option_rows[];
extern const struct option_refused options_refused[];

extern const struct option_word cache_words[];
extern const struct option_word sandbox_words[];
extern const struct option_word seccomp_words[];
extern const struct option_word log_level_words[];
extern const struct option_word handle_words[];
extern const struct option_word feature_words[];

/* The row of a long name, or NULL. */
const struct option_row *option_find(const char *name);

/* Sets *field to what `word` stands for, in any case of letters. NULL, or why not. */
char *option_choose(const struct option_word *words, const char *option, const char *word,
		    int *field);

/* Sets what a row stands for. NULL, or an allocated sentence. */
char *option_set_row(struct options *options, const struct option_row *row, const char *value);

/* ---- options-values.c: the setters ---- */

char *option_set_shared_dir(struct options *options, const char *value);
char *option_set_subdirectory(struct options *options, const char *value);
char *option_set_subdirectory_owner(struct options *options, const char *value);
char *option_set_socket_path(struct options *options, const char *value);
char *option_set_socket_group(struct options *options, const char *value);
char *option_set_fd(struct options *options, const char *value);
char *option_set_tag(struct options *options, const char *value);
char *option_set_cache(struct options *options, const char *value);
char *option_set_thread_pool_size(struct options *options, const char *value);
char *option_set_poll(struct options *options, const char *value);
char *option_set_max_restarts(struct options *options, const char *value);
char *option_set_rlimit_nofile(struct options *options, const char *value);
char *option_set_attr_timeout(struct options *options, const char *value);
char *option_set_entry_timeout(struct options *options, const char *value);
char *option_set_negative_timeout(struct options *options, const char *value);
char *option_set_xattr(struct options *options, const char *value);
char *option_set_xattrmap(struct options *options, const char *value);
char *option_set_posix_acl(struct options *options, const char *value);
char *option_set_security_label(struct options *options, const char *value);
char *option_set_modcaps(struct options *options, const char *value);
char *option_set_debug(struct options *options, const char *value);
char *option_set_killpriv(struct options *options, const char *value);
char *option_set_no_killpriv(struct options *options, const char *value);
char *option_set_nothing(struct options *options, const char *value);
/* options-compat.c */
char *option_set_compat(struct options *options, const char *value);

/* ---- options-help.c ---- */

/* Prints what was asked for to stdout. */
void options_print(enum options_show what);

/* The text of a completion script for "bash", "zsh" or "fish", allocated; NULL for others. */
char *options_completion(const char *shell);

#endif
