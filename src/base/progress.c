#include "base/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/util.h"

#define TERMINAL_INTERVAL_NS (100 * NSEC_PER_MSEC)
#define PLAIN_INTERVAL_NS (15 * NSEC_PER_SEC)

void progress_init(struct progress *p)
{
	const char *term = getenv("TERM");

	*p = (struct progress){
		.terminal = isatty(STDERR_FILENO) && term && !streq(term, "dumb"),
		.start_ns = now_ns(),
	};
	p->last_ns = p->start_ns;
}

static int terminal_width(void)
{
	struct winsize ws;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) < 0 || ws.ws_col < 20)
		return 80;
	return ws.ws_col;
}

char *progress_elapsed(const struct progress *p)
{
	return format_duration(now_ns() - p->start_ns);
}

void progress_update(struct progress *p, const char *fmt, ...)
{
	_cleanup_(free) char *text = NULL, *elapsed = NULL, *line = NULL;
	uint64_t now = now_ns();
	va_list ap;

	if (log_level < LOG_LEVEL_INFO)
		return;
	if (now - p->last_ns < (p->terminal ? TERMINAL_INTERVAL_NS : PLAIN_INTERVAL_NS))
		return;
	p->last_ns = now;
	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	elapsed = progress_elapsed(p);
	line = xasprintf("%s  %s", elapsed, text);
	if (p->terminal) {
		fprintf(stderr, "\r%.*s\033[K", terminal_width() - 1, line);
		fflush(stderr);
		p->shown = true;
	} else {
		log_info("%s", line);
	}
}

void progress_clear(struct progress *p)
{
	if (!p->shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	p->shown = false;
}
