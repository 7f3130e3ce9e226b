/*
 * How a configuration keeps its values: what its parts share. config.c has the values, config_file.c reads ktb.conf,
 * config_args.c the command line.
 */
#pragma once

#include "config/config.h"

/* A name that differs from a known one by more changes than this is not near to it. */
enum { CONFIG_NEAR_ENOUGH = 3 };

#define CONFIG_NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

struct config_value {
	char *text; /* everything but lists */
	struct strv list;
	uint64_t number; /* numbers, sizes, bools */
	char *origin;
};

/* An option as the command line had it. */
struct config_given {
	unsigned int commands; /* that take it */
	char *text;
};

struct config {
	struct config_value values[OPTIONS_N];
	struct config_given *given;
	size_t given_n;
	struct config_kconfig *kconfig;
	size_t kconfig_n;
};

/*
 * Lists grow; all else is replaced. `folder` is what relative paths are relative to (NULL: the working folder). With
 * split_lists the text is split as in a file, else it is one element. ERR_USAGE or ERR_BAD_DATA for a bad value.
 */
struct err *config_value_set(struct config_value *v, const struct option *o, const char *s, const char *folder,
			     bool split_lists) err_must_check;
/* Takes the string. */
void config_value_set_origin(struct config_value *v, char *origin);

/* Adds a kernel option; line 0: the command line. */
struct err *config_add_kconfig(struct config *c, const char *name, const char *value, const char *file, int line)
	err_must_check;
