#include "target/target.h"

#include <stdlib.h>

#include "base/util.h"

void target_event_deinit(struct target_event *e)
{
	free(e->message);
	*e = (struct target_event)TARGET_EVENT_INIT;
}

void target_threads_deinit(struct target_threads *t)
{
	free(t->v);
	*t = (struct target_threads)TARGET_THREADS_INIT;
}

void target_threads_add(struct target_threads *t, const struct target_thread *thread)
{
	/* Doubled whenever it is full: at each power of two. */
	if (!(t->n & (t->n - 1)))
		t->v = xreallocarray(t->v, t->n ? 2 * t->n : 1, sizeof(*t->v));
	t->v[t->n++] = *thread;
}

void target_destroy(struct target *t)
{
	struct target *beneath;

	for (; t; t = beneath) {
		beneath = t->beneath;
		t->ops->destroy(t);
	}
}

static struct err *unsupported(const char *what)
{
	return err_create(ERR_UNSUPPORTED, "nothing here can %s", what);
}

/* The nearest target, from t downwards, that has the operation; t is NULL then if none has. */
#define FIND(t, operation)                                                                                             \
	while ((t) && !(t)->ops->operation)                                                                            \
	(t) = (t)->beneath

#define CALL(t, operation, what, ...)                                                                                  \
	do {                                                                                                           \
		FIND(t, operation);                                                                                    \
		return (t) ? (t)->ops->operation((t)__VA_OPT__(, ) __VA_ARGS__) : unsupported(what);                   \
	} while (0)

struct err *target_description(struct target *t, const char *annex, struct buf *ret)
{
	CALL(t, description, "say which registers there are", annex, ret);
}

struct err *target_threads(struct target *t, struct target_threads *ret)
{
	CALL(t, threads, "list threads", ret);
}

bool target_has_thread(struct target *t, uint32_t thread)
{
	FIND(t, has_thread);
	return t && t->ops->has_thread(t, thread);
}

struct err *target_read_registers(struct target *t, uint32_t thread, struct buf *ret)
{
	CALL(t, read_registers, "read registers", thread, ret);
}

struct err *target_write_registers(struct target *t, uint32_t thread, const void *bytes, size_t len)
{
	CALL(t, write_registers, "write registers", thread, bytes, len);
}

struct err *target_read_register(struct target *t, uint32_t thread, unsigned int number, struct buf *ret)
{
	CALL(t, read_register, "read a register", thread, number, ret);
}

struct err *target_write_register(struct target *t, uint32_t thread, unsigned int number, const void *bytes, size_t len)
{
	CALL(t, write_register, "write a register", thread, number, bytes, len);
}

struct err *target_program_counter(struct target *t, uint32_t thread, uint64_t *ret)
{
	CALL(t, program_counter, "say where a thread is", thread, ret);
}

struct err *target_known_registers(struct target *t, uint32_t thread, struct buf *ret)
{
	FIND(t, known_registers);
	return t ? t->ops->known_registers(t, thread, ret) : NULL;
}

const unsigned int *target_expedited(struct target *t, size_t *ret_n)
{
	FIND(t, expedited);
	*ret_n = 0;
	return t ? t->ops->expedited(t, ret_n) : NULL;
}

struct err *target_read_memory(struct target *t, uint32_t thread, uint64_t address, void *ret, size_t len,
			       size_t *ret_len)
{
	CALL(t, read_memory, "read memory", thread, address, ret, len, ret_len);
}

struct err *target_write_memory(struct target *t, uint32_t thread, uint64_t address, const void *bytes, size_t len)
{
	CALL(t, write_memory, "write memory", thread, address, bytes, len);
}

struct err *target_insert(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	CALL(t, insert, "plant breakpoints", kind, address, size);
}

struct err *target_remove(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	CALL(t, remove, "remove breakpoints", kind, address, size);
}

bool target_lost(struct target *t, enum target_break kind, uint64_t address, uint64_t size)
{
	FIND(t, lost);
	return t && t->ops->lost(t, kind, address, size);
}

struct err *target_resume(struct target *t, const struct target_resume *how)
{
	CALL(t, resume, "run", how);
}

struct err *target_interrupt(struct target *t)
{
	CALL(t, interrupt, "be interrupted");
}

int target_fd(struct target *t)
{
	FIND(t, fd);
	return t ? t->ops->fd(t) : -1;
}

int target_timeout_ms(struct target *t)
{
	FIND(t, timeout_ms);
	return t ? t->ops->timeout_ms(t) : -1;
}

struct err *target_next_event(struct target *t, struct target_event *ret)
{
	CALL(t, next_event, "run", ret);
}

struct err *target_monitor(struct target *t, uint32_t thread, const char *line, target_output output, void *user)
{
	CALL(t, monitor, "take commands", thread, line, output, user);
}

struct err *target_libraries(struct target *t, bool placed, struct buf *ret)
{
	CALL(t, libraries, "list what is loaded", placed, ret);
}

struct err *target_exec_file(struct target *t, struct buf *ret)
{
	CALL(t, exec_file, "name the main file", ret);
}

struct err *target_offsets(struct target *t, uint64_t *ret_first, uint64_t *ret_slide)
{
	CALL(t, offsets, "say where the main file lies", ret_first, ret_slide);
}

const struct target_variable *target_variables(struct target *t, size_t *ret_n)
{
	FIND(t, variables);
	*ret_n = 0;
	return t ? t->ops->variables(t, ret_n) : NULL;
}

struct err *target_variable(struct target *t, uint32_t thread, unsigned int number, int64_t *ret)
{
	CALL(t, variable, "say what a thread is about", thread, number, ret);
}

struct err *target_query(struct target *t, const char *packet, size_t len, struct buf *ret)
{
	CALL(t, query, "answer that", packet, len, ret);
}

struct err *target_detach(struct target *t)
{
	CALL(t, detach, "be let go");
}

struct err *target_leave(struct target *t)
{
	CALL(t, leave, "be left");
}

struct err *target_kill(struct target *t)
{
	CALL(t, kill, "be ended");
}

uint32_t target_stopped_thread(struct target *t)
{
	FIND(t, stopped_thread);
	return t ? t->ops->stopped_thread(t) : 0;
}

bool target_is_resetting(struct target *t)
{
	FIND(t, is_resetting);
	return t && t->ops->is_resetting(t);
}

void target_reset_done(struct target *t)
{
	FIND(t, reset_done);
	if (t)
		t->ops->reset_done(t);
}
