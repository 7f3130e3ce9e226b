#include "target/linux_hooks.h"

#include "base/log.h"
#include "base/util.h"
#include "target/linux_modules.h"
#include "target/linux_oops.h"
#include "target/machine.h"

static const struct linux_hook hooks[] = {
	{ .symbols = { FACT_DO_INIT_MODULE }, .entered = linux_module_comes, .reached = linux_module_is_coming },
	{ .symbols = { FACT_FREE_MODULE }, .entered = linux_module_goes, .reached = linux_module_is_going },
	{ .symbols = { FACT_DIE }, .wanted = linux_oops_wants_deaths, .entered = linux_oops_dies },
	{ .symbols = { FACT_DIE_INNER }, .wanted = linux_oops_wants_deaths, .entered = linux_oops_dies },
	{ .symbols = { FACT_DIE_ADDRESS }, .wanted = linux_oops_wants_deaths, .entered = linux_oops_dies },
	{ .symbols = { FACT_PANIC }, .wanted = linux_oops_wants_panics, .entered = linux_oops_panics },
	{ .symbols = { FACT_WARN }, .wanted = linux_oops_wants_warnings, .entered = linux_oops_warns },
};

_Static_assert(ARRAY_SIZE(hooks) <= LINUX_HOOKS_MAX, "there is room for all hooks");

static uint64_t find(const struct linux_target *l, const struct linux_hook *h)
{
	uint64_t address = 0;

	if (h->wanted && !h->wanted(l))
		return 0;
	for (size_t i = 0; i < LINUX_HOOK_SYMBOLS && h->symbols[i] && !address; i++)
		address = kernel_symbol(l->kernel, h->symbols[i]);
	if (!address)
		log_debug("this kernel has no %s(), which would have been watched",
			  kernel_questions[h->symbols[0]].name);
	return address;
}

void linux_hooks_plant(struct linux_target *l)
{
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		uint64_t address = find(l, &hooks[i]);
		struct err *e;

		if (!address || l->hooks[i])
			continue;
		e = target_insert(l->target.beneath, TARGET_BREAK_SOFTWARE, address, MACHINE_BREAK_SIZE);
		if (e)
			log_warn("can't watch what the kernel does at 0x%llx: %s", (unsigned long long)address,
				 err_message(e));
		else
			l->hooks[i] = address;
		err_ignore(e);
	}
	l->hooked = true;
}

void linux_hooks_forget(struct linux_target *l)
{
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		struct err *e = l->hooks[i] ? target_remove(l->target.beneath, TARGET_BREAK_SOFTWARE, l->hooks[i],
							    MACHINE_BREAK_SIZE)
					    : NULL;

		err_ignore(e);
		l->hooks[i] = 0;
	}
	l->hooked = false;
}

const struct linux_hook *linux_hook_at(const struct linux_target *l, uint64_t address)
{
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (l->hooks[i] && l->hooks[i] == address)
			return &hooks[i];
	}
	return NULL;
}

bool linux_hook_is_planted(const struct linux_target *l,
			   bool (*entered)(struct linux_target *l, struct target_event *event))
{
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (hooks[i].entered == entered)
			return l->hooks[i];
	}
	return false;
}

bool linux_client_breaks_at(const struct linux_target *l, uint64_t address)
{
	for (size_t i = 0; i < l->client.n; i++) {
		const struct brk *k = &l->client.v[i];

		if (k->address == address && k->planted &&
		    (k->kind == TARGET_BREAK_SOFTWARE || k->kind == TARGET_BREAK_HARDWARE))
			return true;
	}
	return false;
}

static struct err *read_word(struct linux_target *l, uint32_t thread, unsigned int number, uint64_t *ret)
{
	_cleanup_(buf_deinit) struct buf value = BUF_INIT;

	TRY(target_read_register(l->target.beneath, thread, number, &value));
	if (value.len < sizeof(*ret))
		return err_create(ERR_BAD_DATA, "register %u has only %zu bytes", number, value.len);
	memcpy(ret, value.data, sizeof(*ret));
	return NULL;
}

struct err *linux_argument(struct linux_target *l, uint32_t thread, unsigned int n, uint64_t *ret)
{
	unsigned int number;

	if (!machine_argument(n, &number))
		return err_create(ERR_USAGE, "argument %u is not in a register", n);
	return read_word(l, thread, number, ret);
}

struct err *linux_caller(struct linux_target *l, uint32_t thread, uint64_t *ret)
{
	uint64_t at;
	size_t got;

	TRY(read_word(l, thread, machine_return_at, &at));
	TRY(target_read_memory(l->target.beneath, thread, at, ret, sizeof(*ret), &got));
	return got == sizeof(*ret) ? NULL : err_create(ERR_FAULT, "the stack ends at 0x%llx", (unsigned long long)at);
}
