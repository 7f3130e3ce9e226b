#include "vm/panic.h"

#include <string.h>

#include "base/util.h"

static void end_line(struct panic_watch *w)
{
	const char *text;

	w->line[w->len] = '\0';
	w->len = 0;
	text = strstr(w->line, "Kernel panic - not syncing");
	/* The same words close the report, behind "end"; the first ones say why. */
	if (text && !w->seen && !strstr(w->line, "---[ end ")) {
		snprintf(w->first_line, sizeof(w->first_line), "%s", text);
		w->seen = true;
	}
	if (strstr(w->line, "reboot: Restarting system"))
		w->seen = false;
	if (strstr(w->line, " as init process"))
		w->init_run = true;
}

void panic_watch_feed(struct panic_watch *w, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = bytes[i];

		if (c == '\n')
			end_line(w);
		else if (c >= 0x20 && c < 0x7f && w->len < sizeof(w->line) - 1)
			w->line[w->len++] = c;
	}
}

const char *panic_watch_line(const struct panic_watch *w)
{
	return w->seen ? w->first_line : NULL;
}

bool panic_watch_init_run(const struct panic_watch *w)
{
	return w->init_run;
}
