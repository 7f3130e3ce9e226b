#include <string.h>

#include "config/config.h"

enum { WIDTH = 100 };

/* A comment, broken at spaces. */
static void add_comment(struct buf *b, const char *text)
{
	while (*text) {
		size_t n = strlen(text);

		if (n > WIDTH) {
			n = WIDTH;
			while (n && text[n] != ' ')
				n--;
			n = n ? n : strcspn(text, " ");
		}
		buf_printf(b, "# %.*s\n", (int)n, text);
		text += n;
		text += strspn(text, " ");
	}
}

/* The words of a choice, as a sentence would have them. */
static void add_words(struct buf *b, const struct option *o)
{
	buf_puts(b, "# one of: ");
	for (const char *p = o->arg; *p; p++) {
		if (*p == '|')
			buf_puts(b, ", ");
		else
			buf_putc(b, *p);
	}
	buf_putc(b, '\n');
}

static void add_option(struct buf *b, const struct option *o, const char *value)
{
	add_comment(b, o->help);
	if (o->type == OPTION_TYPE_CHOICE)
		add_words(b, o);
	if (option_is_list(o->type))
		buf_puts(b, "# a list: split at white space, with a shell's quoting; goes on in indented lines\n");
	if (value)
		buf_printf(b, "%s = %s\n", o->name, value);
	else
		buf_printf(b, "# %s =%s%s\n", o->name, *o->def ? " " : "", o->def);
}

void config_template(const char *source, struct buf *b)
{
	const char *section = "";

	add_comment(
		b, "The configuration of ktb in this folder and those below it. Every option is here with its default, "
		   "commented out: take the # away in front of what is to be another. Paths are relative to this "
		   "folder.");
	buf_puts(b, "#\n");
	add_comment(b,
		    "Defaults of your own, for all projects, may stand in $XDG_CONFIG_HOME/ktb/ktb.conf (~/.config). "
		    "On the command line each option is --NAME, with - for _.");
	for (size_t i = 0; i < OPTIONS_N; i++) {
		const struct option *o = &options[i];

		if (!*o->section)
			continue;
		buf_printf(b, "\n");
		if (!streq(section, o->section))
			buf_printf(b, "[%s]\n\n", o->section);
		section = o->section;
		add_option(b, o, i == OPT_KERNEL_SOURCE ? source : NULL);
	}
	buf_puts(b, "\n[kconfig]\n\n");
	add_comment(b, "Options of the kernel, one in a line: y, m, n, a number or a string.");
	buf_puts(b, "# DEBUG_SPINLOCK = y\n");
}
