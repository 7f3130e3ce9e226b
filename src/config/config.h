/*
 * The configuration: defaults, then the user's file, then the project's ktb.conf, then the command line. Each value
 * knows where it came from.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/util.h"
#include "config/options.h"

struct config;

/* A line of [kconfig], or --kconfig NAME=VALUE. */
struct config_kconfig {
	char *name;  /* without CONFIG_ */
	char *value; /* y, m, n, a number, or a string, in quotes or not */
	char *file;  /* "ktb.conf" with its path, or "command line" */
	int line;    /* 0 on the command line */
};

/* Everything at its default. */
struct config *config_create(void);
void config_destroy(struct config *c);
DEFINE_CLEANUP(struct config *, config_destroy);

/*
 * Reads one file. An unknown section or name, or a bad value: ERR_USAGE that names file, line, what was expected and
 * the nearest name. ERR_USAGE, too, for one that belongs to another user, unless to root or named by KTB_TRUST, or that
 * everybody can write.
 */
struct err *config_load_file(struct config *c, const char *path) err_must_check;
/* The same from memory; path is for messages and for relative paths. Pure: this is what is fuzzed. */
struct err *config_parse(struct config *c, const char *path, const char *data, size_t len) err_must_check;

/*
 * Adds the text of a ktb.conf with every option, its help and its default, all commented out: it means what no file at
 * all means. With `source`, which is as it shall stand there (NULL: none), kernel.source is set to that.
 */
void config_template(const char *source, struct buf *b);

/* Finds ktb.conf in the folder or the nearest one above it. NULL if there is none; the caller frees it. */
char *config_find(const char *folder);

/* Reads the user's file and the nearest ktb.conf of the working folder, where they exist. */
struct err *config_load(struct config *c) err_must_check;

/*
 * Takes the options out of a subcommand's arguments (without its name). What is no option goes to *positional, what
 * follows `--` to *rest. An unknown option, one that another command has, a missing or bad value: ERR_USAGE. Sets
 * *ret_help if --help or -h is there.
 */
struct err *config_parse_args(struct config *c, enum command_id command, int argc, char *const *argv,
			      struct strv *positional, struct strv *rest, bool *ret_help) err_must_check;

/*
 * Adds, of the options that the last config_parse_args() took, those that another command takes too, as its command line
 * would have them: "--memory=4G". For a command that starts others.
 */
void config_args_for(const struct config *c, enum command_id command, struct strv *ret);

/* The value; NULL where it is empty. */
const char *config_string(const struct config *c, enum option_id id);
uint64_t config_number(const struct config *c, enum option_id id);
bool config_bool(const struct config *c, enum option_id id);
const struct strv *config_list(const struct config *c, enum option_id id);

/* Sets a value as the command line would. */
struct err *config_set(struct config *c, enum option_id id, const char *value) err_must_check;

/* Where the value comes from: "ktb.conf:12" with its path, "command line", or NULL for the default. */
const char *config_origin(const struct config *c, enum option_id id);
/* Whether it comes from the command line, and not from a ktb.conf, which is for all commands. */
bool config_is_said(const struct config *c, enum option_id id);

/* The [kconfig] lines in order; later ones override earlier ones of the same name. */
const struct config_kconfig *config_kconfig(const struct config *c, size_t *ret_n);
