/*
 * Stops of a machine as the Linux target makes events of them: hooks, modules that come and go, a kernel that appears while
 * it runs, and the wishes of the client's that come in between.
 */
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
	struct fake_machine *m;
	struct target *t;
	struct target_event e;
	char *file; /* that modules come from; NULL: none */
	bool stale, unplaceable;
	unsigned int asked;  /* for a module's file */
	unsigned int placed; /* copies that were made */
};

static struct err *give_facts(void *user, struct layout_answer ret[KERNEL_FACTS_N])
{
	memcpy(ret, ((struct fixture *)user)->fake->facts, KERNEL_FACTS_N * sizeof(*ret));
	return NULL;
}

static struct err *give_file(void *user, const struct module *m, char **ret, bool *ret_stale)
{
	struct fixture *x = user;

	(void)m;
	x->asked++;
	*ret = x->file ? xstrdup(x->file) : NULL;
	*ret_stale = x->stale;
	return NULL;
}

/* The path says how many there were. */
static struct err *give_placed(void *user, const char *path, const uint64_t *addresses, size_t n, char **ret,
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

static int make(void **state, uint64_t slide)
{
	struct fixture *x = xcalloc(1, sizeof(*x));

	x->fake = fake_create(0x200000 + slide, slide);
	fake_symbol(x->fake, FACT_DO_INIT_MODULE, DO_INIT, 0x100);
	fake_symbol(x->fake, FACT_FREE_MODULE, FREE, 0x100);
	x->cpu_mem = fake_mem(x->fake);
	mem_set_mmu(x->cpu_mem, &(struct mmu){ x->fake->phys + FAKE_PGD, 4 });
	x->m = fake_machine_create(x->cpu_mem);
	x->t = linux_target_create(&(struct linux_params){ .mem = fake_mem(x->fake),
							   .build_id = FAKE_BUILD_ID,
							   .vmlinux = "/b/vmlinux",
							   .facts = give_facts,
							   .module_file = give_file,
							   .place_module = give_placed,
							   .user = x },
				   &x->m->target);
	/* An ELF file: this one. */
	x->file = xstrdup("/proc/self/exe");
	*state = x;
	return 0;
}

static int setup(void **state)
{
	return make(state, 0);
}

static int setup_slid(void **state)
{
	return make(state, 0x600000);
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	target_event_deinit(&x->e);
	target_destroy(x->t);
	mem_destroy(x->cpu_mem);
	free(x->file);
	free(x->fake);
	free(x);
	return 0;
}

static uint64_t at(const struct fixture *x, uint64_t offset)
{
	return FAKE_TEXT + x->fake->slide + offset;
}

static void go(struct fixture *x)
{
	assert_null(target_resume(x->t, &(struct target_resume){ 0 }));
}

static void step(struct fixture *x, uint32_t thread, bool others)
{
	assert_null(target_resume(x->t, &(struct target_resume){ .step = thread, .others = others }));
}

/* The next event is x->e. */
static void see(struct fixture *x)
{
	target_event_deinit(&x->e);
	assert_null(target_next_event(x->t, &x->e));
}

static void hit(struct fixture *x, uint32_t thread, uint64_t offset)
{
	fake_machine_add(x->m, thread, TARGET_REASON_BREAKPOINT, SIGNAL_TRAP, at(x, offset));
}

static void assert_not_found(struct err *e)
{
	assert_int_equal(err_code(e), ERR_NOT_FOUND);
	err_destroy(e);
}

static void expect(struct fixture *x, enum target_reason reason, uint32_t thread, unsigned int signo)
{
	see(x);
	assert_int_equal(x->e.kind, TARGET_EVENT_STOP);
	assert_int_equal(x->e.reason, reason);
	assert_int_equal(x->e.thread, thread);
	assert_int_equal(x->e.signo, signo);
}

static void expect_none(struct fixture *x)
{
	see(x);
	assert_int_equal(x->e.kind, TARGET_EVENT_NONE);
}

static char *libraries(struct fixture *x)
{
	struct buf b = BUF_INIT;

	assert_null(target_libraries(x->t, false, &b));
	return buf_steal(&b);
}

static size_t count_libraries(struct fixture *x)
{
	_cleanup_(free) char *text = libraries(x);
	size_t n = 0;

	for (const char *s = text; (s = strstr(s, "<library name=\"/proc/self/exe\"")); s++)
		n++;
	return n;
}

static void attach(struct fixture *x)
{
	uint64_t start, slide;
	struct err *e = target_offsets(x->t, &start, &slide);

	if (!e)
		assert_int_equal(slide, x->fake->slide);
	assert_int_equal(!e, x->fake->slide != 0);
	err_ignore(e);
	count_libraries(x);
}

static size_t planted(const struct fixture *x, uint64_t offset)
{
	const struct brk *k = breaks_find(&x->m->breaks, TARGET_BREAK_SOFTWARE, at(x, offset), 1);

	return k ? k->wanted : 0;
}

/* --- Hooks --- */

static void plants_hooks_when_it_goes_on(void **state)
{
	struct fixture *x = *state;

	attach(x);
	assert_int_equal(x->m->breaks.n, 0);
	go(x);
	assert_int_equal(planted(x, DO_INIT), 1);
	assert_int_equal(planted(x, FREE), 1);
	assert_int_equal(target_timeout_ms(x->t), -1);
}

static void tells_of_modules_that_come_and_go(void **state)
{
	struct fixture *x = *state;
	size_t module;

	attach(x);
	go(x);
	module = fake_module(x->fake, "vfat");
	fake_put32(x->fake, module, 1);
	hit(x, 2, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 2, SIGNAL_TRAP);
	assert_int_equal(count_libraries(x), 1);
	assert_int_equal(x->asked, 1);
	/* The client goes on, past the hook. */
	go(x);
	assert_int_equal(x->m->how.over, 2);
	fake_put32(x->fake, module, 0);
	/* Its exit function runs: it is there yet. */
	fake_put32(x->fake, module, 2);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	assert_int_equal(count_libraries(x), 1);
	go(x);
	assert_int_equal(x->m->how.over, 0);
	x->m->argument[0] = fake_direct(x->fake, module);
	hit(x, 1, FREE);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_int_equal(count_libraries(x), 0);
	go(x);
	assert_int_equal(x->m->how.over, 1);
	assert_int_equal(x->asked, 1);
}

/* Whose list is not changed by it: one that failed early, say. */
static void passes_by_what_is_no_news(void **state)
{
	struct fixture *x = *state;

	attach(x);
	go(x);
	hit(x, 2, DO_INIT);
	expect_none(x);
	assert_true(x->m->runs);
	assert_int_equal(x->m->resumed, 2);
	assert_int_equal(x->m->how.over, 2);
	assert_int_equal(x->m->how.step, 0);
}

static void a_client_without_libraries_is_told_nothing(void **state)
{
	struct fixture *x = *state;

	go(x);
	fake_module(x->fake, "vfat");
	hit(x, 1, DO_INIT);
	expect_none(x);
	assert_int_equal(x->asked, 0);
}

static void a_breakpoint_of_the_client_at_a_hook(void **state)
{
	struct fixture *x = *state;

	attach(x);
	assert_null(target_insert(x->t, TARGET_BREAK_SOFTWARE, at(x, DO_INIT), 1));
	go(x);
	assert_int_equal(planted(x, DO_INIT), 2);
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	/* It is the client's to go past its own. */
	go(x);
	assert_int_equal(x->m->how.over, 0);
	fake_module(x->fake, "vfat");
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	/* What it also was comes next, and nothing has run. */
	go(x);
	assert_false(x->m->runs);
	assert_int_equal(target_timeout_ms(x->t), 0);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	/* Without it the hook is passed. */
	assert_null(target_remove(x->t, TARGET_BREAK_SOFTWARE, at(x, DO_INIT), 1));
	assert_int_equal(planted(x, DO_INIT), 1);
	go(x);
	assert_int_equal(x->m->how.over, 1);
	assert_not_found(target_remove(x->t, TARGET_BREAK_SOFTWARE, at(x, DO_INIT), 1));
}

/* The client has removed its breakpoint between the two events. */
static void what_is_held_back_is_looked_at_again(void **state)
{
	struct fixture *x = *state;

	attach(x);
	assert_null(target_insert(x->t, TARGET_BREAK_SOFTWARE, at(x, DO_INIT), 1));
	go(x);
	fake_module(x->fake, "vfat");
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_null(target_remove(x->t, TARGET_BREAK_SOFTWARE, at(x, DO_INIT), 1));
	go(x);
	assert_true(x->m->runs);
	assert_int_equal(x->m->how.over, 1);
}

static void an_interrupt_at_a_hook_is_not_lost(void **state)
{
	struct fixture *x = *state;

	attach(x);
	go(x);
	hit(x, 2, DO_INIT);
	assert_null(target_interrupt(x->t));
	expect(x, TARGET_REASON_SIGNAL, 2, SIGNAL_INT);
	go(x);
	assert_int_equal(x->m->how.over, 2);
	/* Together with news. */
	fake_module(x->fake, "vfat");
	hit(x, 2, DO_INIT);
	assert_null(target_interrupt(x->t));
	expect(x, TARGET_REASON_LIBRARIES, 2, SIGNAL_TRAP);
	go(x);
	expect(x, TARGET_REASON_SIGNAL, 2, SIGNAL_INT);
	go(x);
	assert_true(x->m->runs);
}

static void an_interrupt_before_news_is_not_lost(void **state)
{
	struct fixture *x = *state;

	attach(x);
	go(x);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	step(x, 1, false);
	fake_module(x->fake, "vfat");
	fake_machine_add(x->m, 1, TARGET_REASON_SIGNAL, SIGNAL_TRAP, at(x, DO_INIT));
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_TRAP);
	go(x);
	assert_null(target_interrupt(x->t));
	assert_int_equal(x->m->interrupted, 0);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	go(x);
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_INT);
	go(x);
	assert_true(x->m->runs);
}

/* GDB doesn't remove what it had in a module that is unloaded. */
static void breakpoints_in_a_freed_module_are_lost(void **state)
{
	struct fixture *x = *state;
	uint64_t inside = fake_direct(x->fake, FAKE_MODULE_AREAS) + 4;
	size_t module = fake_module(x->fake, "vfat");

	/* The module's .text has that of the file, which is empty or larger than a fake one: the area is made larger. */
	fake_put32(x->fake, module + FAKE_MODULE_MEM + 8, 0x7fffffff);
	attach(x);
	assert_null(target_insert(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	assert_null(target_insert(x->t, TARGET_WATCH_WRITE, inside, 4));
	assert_null(target_insert(x->t, TARGET_BREAK_SOFTWARE, at(x, ELSEWHERE), 1));
	go(x);
	assert_false(target_lost(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	fake_put32(x->fake, module, 2);
	x->m->argument[0] = fake_direct(x->fake, module);
	hit(x, 1, FREE);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_null(breaks_find(&x->m->breaks, TARGET_BREAK_SOFTWARE, inside, 1));
	assert_true(target_lost(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	assert_false(target_lost(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	assert_false(target_lost(x->t, TARGET_WATCH_WRITE, inside, 4));
	assert_false(target_lost(x->t, TARGET_BREAK_SOFTWARE, at(x, ELSEWHERE), 1));
	/* And it can be there again. */
	assert_null(target_insert(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	assert_null(target_remove(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
}

/* --- Steps --- */

static void a_step_onto_a_hook_stays_a_step(void **state)
{
	struct fixture *x = *state;

	attach(x);
	go(x);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	step(x, 1, false);
	fake_module(x->fake, "vfat");
	fake_machine_add(x->m, 1, TARGET_REASON_SIGNAL, SIGNAL_TRAP, at(x, DO_INIT));
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_TRAP);
	/* The news comes when the client lets it run. */
	go(x);
	assert_false(x->m->runs);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	go(x);
	assert_int_equal(x->m->how.over, 1);
}

/* Once it goes on from there it is too late to see which one. */
static void a_step_onto_an_unload_tells_of_it_too(void **state)
{
	struct fixture *x = *state;
	size_t module = fake_module(x->fake, "vfat");

	attach(x);
	assert_int_equal(count_libraries(x), 1);
	go(x);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	fake_put32(x->fake, module, 2);
	x->m->argument[0] = fake_direct(x->fake, module);
	step(x, 1, false);
	fake_machine_add(x->m, 1, TARGET_REASON_SIGNAL, SIGNAL_TRAP, at(x, FREE));
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_TRAP);
	x->m->argument[0] = 0;
	go(x);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_int_equal(count_libraries(x), 0);
}

static void a_hook_of_another_cpu_does_not_disturb_a_step(void **state)
{
	struct fixture *x = *state;

	attach(x);
	go(x);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	step(x, 1, true);
	hit(x, 2, DO_INIT);
	expect_none(x);
	assert_int_equal(x->m->how.step, 1);
	assert_int_equal(x->m->how.over, 2);
	/* The step was done when the other one came there. */
	x->m->pc[0] = at(x, ELSEWHERE + 1);
	hit(x, 2, DO_INIT);
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_TRAP);
}

/* --- The kernel's coming --- */

static void wait_for_a_look(void)
{
	usleep(25000);
}

static void plants_hooks_when_the_kernel_appears(void **state)
{
	struct fixture *x = *state;
	uint64_t entry = fake_get64(x->fake, FAKE_PMD + 8), first, slide;

	fake_put64(x->fake, FAKE_PMD + 8, 0);
	assert_not_found(target_offsets(x->t, &first, &slide));
	assert_int_equal(count_libraries(x), 0);
	go(x);
	assert_int_equal(x->m->breaks.n, 0);
	assert_in_range(target_timeout_ms(x->t), 1, 21);
	wait_for_a_look();
	expect_none(x);
	assert_int_equal(x->m->interrupted, 0);
	fake_put64(x->fake, FAKE_PMD + 8, entry);
	usleep(30000);
	expect_none(x);
	assert_int_equal(x->m->interrupted, 1);
	/* The stop that was wanted: nothing to the client. */
	expect_none(x);
	assert_true(x->m->runs);
	assert_int_equal(planted(x, DO_INIT), 1);
	assert_int_equal(x->m->resumed, 2);
	assert_int_equal(target_timeout_ms(x->t), -1);
}

static void the_clients_interrupt_while_hooks_are_planted(void **state)
{
	struct fixture *x = *state;
	uint64_t entry = fake_get64(x->fake, FAKE_PMD + 8);

	fake_put64(x->fake, FAKE_PMD + 8, 0);
	go(x);
	fake_put64(x->fake, FAKE_PMD + 8, entry);
	wait_for_a_look();
	expect_none(x);
	assert_int_equal(x->m->interrupted, 1);
	assert_null(target_interrupt(x->t));
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_INT);
	assert_null(x->e.message);
	assert_false(x->m->runs);
	go(x);
	assert_int_equal(planted(x, DO_INIT), 1);
}

static void a_breakpoint_while_hooks_are_wanted(void **state)
{
	struct fixture *x = *state;
	uint64_t entry = fake_get64(x->fake, FAKE_PMD + 8);

	fake_put64(x->fake, FAKE_PMD + 8, 0);
	go(x);
	fake_put64(x->fake, FAKE_PMD + 8, entry);
	wait_for_a_look();
	hit(x, 2, ELSEWHERE);
	/* It is read before anybody looks. */
	expect(x, TARGET_REASON_BREAKPOINT, 2, SIGNAL_TRAP);
}

static void says_where_it_was_moved_to_once(void **state)
{
	struct fixture *x = *state;
	uint64_t entry = fake_get64(x->fake, FAKE_PMD + 8 * 4), first, slide;

	fake_put64(x->fake, FAKE_PMD + 8 * 4, 0);
	assert_not_found(target_offsets(x->t, &first, &slide));
	go(x);
	fake_put64(x->fake, FAKE_PMD + 8 * 4, entry);
	wait_for_a_look();
	expect_none(x);
	expect(x, TARGET_REASON_SIGNAL, 1, SIGNAL_INT);
	assert_non_null(strstr(x->e.message, "symbol-file -o 0x600000 /b/vmlinux"));
	go(x);
	assert_true(x->m->runs);
	assert_int_equal(planted(x, DO_INIT), 1);
	hit(x, 1, ELSEWHERE);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	assert_null(x->e.message);
}

/* What is in memory after a reset may be what was there before. */
static void a_reset_forgets_all(void **state)
{
	struct fixture *x = *state;

	fake_module(x->fake, "vfat");
	attach(x);
	assert_int_equal(count_libraries(x), 1);
	go(x);
	fake_machine_add(x->m, 1, TARGET_REASON_RESET, SIGNAL_QUIT, 0xfff0);
	x->m->mem = NULL;
	expect(x, TARGET_REASON_RESET, 1, SIGNAL_QUIT);
	assert_int_equal(x->m->breaks.n, 0);
	go(x);
	/* The client has the module yet. */
	assert_false(x->m->runs);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_int_equal(count_libraries(x), 0);
	go(x);
	assert_true(x->m->runs);
	wait_for_a_look();
	expect_none(x);
	/* The CPUs don't see it: it is stopped for a look, and goes on. */
	expect_none(x);
	assert_true(x->m->runs);
	assert_int_equal(x->m->breaks.n, 0);
	x->m->mem = x->cpu_mem;
	usleep(60000);
	expect_none(x);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	go(x);
	assert_int_equal(planted(x, DO_INIT), 1);
}

/* Until it goes on, the CPUs are as they were, and so is memory. */
static void a_reset_to_come_shows_what_was(void **state)
{
	struct fixture *x = *state;
	uint64_t inside = fake_direct(x->fake, FAKE_MODULE_AREAS) + 4;
	size_t module = fake_module(x->fake, "vfat");

	fake_put32(x->fake, module + FAKE_MODULE_MEM + 8, 0x7fffffff);
	attach(x);
	go(x);
	fake_machine_add(x->m, 1, TARGET_REASON_RESET, SIGNAL_QUIT, at(x, ELSEWHERE));
	expect(x, TARGET_REASON_RESET, 1, SIGNAL_QUIT);
	/* A client that has not asked plants its breakpoints, and counts them as removed once it has. */
	assert_null(target_insert(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	x->m->mem = NULL;
	go(x);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_int_equal(count_libraries(x), 0);
	assert_true(target_lost(x->t, TARGET_BREAK_SOFTWARE, inside, 1));
	assert_int_equal(x->m->breaks.n, 0);
}

static void a_reset_leaves_no_modules_to_ask_for(void **state)
{
	struct fixture *x = *state;

	fake_module(x->fake, "vfat");
	attach(x);
	go(x);
	fake_machine_add(x->m, 1, TARGET_REASON_RESET, SIGNAL_QUIT, at(x, ELSEWHERE));
	expect(x, TARGET_REASON_RESET, 1, SIGNAL_QUIT);
	assert_int_equal(count_libraries(x), 0);
	x->m->mem = NULL;
	go(x);
	assert_true(x->m->runs);
	assert_true(target_timeout_ms(x->t) >= 0);
}

/* --- Copies that are placed --- */

static void expect_placed(struct fixture *x, const char *first, const char *second)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	assert_null(target_libraries(x->t, true, &b));
	assert_int_equal(!first, !strstr(buf_str(&b), "<library "));
	if (first)
		assert_non_null(strstr(buf_str(&b), first));
	if (second)
		assert_non_null(strstr(buf_str(&b), second));
	else if (first)
		assert_null(strstr(strstr(buf_str(&b), first) + 1, "<library "));
}

/* LLDB would lose what comes to the place of what goes in the same list, and doesn't heed an empty list. */
static void placed_copies_come_after_others_have_gone(void **state)
{
	struct fixture *x = *state;
	size_t vfat, fat;

	expect_placed(x, NULL, NULL);
	go(x);
	vfat = fake_module(x->fake, "vfat");
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	/* The first one is nowhere. */
	expect_placed(x, "\"/placed/2\"", NULL);
	expect_placed(x, "\"/placed/2\"", NULL);
	go(x);
	x->m->argument[0] = fake_direct(x->fake, vfat);
	fake_put32(x->fake, vfat, 2);
	fat = fake_module(x->fake, "fat");
	hit(x, 1, FREE);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	expect_placed(x, "\"/placed/1\"", NULL);
	expect_placed(x, "\"/placed/3\"", NULL);
	go(x);
	fake_module(x->fake, "msdos");
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	expect_placed(x, "\"/placed/3\"", "\"/placed/4\"");
	go(x);
	x->m->argument[0] = fake_direct(x->fake, fat);
	fake_put32(x->fake, fat, 2);
	hit(x, 1, FREE);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	expect_placed(x, "\"/placed/4\"", NULL);
}

static void what_cant_be_placed_is_reported(void **state)
{
	struct fixture *x = *state;

	expect_placed(x, NULL, NULL);
	go(x);
	fake_module(x->fake, "vfat");
	x->unplaceable = true;
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_non_null(strstr(x->e.message, "module vfat has no symbols here: it can't be placed"));
	expect_placed(x, NULL, NULL);
}

/* --- What can't be known --- */

static void a_stale_file_is_reported_once(void **state)
{
	struct fixture *x = *state;

	attach(x);
	go(x);
	x->stale = true;
	fake_module(x->fake, "vfat");
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_non_null(strstr(x->e.message, "module vfat has no symbols here: /proc/self/exe was built again"));
	assert_int_equal(count_libraries(x), 0);
	go(x);
	free(x->file);
	x->file = NULL;
	fake_module(x->fake, "fat");
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_LIBRARIES, 1, SIGNAL_TRAP);
	assert_non_null(strstr(x->e.message, "module fat has no symbols here: its file was not found"));
	assert_null(strstr(x->e.message, "vfat"));
	go(x);
	hit(x, 1, DO_INIT);
	expect_none(x);
	assert_int_equal(x->asked, 2);
}

static void no_vmlinux_costs_only_what_it_would_have_added(void **state)
{
	struct fixture *x = *state;
	uint64_t first, slide;

	x->fake->facts[FACT_PHYS_BASE].found = false;
	assert_not_found(target_offsets(x->t, &first, &slide));
	assert_int_equal(count_libraries(x), 0);
	go(x);
	assert_int_equal(x->m->breaks.n, 0);
	hit(x, 1, DO_INIT);
	expect(x, TARGET_REASON_BREAKPOINT, 1, SIGNAL_TRAP);
	assert_null(x->e.message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(plants_hooks_when_it_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_of_modules_that_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(passes_by_what_is_no_news, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_without_libraries_is_told_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_breakpoint_of_the_client_at_a_hook, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_held_back_is_looked_at_again, setup, teardown),
		cmocka_unit_test_setup_teardown(an_interrupt_at_a_hook_is_not_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(an_interrupt_before_news_is_not_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(breakpoints_in_a_freed_module_are_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(a_step_onto_a_hook_stays_a_step, setup, teardown),
		cmocka_unit_test_setup_teardown(a_step_onto_an_unload_tells_of_it_too, setup, teardown),
		cmocka_unit_test_setup_teardown(a_hook_of_another_cpu_does_not_disturb_a_step, setup, teardown),
		cmocka_unit_test_setup_teardown(plants_hooks_when_the_kernel_appears, setup, teardown),
		cmocka_unit_test_setup_teardown(the_clients_interrupt_while_hooks_are_planted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_breakpoint_while_hooks_are_wanted, setup, teardown),
		cmocka_unit_test_setup_teardown(says_where_it_was_moved_to_once, setup_slid, teardown),
		cmocka_unit_test_setup_teardown(a_reset_forgets_all, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reset_to_come_shows_what_was, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reset_leaves_no_modules_to_ask_for, setup, teardown),
		cmocka_unit_test_setup_teardown(placed_copies_come_after_others_have_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cant_be_placed_is_reported, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stale_file_is_reported_once, setup, teardown),
		cmocka_unit_test_setup_teardown(no_vmlinux_costs_only_what_it_would_have_added, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
