/*
 * The description of each option, out of the one table in options.def.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum option_type {
	OPTION_TYPE_STRING,
	OPTION_TYPE_PATH, /* relative ones: to the folder of the file they stand in, or to the working folder */
	OPTION_TYPE_NUMBER,
	OPTION_TYPE_SIZE, /* bytes; a bare number counts in MiB */
	OPTION_TYPE_BOOL, /* --name, --name=no */
	OPTION_TYPE_CHOICE,
	OPTION_TYPE_CHOICE_OR_PATH, /* one of the words, or a path as above */
	OPTION_TYPE_PATH_OR_URL,    /* a path as above, or an http or https address */
	OPTION_TYPE_PROGRAM,        /* a name to be looked for on PATH, or a path; never empty */
	OPTION_TYPE_LIST,           /* adds to what is there; in a file split at white space, with shell quoting */
	OPTION_TYPE_PATH_LIST,
};

/* The subcommands, as bits of option.commands. */
enum command_id {
	COMMAND_BUILD,
	COMMAND_VM,
	COMMAND_CONSOLE,
	COMMAND_LIST,
	COMMAND_STOP,
	COMMAND_GDB,
	COMMAND_ATTACH,
	COMMAND_EXEC,
	COMMAND_PUSH,
	COMMAND_PULL,
	COMMAND_MODULE,
	COMMAND_DEMO,
	COMMAND_PS,
	COMMAND_DMESG,
	COMMAND_BT,
	COMMAND_LSMOD,
	COMMAND_SYM,
	COMMAND_READ,
	COMMAND_DUMP,
	COMMAND_INIT,
	COMMAND_SOURCE,
	COMMAND_CONFIG,
	COMMAND_CLEAN,
	COMMAND_COMPLETION,
	COMMAND_UP,
	COMMAND_SHELL,
	COMMAND_DOCTOR,
	COMMAND_HELP,
	COMMAND_VERSION,
};

#define CMD(name) (1U << COMMAND_##name)
#define CMD_ALL (~0U)
#define BUILDING (CMD(BUILD) | CMD(VM) | CMD(DEMO) | CMD(MODULE) | CMD(UP) | CMD(SHELL) | CMD(DOCTOR))
#define CONFIGURING (BUILDING | CMD(CONFIG))
#define SOURCING (CONFIGURING | CMD(SOURCE))
#define INSPECTING (CMD(PS) | CMD(BT) | CMD(DMESG) | CMD(LSMOD) | CMD(SYM) | CMD(READ))
/* What needs the files of modules. */
#define WITH_MODULES (CMD(LSMOD) | CMD(SYM) | CMD(BT) | CMD(READ))
#define BOOTING (CMD(VM) | CMD(DEMO) | CMD(UP) | CMD(DOCTOR))
#define RUNNING                                                                                                        \
	(CMD(VM) | CMD(ATTACH) | CMD(CONSOLE) | CMD(STOP) | CMD(GDB) | CMD(EXEC) | CMD(PUSH) | CMD(PULL) |             \
	 CMD(MODULE) | CMD(UP) | CMD(DOCTOR) | CMD(DUMP) | INSPECTING)
/* What has a debug port. */
#define SERVING (BOOTING | CMD(ATTACH))
/* On a VM that runs. */
#define DEBUGGING (CMD(GDB) | CMD(UP))

enum option_id {
#define OPTION(id, section, name, short_flag, type, def, arg, commands, help) OPT_##id,
#include "config/options.def"
#undef OPTION
	OPTIONS_N,
};

struct option {
	const char *section; /* "": on the command line only */
	const char *name;    /* with _; see option_flag() */
	char short_flag;     /* 0: none */
	enum option_type type;
	const char *def;
	const char *arg; /* what the value is called, or the words of a choice with | between them */
	unsigned int commands;
	const char *help;
};

extern const struct option options[OPTIONS_N];

bool option_is_list(enum option_type type);

/*
 * The flag without its two dashes, in a static-sized buffer of the caller: the name with - for _, and the section in front
 * where a command that takes it takes an earlier option of that name, too.
 */
#define OPTION_FLAG_MAX 32
void option_flag(const struct option *o, char ret[OPTION_FLAG_MAX]);
