#include "base/hmp.h"

#include "base/util.h"

enum { NAME_SHOWN = 32 };

/* They look at the machine, or do what the guest, or a debugger by other packets, can do to itself. */
static const char *const harmless[] = {
	"help",    "?",       "info", "x",   "xp",   "p", "print",        "gva2gpa",
	"gpa2hva", "gpa2hpa", "sum",  "cpu", "i",    "o", "nmi",          "mce",
	"sendkey", "log",     "stop", "s",   "cont", "c", "system_reset", "system_powerdown",
	"q",       "quit",
};

static const char *skip_spaces(const char *line)
{
	return line + strspn(line, " ");
}

/* A command's name ends where QEMU's parser has it end: at a space, or at the / of a format. */
static size_t name_length(const char *name)
{
	return strcspn(name, "/ ");
}

bool hmp_is_command(const char *line, const char *name)
{
	const char *word = skip_spaces(line);

	return name_length(word) == strlen(name) && memcmp(word, name, strlen(name)) == 0;
}

bool hmp_is_harmless(const char *line)
{
	for (const char *c = line; *c; c++) {
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		if (hmp_is_command(line, harmless[i]))
			return true;
	}
	return !*skip_spaces(line);
}

char *hmp_refusal(const char *line)
{
	const char *word = skip_spaces(line);

	return xasprintf(
		"'%.*s' is not for the debug port: QEMU's monitor can change files and run programs here.\nThe whole "
		"monitor is on the console of ktb vm (not --detach): press Ctrl-a c there",
		(int)MIN(name_length(word), (size_t)NAME_SHOWN), word);
}
