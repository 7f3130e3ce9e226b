/*
 * The Linux target for tests, on a fake kernel and a machine that runs only on paper.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "target/linux.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/fake_machine.h"

enum { SIGNAL_INT = 2, SIGNAL_QUIT = 3, SIGNAL_TRAP = 5, DO_INIT = 0x400, FREE = 0x500, ELSEWHERE = 0x600 };

struct fixture {
	struct fake_kernel *fake;
	struct mem *cpu_mem;
	struct fake_line line; /* with setup_distant() */
	struct fake_machine *m;
	struct target *t;
	struct target_event e;
	char *file; /* that modules come from; NULL: none */
	bool stale, unplaceable;
	unsigned int asked;  /* for a module's file */
	unsigned int placed; /* copies that were made */
};

static inline struct err *give_facts(void *user, struct layout_answer ret[KERNEL_FACTS_N])
{
	memcpy(ret, ((struct fixture *)user)->fake->facts, KERNEL_FACTS_N * sizeof(*ret));
	return NULL;
}

static inline struct err *give_file(void *user, const struct module *m, char **ret, bool *ret_stale)
{
	struct fixture *x = user;

	(void)m;
	x->asked++;
	*ret = x->file ? xstrdup(x->file) : NULL;
	*ret_stale = x->stale;
	return NULL;
}

/* The path says how many there were. */
static inline struct err *give_placed(void *user, const char *path, const uint64_t *addresses, size_t n, char **ret,
				      uint64_t *ret_base)
{
	struct fixture *x = user;

	(void)path;
	assert_true(n > 0);
	if (x->unplaceable)
		return err_create(ERR_BAD_DATA, "it can't be placed");
	*ret_base = addresses[0];
	*ret = xasprintf("/placed/%u", ++x->placed);
	return NULL;
}

static inline char *give_other(void *user)
{
	(void)user;
	return xstrdup("aabbcc");
}

static inline int make(void **state, uint64_t slide, bool is_distant)
{
	struct fixture *x = xcalloc(1, sizeof(*x));

	x->fake = fake_create(0x200000 + slide, slide);
	fake_symbol(x->fake, FACT_DO_INIT_MODULE, DO_INIT, 0x100);
	fake_symbol(x->fake, FACT_FREE_MODULE, FREE, 0x100);
	x->cpu_mem = fake_mem(x->fake);
	mem_set_mmu(x->cpu_mem, &(struct mmu){ x->fake->phys + FAKE_PGD, 4 });
	x->m = fake_machine_create(x->cpu_mem);
	x->t = linux_target_create(
		&(struct linux_params){ .mem = is_distant ? fake_distant_mem(x->fake, &x->line) : fake_mem(x->fake),
					.build_id = FAKE_BUILD_ID,
					.vmlinux = "/b/vmlinux",
					.facts = give_facts,
					.module_file = give_file,
					.place_module = give_placed,
					.other_build_id = give_other,
					.user = x },
		&x->m->target);
	/* An ELF file: this one. */
	x->file = xstrdup("/proc/self/exe");
	*state = x;
	return 0;
}

static inline int setup(void **state)
{
	return make(state, 0, false);
}

static inline int setup_slid(void **state)
{
	return make(state, 0x600000, false);
}

/* Its memory is to be had piece by piece only. */
static inline int setup_distant(void **state)
{
	return make(state, 0x600000, true);
}

static inline int teardown(void **state)
{
	struct fixture *x = *state;

	target_event_deinit(&x->e);
	target_destroy(x->t);
	mem_destroy(x->cpu_mem);
	mem_destroy(x->line.beneath);
	free(x->file);
	free(x->fake);
	free(x);
	return 0;
}

static inline uint64_t at(const struct fixture *x, uint64_t offset)
{
	return FAKE_TEXT + x->fake->slide + offset;
}

static inline void go(struct fixture *x)
{
	assert_null(target_resume(x->t, &(struct target_resume){ 0 }));
}

static inline void step(struct fixture *x, uint32_t thread, bool others)
{
	assert_null(target_resume(x->t, &(struct target_resume){ .step = thread, .others = others }));
}

/* The next event is x->e. */
static inline void see(struct fixture *x)
{
	target_event_deinit(&x->e);
	assert_null(target_next_event(x->t, &x->e));
}

static inline void hit(struct fixture *x, uint32_t thread, uint64_t offset)
{
	fake_machine_add(x->m, thread, TARGET_REASON_BREAKPOINT, SIGNAL_TRAP, at(x, offset));
}

static inline void assert_not_found(struct err *e)
{
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
	err_destroy(e);
}

static inline void expect(struct fixture *x, enum target_reason reason, uint32_t thread, unsigned int signo)
{
	see(x);
	assert_int_equal(x->e.kind, TARGET_EVENT_STOP);
	assert_int_equal(x->e.reason, reason);
	assert_int_equal(x->e.thread, thread);
	assert_int_equal(x->e.signo, signo);
}

static inline void expect_none(struct fixture *x)
{
	see(x);
	assert_int_equal(x->e.kind, TARGET_EVENT_NONE);
}

static inline char *libraries(struct fixture *x)
{
	struct buf b = BUF_INIT;

	assert_null(target_libraries(x->t, false, &b));
	return buf_steal(&b);
}

static inline size_t count_libraries(struct fixture *x)
{
	_cleanup_(free) char *text = libraries(x);
	size_t n = 0;

	for (const char *s = text; (s = strstr(s, "<library name=\"/proc/self/exe\"")); s++)
		n++;
	return n;
}

static inline void attach(struct fixture *x)
{
	uint64_t start, slide;
	struct err *e = target_offsets(x->t, &start, &slide);

	if (!e)
		assert_int_equal(slide, x->fake->slide);
	assert_int_equal(!e, x->fake->slide != 0);
	err_ignore(e);
	count_libraries(x);
}

static inline size_t planted(const struct fixture *x, uint64_t offset)
{
	const struct brk *k = breaks_find(&x->m->breaks, TARGET_BREAK_SOFTWARE, at(x, offset), 1);

	return k ? k->wanted : 0;
}
