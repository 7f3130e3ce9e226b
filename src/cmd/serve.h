/*
 * The server process of a debug client, put together: QEMU's stub and the guest's RAM, what knows about Linux on top of them, and
 * the session that serves it all.
 */
#pragma once

#include "config/config.h"
#include "supervisor/debugport.h"
#include "supervisor/rundir.h"

struct serve;

/*
 * What server processes are to know. cfg and record must outlive it; the record may still be filled in by the
 * supervisor.
 */
struct serve *serve_create(const struct config *cfg, const struct vm_record *record);
/* A kernel on a line that has no BREAK; why is for the user, and must outlive it. */
void serve_set_no_break(struct serve *s, const char *why);
void serve_destroy(struct serve *s);
DEFINE_CLEANUP(struct serve *, serve_destroy);

/* A debugport_serve; user is the struct serve. */
struct err *serve_run(const struct debugport_session *session, void *user) err_must_check;
