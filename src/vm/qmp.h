/*
 * QMP, QEMU's machine protocol: JSON objects, one a line. Source: QEMU's docs/interop/qmp-spec.
 */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/loop.h"

enum qmp_kind {
	QMP_GREETING,
	QMP_EVENT,
	QMP_RETURN,
	QMP_ERROR,
};

struct qmp_message {
	enum qmp_kind kind;
	uint64_t id;              /* of the command that is answered; 0: none */
	const char *event;        /* name of the event; belongs to object */
	const char *description;  /* what went wrong; belongs to object */
	struct json_object *data; /* the event's data or the command's answer; belongs to object; may be NULL */
	struct json_object *object;
};

/* Understands one line. Pure. The caller gives the message back. ERR_BAD_DATA for anything that is not QMP. */
struct err *qmp_parse(const char *line, size_t len, struct qmp_message *ret) err_must_check;
void qmp_message_deinit(struct qmp_message *m);
DEFINE_CLEANUP_STORAGE(struct qmp_message, qmp_message_deinit);

struct qmp;

/* An event: its name and data (NULL if it has none), both valid during the call. */
typedef struct err *(*qmp_event_callback)(const char *event, struct json_object *data, void *user);
/* The answer to a command: its value, or what went wrong; NULL and "closed" if the connection ended before. */
typedef struct err *(*qmp_reply_callback)(struct json_object *value, const char *error, void *user);

/*
 * Speaks QMP on fd, which it owns, in the loop. Negotiates capabilities by itself; commands may be sent at once.
 * A line that is not QMP, or longer than 1 MiB, ends the connection.
 */
struct qmp *qmp_create(struct loop *loop, int fd, qmp_event_callback on_event, void *user);
void qmp_destroy(struct qmp *q);
DEFINE_CLEANUP(struct qmp *, qmp_destroy);

/* Handles what has come already, without waiting for the loop's turn. */
struct err *qmp_catch_up(struct qmp *q) err_must_check;

/* Sends a command. arguments (may be NULL) is taken over. on_reply may be NULL. */
void qmp_command(struct qmp *q, const char *command, struct json_object *arguments, qmp_reply_callback on_reply,
		 void *user);

/*
 * Gives QEMU a descriptor, which it knows by that name from then on ("getfd"); ours stays the caller's. ERR_CLOSED if QEMU
 * doesn't listen just now.
 */
struct err *qmp_send_fd(struct qmp *q, const char *name, int fd) err_must_check;
