#include "doctor/doctor.h"

#include <stdio.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/printable.h"
#include "base/rows.h"
#include "cmd/attach.h"
#include "cmd/build.h"
#include "cmd/cmd.h"
#include "cmd/foreign.h"
#include "cmd/gdb_program.h"
#include "initramfs/busybox.h"

static struct err *look_at_gdb(const struct config *cfg, struct doctor_gdb *ret)
{
	_cleanup_(gdb_program_deinit) struct gdb_program p = GDB_PROGRAM_INIT;

	TRY(gdb_program_find(config_string(cfg, OPT_GDB_PROGRAM), &p));
	*ret = (struct doctor_gdb){ steal(&p.path), p.major, p.python };
	return NULL;
}

static struct err *look_at_userland(char **ret)
{
	_cleanup_(free) char *path = NULL;

	TRY(busybox_find(&path));
	TRY(busybox_check(path));
	*ret = steal(&path);
	return NULL;
}

static struct err *look_at_foreign(const struct config *cfg, struct doctor_foreign *ret)
{
	_cleanup_(foreign_deinit) struct foreign f = FOREIGN_INIT;

	TRY(foreign_check_options(cfg));
	*ret = (struct doctor_foreign){ .kernel = NULL };
	if (!foreign_is_asked_for(cfg))
		return NULL;
	TRY(foreign_look(cfg, &f));
	ret->kernel = steal(&f.kernel);
	ret->release = steal(&f.release);
	ret->vmlinux = steal(&f.vmlinux);
	ret->lacks = f.lacks;
	f.lacks = (struct strv)STRV_INIT;
	return NULL;
}

static const struct doctor_ops ops = {
	.kernel = build_inspect,
	.gdb = look_at_gdb,
	.foreign = look_at_foreign,
	.attach = attach_prepare,
	.userland = look_at_userland,
};

static const struct rows_column columns[] = {
	{ "GROUP", "group", ROWS_TEXT }, { "CHECK", "check", ROWS_TEXT },     { "STATUS", "status", ROWS_TEXT },
	{ "FOUND", "found", ROWS_TEXT }, { "MEANING", "meaning", ROWS_TEXT }, { "REMEDY", "remedy", ROWS_TEXT },
	{ NULL, NULL, ROWS_TEXT },
};

struct output {
	struct rows *rows; /* NULL: text */
	bool colour;
	size_t width; /* of the terminal; 0: lines may be of any length */
	char *group;  /* that was printed last */
	unsigned int counts[DOCTOR_SKIPPED + 1];
};

/* As wide as the longest status and title. */
enum { STATUS_WIDTH = 7, TITLE_WIDTH = 17, TEXT_COLUMN = 2 + STATUS_WIDTH + 2 + TITLE_WIDTH + 2, WIDTH_MIN = 60 };

static const char *colour_of(enum doctor_status status)
{
	switch (status) {
	case DOCTOR_OK:
		return "\033[32m";
	case DOCTOR_WARNING:
		return "\033[33m";
	case DOCTOR_PROBLEM:
		return "\033[1;31m";
	case DOCTOR_SKIPPED:
		break;
	}
	return "\033[2m";
}

/* Prints text, its further lines from the column on, broken at spaces where it would pass the width (0: never). */
static void print_wrapped(const char *text, size_t column, size_t width)
{
	size_t at = column;

	while (*text) {
		size_t word = strcspn(text, " \n");
		_cleanup_(free) char *shown = NULL;

		if (at > column && width && at + 1 + word > width) {
			printf("\n%*s", (int)column, "");
			at = column;
		} else if (at > column) {
			putchar(' ');
			at++;
		}
		shown = printable(text, word);
		fputs(shown, stdout);
		at += word;
		text += word;
		if (*text == '\n') {
			printf("\n%*s", (int)column, "");
			at = column;
		}
		text += *text != '\0';
	}
	putchar('\n');
}

static void print_result(struct output *o, const struct doctor_result *r)
{
	const char *name = doctor_status_name(r->status);

	if (!o->group || !streq(o->group, r->group)) {
		printf("%s%s:\n", o->group ? "\n" : "", r->group);
		free(o->group);
		o->group = xstrdup(r->group);
	}
	printf("  %s%-*s%s  %-*s  ", o->colour ? colour_of(r->status) : "", STATUS_WIDTH, name,
	       o->colour ? "\033[0m" : "", TITLE_WIDTH, r->title);
	print_wrapped(r->found ? r->found : "", TEXT_COLUMN, o->width);
	if (r->meaning) {
		printf("%*smeans: ", TEXT_COLUMN, "");
		print_wrapped(r->meaning, TEXT_COLUMN + strlen("means: "), o->width);
	}
	if (r->remedy) {
		printf("%*sto do: ", TEXT_COLUMN, "");
		print_wrapped(r->remedy, TEXT_COLUMN + strlen("to do: "), o->width);
	}
	fflush(stdout);
}

static void on_result(const struct doctor_result *r, void *user)
{
	struct output *o = user;

	o->counts[r->status]++;
	if (!o->rows) {
		if (r->status == DOCTOR_WARNING || r->status == DOCTOR_PROBLEM || log_level > LOG_LEVEL_QUIET)
			print_result(o, r);
		return;
	}
	rows_begin(o->rows);
	rows_str(o->rows, r->group);
	rows_str(o->rows, r->check);
	rows_str(o->rows, doctor_status_name(r->status));
	rows_str(o->rows, r->found);
	rows_str(o->rows, r->meaning);
	rows_str(o->rows, r->remedy);
}

static void print_sum(const struct output *o)
{
	unsigned int problems = o->counts[DOCTOR_PROBLEM], warnings = o->counts[DOCTOR_WARNING];

	if (log_level == LOG_LEVEL_QUIET)
		return;
	if (!problems && !warnings)
		puts("\nNothing is wrong.");
	else
		printf("\n%u problem%s, %u warning%s.\n", problems, problems == 1 ? "" : "s", warnings,
		       warnings == 1 ? "" : "s");
}

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && term && *term && !streq(term, "dumb");
}

static size_t terminal_width(void)
{
	struct winsize size = { 0 };

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return 0;
	return MAX(size.ws_col, WIDTH_MIN);
}

static struct err *cmd_doctor(struct config *cfg, const struct strv *positional, const struct strv *rest,
			      int *ret_status)
{
	_cleanup_(rows_destroy) struct rows *rows = config_bool(cfg, OPT_OUTPUT_JSON) ? rows_create(columns, true)
										      : NULL;
	struct output o = { .rows = rows, .colour = wants_colour(), .width = terminal_width() };
	struct err *e;

	(void)positional;
	(void)rest;
	e = doctor_run(cfg, &ops, on_result, &o);
	free(o.group);
	if (e)
		return e;
	if (o.counts[DOCTOR_PROBLEM])
		*ret_status = 1;
	if (rows)
		return rows_emit(rows, stdout);
	print_sum(&o);
	return NULL;
}

const struct command command_doctor = {
	.id = COMMAND_DOCTOR,
	.name = "doctor",
	.args = "",
	.summary = "what is wrong on this machine or with a VM, and what to do",
	.description =
		"Looks at what building, booting and debugging need on this machine, at the kernel that is asked for, "
		"and\n"
		"at the VMs that run (or the one that --name names). Says of each what was found and, where something\n"
		"is wrong, what that means and what to do. A check that needs another one's success is skipped if "
		"that\n"
		"failed. Takes the options of ktb vm, and looks at what they would do. Changes nothing, disturbs no "
		"VM,\n"
		"and waits for nothing longer than a minute or so. --quiet shows only what is wrong.\n"
		"\n"
		"Exit status: 0 if there is no problem; warnings are none.",
	.examples = "  ktb doctor\n"
		    "  ktb doctor --name test --quiet\n"
		    "  ktb doctor --json",
	.run = cmd_doctor,
};
