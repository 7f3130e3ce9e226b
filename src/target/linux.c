#include "target/linux.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buildid.h"
#include "base/log.h"
#include "base/util.h"
#include "target/linux_hooks.h"
#include "target/linux_modules.h"
#include "target/linux_oops.h"
#include "target/linux_tasks.h"

enum { PLACES_MAX = 4 /* CPUs that are asked where they are */ };

static void destroy(struct target *t)
{
	struct linux_target *l = linux_target(t);

	linux_tasks_destroy(l->tasks);
	linux_oops_destroy(l->oops);
	kernel_destroy(l->kernel);
	mem_destroy(l->params.mem);
	free(l->build_id);
	free(l->vmlinux);
	free(l->told);
	free(l->note);
	breaks_deinit(&l->client);
	target_event_deinit(&l->next);
	target_event_deinit(&l->held);
	linux_modules_destroy(l->modules);
	free(l);
}

/* Takes the error, and tells it unless it was told last. */
static void tell_once(struct linux_target *l, struct err *e)
{
	_cleanup_(err_destroy) struct err *cause = e;

	if (l->told && streq(l->told, err_message(cause)))
		return;
	free(l->told);
	l->told = xstrdup(err_message(cause));
	if (err_code(cause) == ERR_NOT_FOUND)
		log_debug("%s", l->told);
	else
		log_warn("debugging goes on without knowledge of Linux: %s", l->told);
}

static bool ask_facts(struct linux_target *l)
{
	struct err *e;

	if (l->has_facts || l->no_facts)
		return l->has_facts;
	e = l->params.facts(l->params.user, l->facts);
	l->has_facts = !e;
	/* They may take a while to be found out. */
	l->no_facts = e && err_code(e) != ERR_TIMEOUT;
	if (l->no_facts)
		tell_once(l, e);
	else
		err_ignore(e);
	return l->has_facts;
}

/* Whether a CPU sees it where it seems to be. */
static bool is_seen(struct linux_target *l, const struct kernel *k)
{
	_cleanup_(target_threads_deinit) struct target_threads threads = TARGET_THREADS_INIT;
	uint32_t size = l->facts[FACT_BUILD_ID].size;
	bool seen = false;

	err_ignore(target_threads(l->target.beneath, &threads));
	for (size_t i = 0; i < threads.n && !seen; i++) {
		char text[BUILD_ID_DIGITS_MAX + 1] = "";
		uint8_t id[BUILD_ID_DIGITS_MAX / 2];
		size_t got = 0;
		struct err *e = target_read_memory(l->target.beneath, threads.v[i].id, kernel_symbol(k, FACT_BUILD_ID),
						   id, MIN(size, (uint32_t)sizeof(id)), &got);

		for (size_t j = 0; !e && j < got; j++)
			snprintf(text + 2 * j, 3, "%02x", id[j]);
		seen = !e && streq(text, l->build_id);
		err_ignore(e);
	}
	return seen;
}

/*
 * What is in memory may be of the time before a reset, or not where it will be. One that was not moved and is the first is
 * where it will stay, even if paging is not on yet.
 */
static bool is_real(const struct kernel *k, void *user)
{
	struct linux_target *l = user;

	return (!l->was_reset && !kernel_slide(k)) || is_seen(l, k);
}

/* Places in code at which CPUs are, the one that stopped first; returns how many. */
static size_t places_of_cpus(struct linux_target *l, uint64_t *ret, size_t max)
{
	_cleanup_(target_threads_deinit) struct target_threads threads = TARGET_THREADS_INIT;
	uint32_t stopped = target_stopped_thread(l->target.beneath);
	size_t n = 0;

	err_ignore(target_threads(l->target.beneath, &threads));
	for (size_t i = 0; i <= threads.n && n < max; i++) {
		uint32_t thread = i ? threads.v[i - 1].id : stopped;
		struct err *e;

		if (!thread || (i && thread == stopped))
			continue;
		e = target_program_counter(l->target.beneath, thread, &ret[n]);
		n += !e;
		err_ignore(e);
	}
	return n;
}

/* Another kernel than vmlinux is of. The client is told as well. */
static struct err *is_another(struct linux_target *l)
{
	_cleanup_(free) char *id = l->params.other_build_id ? l->params.other_build_id(l->params.user) : NULL;
	struct err *e;

	if (id && streq(id, l->build_id))
		return err_create(ERR_BAD_DATA,
				  "the kernel says that it is the one that vmlinux is of (build ID %s), "
				  "but its image isn't where a kernel's can be",
				  id);
	e = err_create(
		ERR_BAD_DATA,
		"vmlinux doesn't match: its build ID is %s, and no kernel with that is there%s%s; name the right "
		"one by --vmlinux",
		l->build_id, id ? ", but one with the build ID " : "", id ? id : "");
	free(l->note);
	l->note = xstrdup(err_message(e));
	return e;
}

/* Once: it takes hundreds of questions to be sure that it isn't there, and the kernel that there is stays. */
static struct err *find_distant(struct linux_target *l, struct kernel **ret)
{
	uint64_t places[PLACES_MAX];
	size_t n = places_of_cpus(l, places, PLACES_MAX);
	struct err *e = kernel_open_distant(l->params.mem, l->build_id, l->facts, places, n, ret);

	if (!e || err_code(e) != ERR_NOT_FOUND)
		return e;
	err_destroy(e);
	l->gone_without = true;
	return is_another(l);
}

/* *ret is NULL if it isn't there. Why not is looked into once: that takes a walk through all memory. */
static struct err *find(struct linux_target *l, struct kernel **ret)
{
	_cleanup_(kernel_destroy) struct kernel *unreal = NULL;

	if (mem_is_distant(l->params.mem))
		return find_distant(l, ret);
	TRY(kernel_look(l->params.mem, l->build_id, l->facts, is_real, l, ret));
	return *ret || l->told ? NULL : kernel_open(l->params.mem, l->build_id, l->facts, &unreal);
}

struct kernel *linux_kernel(struct linux_target *l)
{
	_cleanup_(kernel_destroy) struct kernel *k = NULL;
	struct err *e;

	if (l->kernel || l->resetting || l->gone_without || !ask_facts(l))
		return l->kernel;
	e = find(l, &k);
	/* With what vmlinux lacks it won't be found later, either. */
	l->no_facts = e && err_code(e) == ERR_UNSUPPORTED;
	l->has_facts = !l->no_facts;
	if (e)
		tell_once(l, e);
	else
		l->kernel = steal(&k);
	return l->kernel;
}

bool linux_kernel_appears(struct linux_target *l)
{
	_cleanup_(kernel_destroy) struct kernel *k = NULL;
	struct err *e;

	if (!ask_facts(l))
		return false;
	e = kernel_look(l->params.mem, l->build_id, l->facts, NULL, NULL, &k);
	if (e)
		tell_once(l, e);
	return k;
}

void linux_forget(struct linux_target *l)
{
	linux_hooks_forget(l);
	linux_modules_forget(l);
	linux_tasks_reset(l);
	linux_oops_forget(l);
	kernel_destroy(l->kernel);
	l->kernel = NULL;
	target_event_deinit(&l->held);
}

/* --- What it adds --- */

/* What looks at the kernel is answered here; the rest is the stub's. */
static struct err *monitor(struct target *t, uint32_t thread, const char *line, target_output output, void *user)
{
	static const char tasks[] = "tasks", space[] = " \t";
	const char *word = line + strspn(line, space), *end = word + strcspn(word, space);
	struct linux_target *l = linux_target(t);
	bool known = false;

	if ((size_t)(end - word) == strlen(tasks) && strncmp(word, tasks, strlen(tasks)) == 0)
		return linux_tasks_monitor(l, end, output, user);
	if (l->params.monitor)
		TRY(l->params.monitor(l->params.user, line, output, user, &known));
	if (known)
		return NULL;
	TRY(target_monitor(t->beneath, thread, line, output, user));
	if (target_is_resetting(t->beneath))
		linux_see_reset(l);
	return NULL;
}

static struct err *exec_file(struct target *t, struct buf *ret)
{
	struct linux_target *l = linux_target(t);

	if (!l->vmlinux)
		return err_create(ERR_NOT_FOUND, "no vmlinux is known");
	buf_puts(ret, l->vmlinux);
	return NULL;
}

static struct err *offsets(struct target *t, uint64_t *ret_first, uint64_t *ret_slide)
{
	struct linux_target *l = linux_target(t);

	if (!linux_kernel(l))
		return err_create(ERR_NOT_FOUND, "where the kernel lies is not known yet");
	l->slide = kernel_slide(l->kernel);
	if (!l->slide)
		return err_create(ERR_NOT_FOUND, "the kernel lies where it was linked to");
	*ret_first = kernel_image_base(l->kernel) + kernel_phys(l->kernel);
	*ret_slide = l->slide;
	return NULL;
}

/* One that nobody told of before was done to a machine that stood still, by QEMU's monitor on the console. */
static void reset_done(struct target *t)
{
	struct linux_target *l = linux_target(t);

	if (!l->runs && !l->resetting)
		linux_see_reset(l);
	target_reset_done(t->beneath);
}

static const struct target_ops linux_ops = {
	.destroy = destroy,
	.insert = linux_insert,
	.remove = linux_remove,
	.lost = linux_lost,
	.resume = linux_resume,
	.interrupt = linux_interrupt,
	.timeout_ms = linux_timeout_ms,
	.next_event = linux_next_event,
	.libraries = linux_libraries,
	.threads = linux_tasks_threads,
	.has_thread = linux_tasks_has_thread,
	.read_registers = linux_view_read_registers,
	.known_registers = linux_view_known_registers,
	.write_registers = linux_view_write_registers,
	.read_register = linux_view_read_register,
	.write_register = linux_view_write_register,
	.program_counter = linux_view_program_counter,
	.read_memory = linux_view_read_memory,
	.write_memory = linux_view_write_memory,
	.monitor = monitor,
	.variables = linux_tasks_variables,
	.variable = linux_tasks_variable,
	.exec_file = exec_file,
	.offsets = offsets,
	.reset_done = reset_done,
};

const struct kernel *linux_target_kernel(const struct target *t)
{
	return ((const struct linux_target *)t)->kernel;
}

struct target *linux_target_create(const struct linux_params *params, struct target *beneath)
{
	struct linux_target *l = xcalloc(1, sizeof(*l));

	l->target = (struct target){ &linux_ops, beneath };
	l->params = *params;
	l->build_id = xstrdup(params->build_id);
	l->vmlinux = params->vmlinux ? xstrdup(params->vmlinux) : NULL;
	l->params.build_id = l->build_id;
	l->params.vmlinux = l->vmlinux;
	l->modules = linux_modules_create();
	l->tasks = linux_tasks_create(params->tasks);
	l->oops = linux_oops_create(params->stop_on);
	l->params.tasks = l->params.stop_on = NULL;
	return &l->target;
}
