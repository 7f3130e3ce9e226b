/*
 * A task that sleeps, as a thread: what of it can be looked at. And the culprit of an oops, as a thread.
 *
 * Its registers are those that the kernel keeps for it where it switched from it, or on the stack of the oops; the others are not
 * known.
 *
 * Memory is looked at with its eyes. Kernel addresses are the same for all, and the target beneath reads and writes them for any of
 * its CPUs; those of the task's process are looked up in its page tables here. They are written by way of the kernel's map of all
 * memory, so that for the target beneath it is but one more kernel address. A culprit sees what its CPU does.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "kernel/stack.h"
#include "target/linux_oops.h"
#include "target/linux_tasks.h"
#include "target/machine.h"

/* --- Registers by name --- */

static struct err *fetch(const char *annex, struct buf *ret, void *user)
{
	const struct linux_target *l = user;

	return target_description(l->target.beneath, annex, ret);
}

struct err *linux_describe(struct linux_target *l)
{
	return l->tasks->description.n ? NULL : description_read(fetch, l, &l->tasks->description);
}

bool linux_register_value(const struct linux_target *l, const char *name, const struct buf *bytes, uint64_t *ret)
{
	const struct description_register *r = description_find(&l->tasks->description, name);

	return r && description_value(r, bytes->data, bytes->len, ret);
}

struct err *linux_task_need(struct linux_target *l, uint32_t thread, const struct linux_task **ret)
{
	*ret = linux_task_find(l, thread);
	if (!*ret)
		return err_create(ERR_NOT_FOUND,
				  "thread %" PRIu32 ": task %" PRIu32 " has ended, or runs, or is not listed any more",
				  thread, thread - TASK_THREAD_BASE);
	return NULL;
}

/* --- Registers of a task that sleeps --- */

static void append_zeros(struct buf *b, size_t n)
{
	memset(buf_reserve(b, n), 0, n);
	buf_commit(b, n);
}

/* As the description has them, and which of their bytes are known. */
struct view {
	const struct description *description;
	struct buf bytes, known;
};

static void view_deinit(struct view *v)
{
	buf_deinit(&v->bytes);
	buf_deinit(&v->known);
}
DEFINE_CLEANUP_STORAGE(struct view, view_deinit);

static struct err *view_init(struct linux_target *l, struct view *v)
{
	*v = (struct view){ &l->tasks->description, BUF_INIT, BUF_INIT };
	TRY(linux_describe(l));
	append_zeros(&v->bytes, v->description->size);
	append_zeros(&v->known, v->description->size);
	return NULL;
}

static void view_set(struct view *v, const char *name, uint64_t value)
{
	const struct description_register *r = description_find(v->description, name);

	if (!r || r->size > sizeof(value))
		return;
	description_set(r, v->bytes.data, value);
	memset(v->known.data + r->offset, 1, r->size);
}

static struct err *view_culprit(struct linux_target *l, uint32_t thread, struct view *v)
{
	const struct entry_register *registers;
	size_t n;

	TRY(linux_oops_registers(l, thread, &registers, &n));
	for (size_t i = 0; i < n; i++)
		view_set(v, registers[i].name, registers[i].value);
	return NULL;
}

static struct err *view_task(struct linux_target *l, uint32_t thread, struct view *v)
{
	const struct linux_task *task;
	struct registers saved;
	uint64_t value;

	TRY(linux_task_need(l, thread, &task));
	if (!stack_saved_registers(l->kernel, task->task.address, &saved))
		return err_create(ERR_FAULT, "the saved registers of task %" PRIu32 " can't be read", task->task.pid);
	for (unsigned int i = 0; i < REGISTERS_N; i++) {
		if (register_get(&saved, i, &value))
			view_set(v, machine_register_name(i), value);
	}
	return NULL;
}

/* A CPU has registers of its own; all others are saved ones. */
static bool is_saved(uint32_t thread)
{
	return linux_is_task(thread) || linux_is_culprit(thread);
}

static struct err *saved_registers(struct linux_target *l, uint32_t thread, struct view *v)
{
	TRY(view_init(l, v));
	return linux_is_culprit(thread) ? view_culprit(l, thread, v) : view_task(l, thread, v);
}

struct err *linux_view_read_registers(struct target *t, uint32_t thread, struct buf *ret)
{
	_cleanup_(view_deinit) struct view v = { .bytes = BUF_INIT, .known = BUF_INIT };

	if (!is_saved(thread))
		return target_read_registers(t->beneath, thread, ret);
	TRY(saved_registers(linux_target(t), thread, &v));
	buf_append(ret, v.bytes.data, v.bytes.len);
	return NULL;
}

struct err *linux_view_known_registers(struct target *t, uint32_t thread, struct buf *ret)
{
	_cleanup_(view_deinit) struct view v = { .bytes = BUF_INIT, .known = BUF_INIT };

	if (!is_saved(thread))
		return target_known_registers(t->beneath, thread, ret);
	TRY(saved_registers(linux_target(t), thread, &v));
	buf_append(ret, v.known.data, v.known.len);
	return NULL;
}

struct err *linux_view_read_register(struct target *t, uint32_t thread, unsigned int number, struct buf *ret)
{
	_cleanup_(view_deinit) struct view v = { .bytes = BUF_INIT, .known = BUF_INIT };
	struct linux_target *l = linux_target(t);
	const struct description_register *r;

	if (!is_saved(thread))
		return target_read_register(t->beneath, thread, number, ret);
	TRY(saved_registers(l, thread, &v));
	r = description_at(&l->tasks->description, number);
	if (!r)
		return err_create(ERR_NOT_FOUND, "there is no register %u", number);
	if (v.known.data[r->offset])
		buf_append(ret, v.bytes.data + r->offset, r->size);
	return NULL;
}

struct err *linux_view_program_counter(struct target *t, uint32_t thread, uint64_t *ret)
{
	_cleanup_(view_deinit) struct view v = { .bytes = BUF_INIT, .known = BUF_INIT };

	if (!is_saved(thread))
		return target_program_counter(t->beneath, thread, ret);
	TRY(saved_registers(linux_target(t), thread, &v));
	if (!linux_register_value(linux_target(t), machine_pc, &v.bytes, ret))
		return err_create(ERR_NOT_FOUND, "where thread %" PRIu32 " is at is not known", thread);
	return NULL;
}

/* --- What can't be done to one --- */

static struct err *only_for_looking(struct linux_target *l, uint32_t thread)
{
	const struct linux_task *task = linux_task_find(l, thread);
	_cleanup_(buf_deinit) struct buf name = BUF_INIT;

	if (linux_is_culprit(thread))
		return err_create(ERR_UNSUPPORTED,
				  "thread %" PRIu32 " is where something went wrong, which can only be looked at; "
				  "thread %" PRIu32 " is the CPU, which can be stepped and changed",
				  thread, linux_oops_cpu(thread));
	if (task)
		linux_task_name(&task->task, &name);
	else
		buf_printf(&name, "%" PRIu32, thread - TASK_THREAD_BASE);
	return err_create(ERR_UNSUPPORTED,
			  "thread %" PRIu32 " is the sleeping task %s, which can only be looked at; thread 1 and those "
			  "behind it are the CPUs, which can be stepped and changed",
			  thread, buf_str(&name));
}

struct err *linux_view_write_registers(struct target *t, uint32_t thread, const void *bytes, size_t len)
{
	if (!is_saved(thread))
		return target_write_registers(t->beneath, thread, bytes, len);
	return only_for_looking(linux_target(t), thread);
}

struct err *linux_view_write_register(struct target *t, uint32_t thread, unsigned int number, const void *bytes,
				      size_t len)
{
	if (!is_saved(thread))
		return target_write_register(t->beneath, thread, number, bytes, len);
	return only_for_looking(linux_target(t), thread);
}

struct err *linux_view_check_resume(struct linux_target *l, const struct target_resume *how)
{
	const uint32_t threads[] = { how->step, how->only, how->over };

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		if (is_saved(threads[i]))
			return only_for_looking(l, threads[i]);
	}
	return NULL;
}

/* --- Memory --- */

/* A read, or a write. */
struct access {
	uint64_t address;
	void *to;         /* NULL: a write */
	const void *from; /* NULL: a read */
	size_t len;
};

static struct err *access_beneath(const struct linux_target *l, uint32_t thread, const struct access *a,
				  size_t *ret_len)
{
	if (a->to)
		return target_read_memory(l->target.beneath, thread, a->address, a->to, a->len, ret_len);
	*ret_len = a->len;
	return target_write_memory(l->target.beneath, thread, a->address, a->from, a->len);
}

/* By any of the CPUs: one that is in user mode may have page tables without the kernel in them. */
static struct err *access_by_cpus(const struct linux_target *l, const struct access *a, size_t *ret_len)
{
	_cleanup_(target_threads_deinit) struct target_threads cpus = TARGET_THREADS_INIT;
	struct err *e = NULL;

	TRY(target_threads(l->target.beneath, &cpus));
	for (size_t i = 0; i < cpus.n && (!i || err_code(e) == ERR_FAULT); i++) {
		err_ignore(e);
		e = access_beneath(l, cpus.v[i].id, a, ret_len);
		if (!e)
			return NULL;
	}
	return e ? e : err_create(ERR_FAULT, "there is no CPU to reach memory by");
}

/* Whether the kernel has it mapped, and so every task. */
static bool is_in_kernel(const struct linux_target *l, uint64_t address)
{
	uint8_t byte;

	return mem_try_read(l->params.mem, address, &byte, sizeof(byte));
}

/* Where the task's process has it; *ret_len: as much of len as is in the same page. */
static struct err *translate(const struct linux_target *l, const struct linux_task *task, uint64_t address, size_t len,
			     uint64_t *ret, size_t *ret_len)
{
	struct mmu_page page = { 0 };
	enum mmu_fault fault;
	struct mmu mmu;

	if (!task_mmu(l->kernel, task->task.address, &mmu))
		return err_create(ERR_FAULT,
				  "0x%" PRIx64 " is no address of the kernel's, and task %" PRIu32
				  " has no memory of its own",
				  address, task->task.pid);
	fault = mmu_translate(l->params.mem, &mmu, address, &page);
	if (fault != MMU_OK)
		return mmu_error(fault, address, &page);
	*ret = page.phys;
	*ret_len = (size_t)MIN((uint64_t)len, page.left);
	return NULL;
}

static struct err *read_user(const struct linux_target *l, const struct linux_task *task, const struct access *a,
			     size_t *ret_len)
{
	uint8_t *to = a->to;
	struct err *e = NULL;
	uint64_t phys = 0;
	size_t n = 0;

	*ret_len = 0;
	while (!e && *ret_len < a->len) {
		e = translate(l, task, a->address + *ret_len, a->len - *ret_len, &phys, &n);
		if (!e)
			e = mem_read_phys(l->params.mem, phys, to + *ret_len, n);
		if (!e)
			*ret_len += n;
	}
	if (!*ret_len)
		return e;
	err_ignore(e);
	return NULL;
}

static struct err *write_user(const struct linux_target *l, const struct linux_task *task, const struct access *a)
{
	const uint8_t *from = a->from;
	uint64_t map, phys = 0;
	size_t n = 0, unused;

	if (!kernel_direct_map(l->kernel, &map))
		return err_create(ERR_UNSUPPORTED,
				  "the kernel doesn't map all memory yet, by which it could be written");
	for (size_t done = 0; done < a->len; done += n) {
		TRY(translate(l, task, a->address + done, a->len - done, &phys, &n));
		TRY(access_by_cpus(l, &(struct access){ map + phys, NULL, from + done, n }, &unused));
	}
	return NULL;
}

struct err *linux_view_read_memory(struct target *t, uint32_t thread, uint64_t address, void *ret, size_t len,
				   size_t *ret_len)
{
	const struct access a = { .address = address, .to = ret, .len = len };
	struct linux_target *l = linux_target(t);
	const struct linux_task *task;
	struct err *e;

	if (!linux_is_task(thread))
		return target_read_memory(t->beneath, linux_oops_cpu(thread), address, ret, len, ret_len);
	TRY(linux_task_need(l, thread, &task));
	if (!is_in_kernel(l, address))
		return read_user(l, task, &a, ret_len);
	e = access_by_cpus(l, &a, ret_len);
	if (!e || err_code(e) != ERR_FAULT || !mem_try_read(l->params.mem, address, ret, len))
		return e;
	err_destroy(e);
	*ret_len = len;
	return NULL;
}

struct err *linux_view_write_memory(struct target *t, uint32_t thread, uint64_t address, const void *bytes, size_t len)
{
	const struct access a = { .address = address, .from = bytes, .len = len };
	struct linux_target *l = linux_target(t);
	const struct linux_task *task;
	size_t unused;

	if (!linux_is_task(thread))
		return target_write_memory(t->beneath, linux_oops_cpu(thread), address, bytes, len);
	TRY(linux_task_need(l, thread, &task));
	return is_in_kernel(l, address) ? access_by_cpus(l, &a, &unused) : write_user(l, task, &a);
}
