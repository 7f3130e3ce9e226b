#include "target/linux.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"
#include "target/linux_tasks.h"

static void destroy(struct target *t)
{
	struct linux_target *l = linux_target(t);

	linux_tasks_destroy(l->tasks);
	kernel_destroy(l->kernel);
	mem_destroy(l->params.mem);
	free(l->build_id);
	free(l->vmlinux);
	free(l->told);
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

static struct err *find(struct linux_target *l)
{
	if (!l->has_facts) {
		TRY(l->params.facts(l->params.user, l->facts));
		l->has_facts = true;
	}
	return kernel_open(l->params.mem, l->build_id, l->facts, &l->kernel);
}

struct kernel *linux_kernel(struct linux_target *l)
{
	struct err *e;

	if (l->kernel || l->no_facts)
		return l->kernel;
	e = find(l);
	l->no_facts = !l->has_facts;
	if (e)
		tell_once(l, e);
	return l->kernel;
}

/* --- What it adds --- */

static struct err *next_event(struct target *t, struct target_event *ret)
{
	struct linux_target *l = linux_target(t);

	TRY(target_next_event(t->beneath, ret));
	if (ret->kind == TARGET_EVENT_STOP && ret->reason == TARGET_REASON_RESET) {
		kernel_destroy(l->kernel);
		l->kernel = NULL;
		linux_tasks_reset(l);
	}
	return NULL;
}

static struct err *resume(struct target *t, const struct target_resume *how)
{
	struct linux_target *l = linux_target(t);

	TRY(linux_view_check_resume(l, how));
	linux_tasks_forget(l);
	return target_resume(t->beneath, how);
}

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
	return known ? NULL : target_monitor(t->beneath, thread, line, output, user);
}

static struct err *exec_file(struct target *t, struct buf *ret)
{
	struct linux_target *l = linux_target(t);

	if (!l->vmlinux)
		return err_create(ERR_NOT_FOUND, "no vmlinux is known");
	buf_puts(ret, l->vmlinux);
	return NULL;
}

static struct err *offsets(struct target *t, uint64_t *ret)
{
	struct kernel *k = linux_kernel(linux_target(t));

	if (!k)
		return err_create(ERR_NOT_FOUND, "where the kernel lies is not known yet");
	if (!kernel_slide(k))
		return err_create(ERR_NOT_FOUND, "the kernel lies where it was linked to");
	*ret = kernel_image_base(k) + kernel_phys(k);
	return NULL;
}

static const struct target_ops linux_ops = {
	.destroy = destroy,
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
	.resume = resume,
	.next_event = next_event,
	.monitor = monitor,
	.variables = linux_tasks_variables,
	.variable = linux_tasks_variable,
	.exec_file = exec_file,
	.offsets = offsets,
};

struct target *linux_target_create(const struct linux_params *params, struct target *beneath)
{
	struct linux_target *l = xcalloc(1, sizeof(*l));

	l->target = (struct target){ &linux_ops, beneath };
	l->params = *params;
	l->build_id = xstrdup(params->build_id);
	l->vmlinux = params->vmlinux ? xstrdup(params->vmlinux) : NULL;
	l->params.build_id = l->build_id;
	l->params.vmlinux = l->vmlinux;
	l->tasks = linux_tasks_create(params->tasks);
	l->params.tasks = NULL;
	return &l->target;
}
