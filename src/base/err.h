/*
 * Errors are values. A function that can fail returns `struct err *`: NULL is success, anything else belongs to the
 * caller, who returns it (err_wrap adds what was being done) or destroys it. `*ret` is written only on success.
 *
 * A message says what was tried, on what, what happened and what to do next. It has no full stop and no newline at
 * the end; it may have newlines inside.
 */
#pragma once

#include "base/cleanup.h"

enum err_code {
	ERR_OS,          /* the system said no; err_errno() has its number */
	ERR_BAD_DATA,    /* what was read is not what it should be */
	ERR_FAULT,       /* memory of the guest that can't be read or written */
	ERR_NOT_FOUND,   /* what was named doesn't exist */
	ERR_UNSUPPORTED, /* the other side can't do this */
	ERR_TIMEOUT,     /* no answer in time */
	ERR_CLOSED,      /* the other side is gone */
	ERR_USAGE,       /* the user asked for something that can't be: exit status 2 */
	ERR_PREREQ,      /* something is missing on this machine: exit status 3 */
};

struct err;

#define err_must_check __attribute__((warn_unused_result))

/* A new error. Never NULL: out of memory aborts. */
struct err *err_create(enum err_code code, const char *fmt, ...) __attribute__((format(printf, 2, 3), returns_nonnull))
err_must_check;

/* A new error of code ERR_OS: the message is followed by ": " and the text of errnum. */
struct err *err_os(int errnum, const char *fmt, ...) __attribute__((format(printf, 2, 3), returns_nonnull))
err_must_check;

/* Puts "what was being done: " in front of the message. NULL stays NULL. Takes e, returns it. */
struct err *err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3))) err_must_check;

/* Adds to the end of the message: a line of context, or the next step. NULL stays NULL. Takes e, returns it. */
struct err *err_append(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3))) err_must_check;

enum err_code err_code(const struct err *e);
/* The system's error number, 0 where it was none. */
int err_errno(const struct err *e);
/* The whole message; valid as long as e. */
const char *err_message(const struct err *e);
/* The code as scripts see it in JSON: "not-found". Static. */
const char *err_code_name(enum err_code code);
/* The code as the shell sees it: 1 failed, 2 usage, 3 something is missing on the machine. */
int err_exit_status(const struct err *e);

/*
 * clang's analyzer overlooks returns_nonnull: without these it would follow the paths on which a failure looks like
 * success, and report each `*ret` that such a path leaves unset.
 */
#ifdef __clang_analyzer__
static inline struct err *err_not_null(struct err *e)
{
	if (!e)
		__builtin_unreachable();
	return e;
}
#define err_create(...) err_not_null(err_create(__VA_ARGS__))
#define err_os(...) err_not_null(err_os(__VA_ARGS__))
#define err_wrap(e, ...)                                                                                               \
	({                                                                                                             \
		struct err *wrapped_ = (e);                                                                            \
		wrapped_ ? err_not_null(err_wrap(wrapped_, __VA_ARGS__)) : NULL;                                       \
	})
#define err_append(e, ...)                                                                                             \
	({                                                                                                             \
		struct err *appended_ = (e);                                                                           \
		appended_ ? err_not_null(err_append(appended_, __VA_ARGS__)) : NULL;                                   \
	})
#endif

void err_destroy(struct err *e);
DEFINE_CLEANUP(struct err *, err_destroy);

/* For the places where a failure changes nothing, such as telling a process that is gone to go. */
static inline void err_ignore(struct err *e)
{
	err_destroy(e);
}

/* Returns from the function if the expression is an error. */
#define TRY(expr)                                                                                                      \
	do {                                                                                                           \
		struct err *try_ = (expr);                                                                             \
		if (try_)                                                                                              \
			return try_;                                                                                   \
	} while (0)
