/*
 * A subcommand: one file, one entry, from which help, man page and completion derive.
 */
#pragma once

#include "config/config.h"

#define COMPLETES_VMS "@vms"           /* those that run */
#define COMPLETES_COMMANDS "@commands" /* all of them, and ktb.conf */

struct command {
	enum command_id id;
	const char *name;
	const char *args;        /* what follows the options: "[NAME...]"; "" for nothing */
	const char *summary;     /* one line */
	const char *description; /* paragraphs; lines of at most 90 columns */
	const char *examples;    /* lines "COMMAND  # what for"; the tests run them */
	bool takes_rest;         /* arguments behind -- */
	/* What the arguments can be, for completion: words with spaces between them, or one of the two below; NULL: files,
	 * if there are arguments at all. */
	const char *completes;
	/*
	 * positional: arguments that are no options; rest: those behind --. *ret_status is the exit status on success,
	 * 0 if it isn't set.
	 */
	struct err *(*run)(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status);
};

extern const struct command command_build, command_vm, command_console, command_list, command_stop, command_gdb,
	command_attach, command_up, command_exec, command_push, command_pull, command_module, command_ps, command_bt,
	command_dmesg, command_lsmod, command_sym, command_read, command_dump, command_demo, command_init,
	command_source, command_config, command_shell, command_doctor, command_clean, command_completion, command_help,
	command_version;

/* All of them, in the order in which help shows them; ended by NULL. */
extern const struct command *const all_commands[];
/* NULL if there is none of that name. */
const struct command *command_find(const char *name);

/* An error that says so, with the nearest one there is. */
struct err *command_unknown(const char *name) err_must_check;
