#include "base/err.h"

#include <stdarg.h>
#include <string.h>

#include "base/util.h"

/* What err.h tells the analyzer about these is no part of their definitions. */
#undef err_create
#undef err_os
#undef err_wrap
#undef err_append

struct err {
	enum err_code code;
	int errnum;
	char *message;
};

static struct err *err_new(enum err_code code, int errnum, char *message)
{
	struct err *e = xcalloc(1, sizeof(*e));

	e->code = code;
	e->errnum = errnum;
	e->message = message;
	return e;
}

struct err *err_create(enum err_code code, const char *fmt, ...)
{
	va_list ap;
	char *message;

	va_start(ap, fmt);
	message = xvasprintf(fmt, ap);
	va_end(ap);
	return err_new(code, 0, message);
}

struct err *err_os(int errnum, const char *fmt, ...)
{
	_cleanup_(free) char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = xvasprintf(fmt, ap);
	va_end(ap);
	return err_new(ERR_OS, errnum, xasprintf("%s: %s", what, strerror(errnum)));
}

static void replace_message(struct err *e, char *message)
{
	free(e->message);
	e->message = message;
}

struct err *err_wrap(struct err *e, const char *fmt, ...)
{
	_cleanup_(free) char *what = NULL;
	va_list ap;

	if (!e)
		return NULL;
	va_start(ap, fmt);
	what = xvasprintf(fmt, ap);
	va_end(ap);
	replace_message(e, xasprintf("%s: %s", what, e->message));
	return e;
}

struct err *err_append(struct err *e, const char *fmt, ...)
{
	_cleanup_(free) char *more = NULL;
	va_list ap;

	if (!e)
		return NULL;
	va_start(ap, fmt);
	more = xvasprintf(fmt, ap);
	va_end(ap);
	replace_message(e, xasprintf("%s%s", e->message, more));
	return e;
}

enum err_code err_code(const struct err *e)
{
	return e->code;
}

int err_errno(const struct err *e)
{
	return e->errnum;
}

const char *err_message(const struct err *e)
{
	return e->message;
}

const char *err_code_name(enum err_code code)
{
	switch (code) {
	case ERR_OS:
		return "os";
	case ERR_BAD_DATA:
		return "bad-data";
	case ERR_FAULT:
		return "fault";
	case ERR_NOT_FOUND:
		return "not-found";
	case ERR_UNSUPPORTED:
		return "unsupported";
	case ERR_TIMEOUT:
		return "timeout";
	case ERR_CLOSED:
		return "closed";
	case ERR_USAGE:
		return "usage";
	case ERR_PREREQ:
		return "prerequisite";
	}
	return "unknown";
}

int err_exit_status(const struct err *e)
{
	if (!e)
		return 0;
	if (e->code == ERR_USAGE)
		return 2;
	if (e->code == ERR_PREREQ)
		return 3;
	return 1;
}

void err_destroy(struct err *e)
{
	if (!e)
		return;
	free(e->message);
	free(e);
}
