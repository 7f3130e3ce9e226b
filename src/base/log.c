#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/util.h"

enum log_level log_level = LOG_LEVEL_INFO;
static int raw_terminal;
static void (*log_sink)(const char *text, void *data);
static void *log_sink_data;

void log_set_sink(void (*sink)(const char *text, void *data), void *data)
{
	log_sink = sink;
	log_sink_data = data;
}

void log_set_raw_terminal(int raw)
{
	raw_terminal = raw;
}

static __attribute__((format(printf, 2, 0))) void emit(const char *prefix, const char *fmt, va_list ap)
{
	_cleanup_(free) char *text = xvasprintf(fmt, ap);
	const char *start = raw_terminal ? "\r" : "", *end = raw_terminal ? "\r\n" : "\n";
	const char *p = text;

	if (log_sink) {
		_cleanup_(free) char *line = xasprintf("ktb: %s%s\n", prefix, text);

		log_sink(line, log_sink_data);
		return;
	}

	/* Each line in one write, so that two processes don't mix theirs. */
	for (;;) {
		size_t n = strcspn(p, "\n");
		_cleanup_(free) char *line = p == text ? xasprintf("%sktb: %s%.*s%s", start, prefix, (int)n, p, end)
						       : xasprintf("%s%.*s%s", start, (int)n, p, end);

		fputs(line, stderr);
		if (!p[n])
			break;
		p += n + 1;
	}
}

void log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit("", fmt, ap);
	va_end(ap);
}

void log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	emit("warning: ", fmt, ap);
	va_end(ap);
}

void log_info(const char *fmt, ...)
{
	va_list ap;

	if (log_level < LOG_LEVEL_INFO)
		return;
	va_start(ap, fmt);
	emit("", fmt, ap);
	va_end(ap);
}

void log_debug(const char *fmt, ...)
{
	va_list ap;

	if (log_level < LOG_LEVEL_DEBUG)
		return;
	va_start(ap, fmt);
	emit("debug: ", fmt, ap);
	va_end(ap);
}
