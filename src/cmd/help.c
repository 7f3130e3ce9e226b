#include <ctype.h>

#include "base/rows.h"
#include "cmd/cmd.h"

const struct command *const all_commands[] = {
	&command_build,  &command_vm,    &command_gdb,        &command_attach,  &command_up,      &command_exec,
	&command_push,   &command_pull,  &command_module,     &command_console, &command_list,    &command_stop,
	&command_ps,     &command_bt,    &command_dmesg,      &command_lsmod,   &command_sym,     &command_read,
	&command_dump,   &command_demo,  &command_init,       &command_source,  &command_config,  &command_shell,
	&command_doctor, &command_clean, &command_completion, &command_help,    &command_version, NULL,
};

const struct command *command_find(const char *name)
{
	for (const struct command *const *c = all_commands; *c; c++) {
		if (streq((*c)->name, name))
			return *c;
	}
	return NULL;
}

struct err *command_unknown(const char *name)
{
	const char *nearest = NULL;
	int best = 3;

	for (const struct command *const *c = all_commands; *c; c++) {
		int distance = edit_distance(name, (*c)->name);

		if (distance < best) {
			best = distance;
			nearest = (*c)->name;
		}
	}
	if (nearest)
		return err_create(ERR_USAGE, "no command '%s'; did you mean '%s'?", name, nearest);
	return err_create(ERR_USAGE, "no command '%s'; ktb help lists them", name);
}

enum { FLAG_COLUMN = 26, WIDTH = 96 };

/* Prints text from a column on, broken at spaces. `at` is where the line stands now. */
static void print_wrapped(const char *text, size_t column, size_t at)
{
	while (*text) {
		size_t word = strcspn(text, " "), room = at > column ? at + 1 : column;

		if (at > column && room + word > WIDTH) {
			fputs("\n", stdout);
			at = 0;
		}
		if (at < column) {
			printf("%*s", (int)(column - at), "");
			at = column;
		} else if (at > column) {
			fputs(" ", stdout);
			at++;
		}
		printf("%.*s", (int)word, text);
		at += word;
		text += word + (text[word] == ' ');
	}
	fputs("\n", stdout);
}

static void print_flag(const char *flag, char short_flag, const char *arg, const char *help)
{
	_cleanup_(free) char *left = short_flag ? xasprintf("  -%c, --%s%s%s", short_flag, flag, *arg ? " " : "", arg)
						: xasprintf("      --%s%s%s", flag, *arg ? " " : "", arg);
	size_t len = strlen(left);

	fputs(left, stdout);
	if (len + 2 > FLAG_COLUMN) {
		fputs("\n", stdout);
		len = 0;
	}
	print_wrapped(help, FLAG_COLUMN, len);
}

static void print_option(const struct option *o)
{
	char flag[OPTION_FLAG_MAX];
	const char *def = o->type == OPTION_TYPE_BOOL ? "" : o->def;
	_cleanup_(free) char *help = *o->section ? xasprintf("%s [%s.%s%s%s]", o->help, o->section, o->name,
							     *def ? ": " : "", def)
						 : xstrdup(o->help);

	option_flag(o, flag);
	print_flag(flag, o->short_flag, o->arg, help);
}

static void print_options(enum command_id id)
{
	fputs("\nOptions (in brackets: the name in ktb.conf, and the default):\n", stdout);
	for (size_t i = 0; i < OPTIONS_N; i++) {
		if (options[i].commands & (1U << id))
			print_option(&options[i]);
	}
	if (CONFIGURING & (1U << id))
		print_flag("kconfig", 0, "NAME=VALUE", "kernel option to set: y, m, n, a number or a string [kconfig]");
	print_flag("help", 'h', "", "this text");
}

static void print_command(const struct command *c)
{
	printf("ktb %s - %s\n\nUsage: ktb %s [OPTIONS]%s%s%s\n", c->name, c->summary, c->name, *c->args ? " " : "",
	       c->args, c->takes_rest ? " [-- ARGS...]" : "");
	if (*c->description)
		printf("\n%s\n", c->description);
	print_options(c->id);
	if (*c->examples)
		printf("\nExamples:\n%s\n", c->examples);
}

static int longest_name(void)
{
	size_t longest = 0;

	for (const struct command *const *c = all_commands; *c; c++)
		longest = MAX(longest, strlen((*c)->name));
	return (int)longest;
}

static void print_overview(void)
{
	int column = longest_name();

	fputs("ktb, the kernel testbench: from a kernel's source tree to a breakpoint, with one command.\n\n"
	      "Usage: ktb COMMAND [OPTIONS] [ARGS]\n\n"
	      "Commands:\n",
	      stdout);
	for (const struct command *const *c = all_commands; *c; c++)
		printf("  %-*s  %s\n", column, (*c)->name, (*c)->summary);
	fputs("\nktb help COMMAND tells more, ktb help ktb.conf lists every option.\n\n"
	      "To begin:\n"
	      "  ktb demo                          # build, boot, break, backtrace: see that it all works\n"
	      "  ktb vm                            # a VM with its console in this terminal ...\n"
	      "  ktb gdb --break kernel_clone      # ... and GDB on it, in another\n",
	      stdout);
}

static void print_config(void)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	config_template(NULL, &b);
	fputs(buf_str(&b), stdout);
}

/* --- The sections of the man page that come from the tables, in scdoc's language (scdoc(5)) --- */

/* Text of which nothing is markup. */
static void print_scdoc(const char *text)
{
	for (; *text; text++) {
		if (strchr("\\*_", *text))
			fputc('\\', stdout);
		fputc(*text, stdout);
	}
}

static void print_man_command(const struct command *c)
{
	const char *separator = "Options: ";

	printf("\n## ktb %s\n\n*ktb %s* [_OPTION_...]", c->name, c->name);
	if (*c->args) {
		fputs(" ", stdout);
		print_scdoc(c->args);
	}
	fputs(c->takes_rest ? " [-- _ARG_...]\n\n" : "\n\n", stdout);
	fputc(toupper((unsigned char)*c->summary), stdout);
	print_scdoc(c->summary + 1);
	fputs(".\n\n", stdout);
	if (*c->description) {
		print_scdoc(c->description);
		fputs("\n\n", stdout);
	}
	for (size_t i = 0; i < OPTIONS_N; i++) {
		char flag[OPTION_FLAG_MAX];

		if (!(options[i].commands & (1U << c->id)) || options[i].commands == CMD_ALL)
			continue;
		option_flag(&options[i], flag);
		printf("%s*--%s*", separator, flag);
		separator = ", ";
	}
	if (CONFIGURING & (1U << c->id))
		printf("%s*--kconfig*", separator);
	if (*separator == ',')
		fputs(".\n\n", stdout);
	printf("```\n%s\n```\n", c->examples);
}

static void print_man_users(unsigned int commands)
{
	const char *separator = "Taken by: ";

	if (commands == CMD_ALL) {
		fputs("Taken by: all commands.\n", stdout);
		return;
	}
	for (const struct command *const *c = all_commands; *c; c++) {
		if (!(commands & (1U << (*c)->id)))
			continue;
		printf("%s*%s*", separator, (*c)->name);
		separator = ", ";
	}
	fputs(".\n", stdout);
}

static void print_man_place(const struct option *o)
{
	fputs("In ktb.conf: *", stdout);
	print_scdoc(o->name);
	fputs("*; ", stdout);
	if (*o->def) {
		fputs("the default is ", stdout);
		print_scdoc(o->def);
	} else {
		fputs("empty by default", stdout);
	}
	fputs(". ", stdout);
}

static void print_man_option(const struct option *o)
{
	char flag[OPTION_FLAG_MAX];

	option_flag(o, flag);
	fputs("\n", stdout);
	if (o->short_flag)
		printf("*-%c*, ", o->short_flag);
	printf("*--%s*", flag);
	if (*o->arg) {
		fputs(" _", stdout);
		print_scdoc(o->arg);
		fputs("_", stdout);
	}
	fputs("\n\t", stdout);
	print_scdoc(o->help);
	fputs(".\n\n\t", stdout);
	if (*o->section)
		print_man_place(o);
	print_man_users(o->commands);
}

static void print_man_sections(void)
{
	const char *section = "";

	fputs("# COMMANDS\n", stdout);
	for (const struct command *const *c = all_commands; *c; c++)
		print_man_command(*c);
	fputs("\n# OPTIONS\n", stdout);
	for (size_t i = 0; i < OPTIONS_N; i++) {
		if (!*options[i].section)
			continue;
		if (!streq(section, options[i].section))
			printf("\n## Section [%s]\n", options[i].section);
		section = options[i].section;
		print_man_option(&options[i]);
	}
	fputs("\n## Section [kconfig]\n\n*--kconfig* _NAME=VALUE_\n"
	      "\tkernel option to set: y, m, n, a number or a string.\n\n"
	      "\tIn ktb.conf: lines _NAME = VALUE_. ",
	      stdout);
	print_man_users(CONFIGURING);
	fputs("\n## On the command line only\n", stdout);
	for (size_t i = 0; i < OPTIONS_N; i++) {
		if (!*options[i].section)
			print_man_option(&options[i]);
	}
	fputs("\n*-h*, *--help*\n\twhat *ktb help* says about the command.\n", stdout);
}

static struct err *cmd_help(struct config *cfg, const struct strv *positional, const struct strv *rest, int *ret_status)
{
	const struct command *c;

	(void)cfg;
	(void)rest;
	(void)ret_status;
	if (!positional->n) {
		print_overview();
		return NULL;
	}
	if (streq(positional->v[0], "ktb.conf")) {
		print_config();
		return NULL;
	}
	/* For scripts/man. */
	if (streq(positional->v[0], "man-sections")) {
		print_man_sections();
		return NULL;
	}
	c = command_find(positional->v[0]);
	if (!c)
		return command_unknown(positional->v[0]);
	print_command(c);
	return NULL;
}

const struct command command_help = {
	.id = COMMAND_HELP,
	.name = "help",
	.args = "[COMMAND|ktb.conf]",
	.summary = "what there is, or all about one command",
	.description = "With ktb.conf it prints a configuration file with every option at its default.",
	.examples = "  ktb help vm          # all about ktb vm\n"
		    "  ktb help ktb.conf    # every option, ready to be put into a ktb.conf",
	.completes = COMPLETES_COMMANDS,
	.run = cmd_help,
};

static struct err *cmd_version(struct config *cfg, const struct strv *positional, const struct strv *rest,
			       int *ret_status)
{
	static const struct rows_column columns[] = { { "VERSION", "version", ROWS_TEXT }, { NULL, NULL, ROWS_TEXT } };
	_cleanup_(rows_destroy) struct rows *r = NULL;

	(void)positional;
	(void)rest;
	(void)ret_status;
	if (!config_bool(cfg, OPT_OUTPUT_JSON)) {
		puts("ktb " KTB_VERSION);
		return NULL;
	}
	r = rows_create(columns, true);
	rows_begin(r);
	rows_str(r, KTB_VERSION);
	return rows_emit(r, stdout);
}

const struct command command_version = {
	.id = COMMAND_VERSION,
	.name = "version",
	.args = "",
	.summary = "the version of ktb",
	.description = "",
	.examples = "  ktb version\n"
		    "  ktb version --json",
	.run = cmd_version,
};
