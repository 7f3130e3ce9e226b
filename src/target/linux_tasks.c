/*
 * Theory of operation. The CPUs are the threads of the target beneath; which CPU of the kernel's each of them is, is seen at the
 * address of its own data, which a register of the CPU has (machine.h). Where that tells nothing it is seen at the stack that it
 * is on; else the target is believed to count as the kernel does. What was certain is remembered, for it stays.
 *
 * Tasks that sleep are further threads, if somebody asked for them. Their list is read when the first question comes after a
 * stop, and serves until the machine goes on: so all answers of one stop agree.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/printable.h"
#include "base/util.h"
#include "debuginfo/symbols.h"
#include "kernel/cpu.h"
#include "kernel/percpu.h"
#include "kernel/stack.h"
#include "target/linux_oops.h"
#include "target/linux_tasks.h"
#include "target/machine.h"

enum variable { VARIABLE_PID = 1, VARIABLE_TGID, VARIABLE_CPU };

#define PID_MAX (UINT32_C(1) << 22)
#define NO_CPU UINT32_MAX

/* The longest part of a name that can be asked for: comm/PID. */
enum { WANTED_MAX = TASK_COMM_MAX + 8 };

/* --- What is remembered --- */

static bool is_number(const char *s)
{
	return strspn(s, "0123456789") == strlen(s);
}

struct err *linux_tasks_check(const char *wanted)
{
	if (!*wanted || strlen(wanted) > WANTED_MAX || strpbrk(wanted, " \t\r\n"))
		return err_create(ERR_USAGE,
				  "'%s': which tasks are listed is said by all, off, a PID, or a part of a name",
				  wanted);
	if (is_number(wanted) && strtoull(wanted, NULL, 10) > PID_MAX)
		return err_create(ERR_USAGE, "'%s' is no PID: there are none above %" PRIu32, wanted, PID_MAX);
	return NULL;
}

static void want(struct linux_tasks *t, const char *wanted)
{
	free(t->wanted);
	t->wanted = wanted && !streq(wanted, "off") ? xstrdup(wanted) : NULL;
}

struct linux_tasks *linux_tasks_create(const char *wanted)
{
	struct linux_tasks *t = xcalloc(1, sizeof(*t));

	want(t, wanted);
	return t;
}

void linux_tasks_destroy(struct linux_tasks *t)
{
	if (!t)
		return;
	description_deinit(&t->description);
	symbols_destroy(t->symbols);
	free(t->list);
	free(t->cpus);
	free(t->wanted);
	free(t);
}

void linux_tasks_forget(struct linux_target *l)
{
	struct linux_tasks *t = l->tasks;

	free(t->list);
	t->list = NULL;
	t->n = 0;
	t->is_read = false;
}

void linux_tasks_reset(struct linux_target *l)
{
	linux_tasks_forget(l);
	free(l->tasks->cpus);
	l->tasks->cpus = NULL;
	l->tasks->cpus_n = 0;
}

/* --- CPUs --- */

static bool has_own_data_at(const struct kernel *k, uint32_t cpu, uint64_t base)
{
	uint64_t offset;

	return percpu_try_address(k, 0, cpu, &offset) && offset == base;
}

/* The kernel's number of the CPU with these registers. guess: which one to try first. NO_CPU: nothing tells. */
static uint32_t recognize(const struct linux_target *l, uint32_t guess, const struct buf *bytes)
{
	uint32_t n = cpu_count(l->kernel);
	uint64_t bases[MACHINE_BASES_MAX], sp = 0;
	size_t bases_n;

	if (n == 1)
		return 0;
	bases_n = machine_cpu_bases(&l->tasks->description, bytes->data, bytes->len, bases);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t cpu = (guess + i) % n;

		for (size_t b = 0; b < bases_n; b++) {
			if (has_own_data_at(l->kernel, cpu, bases[b]))
				return cpu;
		}
	}
	for (uint32_t i = 0; i < n && linux_register_value(l, machine_sp, bytes, &sp); i++) {
		uint32_t cpu = (guess + i) % n;

		if (cpu_has_stack(l->kernel, cpu, sp))
			return cpu;
	}
	return NO_CPU;
}

static uint32_t recognize_thread(struct linux_target *l, uint32_t thread)
{
	_cleanup_(buf_deinit) struct buf bytes = BUF_INIT;
	struct err *e = linux_describe(l);
	bool failed;

	if (!e)
		e = target_read_registers(l->target.beneath, thread, &bytes);
	failed = e;
	err_ignore(e);
	return failed ? NO_CPU : recognize(l, thread - 1, &bytes);
}

/* The kernel's number of a CPU of the target's. There is a kernel. */
static uint32_t cpu_of(struct linux_target *l, uint32_t thread)
{
	struct linux_tasks *t = l->tasks;
	uint32_t cpu;

	if (!thread || thread > TARGET_CPUS_MAX)
		return 0;
	while (t->cpus_n < thread) {
		t->cpus = xreallocarray(t->cpus, t->cpus_n + 1, sizeof(*t->cpus));
		t->cpus[t->cpus_n++] = NO_CPU;
	}
	if (t->cpus[thread - 1] != NO_CPU)
		return t->cpus[thread - 1];
	cpu = recognize_thread(l, thread);
	t->cpus[thread - 1] = cpu;
	return cpu == NO_CPU ? thread - 1 : cpu;
}

/* --- The list --- */

static int by_thread(const void *a, const void *b)
{
	const struct linux_task *x = a, *y = b;

	return x->thread < y->thread ? -1 : x->thread > y->thread;
}

/* "bash/142"; of an idle task, whose PID is 0, only its name. */
void linux_task_name(const struct task *t, struct buf *b)
{
	if (t->known & TASK_KNOWS_COMM)
		printable_append(b, t->comm, strlen(t->comm));
	else
		buf_putc(b, '?');
	if (t->known & TASK_KNOWS_IDS && t->pid)
		buf_printf(b, "/%" PRIu32, t->pid);
}

static bool is_wanted(const char *wanted, const struct task *t)
{
	_cleanup_(buf_deinit) struct buf name = BUF_INIT;

	if (streq(wanted, "all"))
		return true;
	if (is_number(wanted)) {
		uint64_t pid = strtoull(wanted, NULL, 10);

		return t->pid == pid || t->tgid == pid;
	}
	linux_task_name(t, &name);
	return strstr(buf_str(&name), wanted);
}

/* Tasks that can be looked at: not on a CPU, which shows them, and with a stack. */
static void add_tasks(struct linux_target *l, const struct task_list *all)
{
	struct linux_tasks *t = l->tasks;
	struct registers unused;

	t->list = xcalloc(all->n, sizeof(*t->list));
	for (size_t i = 0; i < all->n; i++) {
		const struct task *task = &all->tasks[i];

		if (task->known & TASK_KNOWS_IDS && task->pid && task->pid <= PID_MAX && is_wanted(t->wanted, task) &&
		    stack_saved_registers(l->kernel, task->address, &unused))
			t->list[t->n++] = (struct linux_task){ TASK_THREAD_BASE + task->pid, *task };
	}
}

/* A thread has one number, and a number one thread, whatever the guest's memory says. */
static void sort(struct linux_tasks *t)
{
	size_t n = 0;

	qsort(t->list, t->n, sizeof(*t->list), by_thread);
	for (size_t i = 0; i < t->n; i++) {
		if (!n || t->list[n - 1].thread != t->list[i].thread)
			t->list[n++] = t->list[i];
	}
	t->n = n;
}

static struct err *read_list(struct linux_target *l)
{
	_cleanup_(task_list_deinit) struct task_list all = TASK_LIST_INIT;

	TRY(task_list_read(l->kernel, true, &all));
	add_tasks(l, &all);
	sort(l->tasks);
	return NULL;
}

/* The list as it is in this stop. What goes wrong costs the tasks. */
static void need_list(struct linux_target *l)
{
	struct err *e;

	if (l->tasks->is_read || !l->tasks->wanted || !linux_kernel(l))
		return;
	l->tasks->is_read = true;
	e = read_list(l);
	if (e)
		log_warn("tasks are not listed: %s", err_message(e));
	err_ignore(e);
}

const struct linux_task *linux_task_find(struct linux_target *l, uint32_t thread)
{
	const struct linux_task key = { .thread = thread };

	need_list(l);
	return l->tasks->n ? bsearch(&key, l->tasks->list, l->tasks->n, sizeof(key), by_thread) : NULL;
}

/* --- Names --- */

struct symbols *linux_symbols(struct linux_target *l)
{
	struct linux_tasks *t = l->tasks;
	struct err *e;

	if (t->symbols || t->no_symbols || !l->vmlinux)
		return t->symbols;
	e = symbols_open(l->vmlinux, &t->symbols);
	t->no_symbols = e;
	err_ignore(e);
	return t->symbols;
}

/* The state, and where it sleeps if the kernel has frame pointers to see it by. */
static void put_state(struct linux_target *l, const struct task *t, struct buf *b)
{
	struct symbols_place place;
	uint64_t address;

	if (!(t->known & TASK_KNOWS_STATE))
		return;
	buf_printf(b, " %c", t->state);
	if (task_sleeps_in(l->kernel, t, &address) && linux_symbols(l) &&
	    symbols_at(l->tasks->symbols, address - kernel_slide(l->kernel), &place) && place.is_function)
		buf_printf(b, " %s", place.name);
}

static void take_name(const struct buf *b, struct target_thread *ret)
{
	snprintf(ret->name, sizeof(ret->name), "%s", buf_str(b));
}

bool linux_name_current(struct linux_target *l, uint32_t thread, struct buf *b, uint32_t *ret_cpu)
{
	uint32_t cpu = cpu_of(l, thread);
	uint64_t current;
	struct task t;

	if (!cpu_current(l->kernel, cpu, &current))
		return false;
	task_read(l->kernel, current, &t);
	linux_task_name(&t, b);
	*ret_cpu = cpu;
	return true;
}

static void name_cpu(struct linux_target *l, struct target_thread *thread)
{
	_cleanup_(buf_deinit) struct buf task = BUF_INIT;

	if (linux_name_current(l, thread->id, &task, &thread->core))
		snprintf(thread->name, sizeof(thread->name), "CPU %" PRIu32 ": %s", thread->core, buf_str(&task));
}

static void add_thread(struct linux_target *l, const struct linux_task *t, struct target_threads *ret)
{
	_cleanup_(buf_deinit) struct buf name = BUF_INIT;
	struct target_thread thread = { .id = t->thread, .core = UINT32_MAX };

	if (t->task.known & TASK_KNOWS_CPU)
		thread.core = t->task.cpu;
	linux_task_name(&t->task, &name);
	put_state(l, &t->task, &name);
	take_name(&name, &thread);
	target_threads_add(ret, &thread);
}

struct err *linux_tasks_threads(struct target *t, struct target_threads *ret)
{
	struct linux_target *l = linux_target(t);
	size_t first = ret->n;

	TRY(target_threads(t->beneath, ret));
	if (!linux_kernel(l))
		return NULL;
	for (size_t i = first; i < ret->n; i++)
		name_cpu(l, &ret->v[i]);
	linux_oops_add_thread(l, ret);
	need_list(l);
	for (size_t i = 0; i < l->tasks->n; i++)
		add_thread(l, &l->tasks->list[i], ret);
	return NULL;
}

bool linux_tasks_has_thread(struct target *t, uint32_t thread)
{
	struct linux_target *l = linux_target(t);

	if (linux_is_task(thread))
		return linux_task_find(l, thread);
	return linux_is_culprit(thread) ? linux_oops_has_thread(l, thread) : target_has_thread(t->beneath, thread);
}

/* --- Variables --- */

const struct target_variable *linux_tasks_variables(struct target *t, size_t *ret_n)
{
	static const struct target_variable variables[] = {
		{ VARIABLE_PID, "ktb_pid" },
		{ VARIABLE_TGID, "ktb_tgid" },
		{ VARIABLE_CPU, "ktb_cpu" },
	};

	(void)t;
	*ret_n = ARRAY_SIZE(variables);
	return variables;
}

static struct err *variable_of(unsigned int number, uint32_t pid, uint32_t tgid, uint32_t cpu, int64_t *ret)
{
	switch (number) {
	case VARIABLE_PID:
		*ret = pid;
		return NULL;
	case VARIABLE_TGID:
		*ret = tgid;
		return NULL;
	case VARIABLE_CPU:
		*ret = cpu;
		return NULL;
	default:
		return err_create(ERR_NOT_FOUND, "there is no variable %u", number);
	}
}

/* Conditions ask thousands of times a second. */
struct err *linux_tasks_variable(struct target *t, uint32_t thread, unsigned int number, int64_t *ret)
{
	struct linux_target *l = linux_target(t);
	uint32_t cpu, pid = 0, tgid = 0;
	uint64_t current;

	if (!linux_kernel(l))
		return err_create(ERR_NOT_FOUND,
				  "which task runs is not known: the kernel has not come so far, or is not known");
	if (linux_is_task(thread)) {
		const struct linux_task *task;

		TRY(linux_task_need(l, thread, &task));
		return variable_of(number, task->task.pid, task->task.tgid, task->task.cpu, ret);
	}
	cpu = cpu_of(l, linux_oops_cpu(thread));
	if (number != VARIABLE_CPU &&
	    (!cpu_current(l->kernel, cpu, &current) || !task_read_ids(l->kernel, current, &pid, &tgid)))
		return err_create(ERR_FAULT, "what CPU %" PRIu32 " runs can't be read", cpu);
	return variable_of(number, pid, tgid, cpu, ret);
}

/* --- monitor tasks --- */

static void say_what_is_listed(struct linux_target *l, struct buf *b)
{
	if (!l->tasks->wanted) {
		buf_puts(b, "no tasks are listed as threads; monitor tasks all | PID | NAME does\n");
		return;
	}
	need_list(l);
	if (!l->kernel)
		buf_puts(b, "tasks are listed as threads once the kernel has come so far\n");
	else
		buf_printf(b, "%zu sleeping task%s listed (%s): the thread of PID has the id %" PRIu32 " + PID\n",
			   l->tasks->n, l->tasks->n == 1 ? " is" : "s are", l->tasks->wanted, TASK_THREAD_BASE);
}

struct err *linux_tasks_monitor(struct linux_target *l, const char *rest, target_output output, void *user)
{
	_cleanup_(free) char *copy = xstrdup(rest);
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	const char *wanted = strip(copy);

	if (*wanted) {
		TRY(linux_tasks_check(wanted));
		want(l->tasks, wanted);
		linux_tasks_forget(l);
	}
	say_what_is_listed(l, &text);
	output(text.data, text.len, user);
	return NULL;
}
