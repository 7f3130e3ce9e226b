/*
 * Fuzzes modules as libraries: the list of modules in a kernel's memory is damaged, and a debugger asks for it, plants breakpoints
 * where the sections are said to be, and goes on. Input: the path of the modules' file, its end, and pieces of what
 * fake_damage() takes. The first half of them is there from the beginning, the others come while the machine runs.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "target/linux.h"
#include "tests/unit/fake_kernel.h"
#include "tests/unit/fake_machine.h"

enum { PIECES_MAX = 32, PATH_MAX_LEN = 60, MODULES = 4, DO_INIT = 0x400, FREE = 0x500, ROUNDS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct fake_kernel *fake;
	const char *path;
	unsigned int asked;
};

static struct fake_kernel *make_image(void)
{
	struct fake_kernel *f = fake_create(0x400000, 0x200000);

	fake_symbol(f, FACT_DO_INIT_MODULE, DO_INIT, 0x100);
	fake_symbol(f, FACT_FREE_MODULE, FREE, 0x100);
	for (int i = 0; i < MODULES; i++)
		fake_module(f, "module");
	return f;
}

static struct err *facts(void *user, struct layout_answer ret[KERNEL_FACTS_N])
{
	memcpy(ret, ((struct world *)user)->fake->facts, KERNEL_FACTS_N * sizeof(*ret));
	return NULL;
}

/* One that is there under a hostile name, the same one with an error, a stale one, or none. */
static struct err *find_file(void *user, const struct module *m, char **ret, bool *ret_stale)
{
	struct world *w = user;

	(void)m;
	switch (w->asked++ % 6) {
	case 3:
		return err_create(ERR_BAD_DATA, "%s", w->path);
	case 4:
		*ret = xstrdup(w->path);
		*ret_stale = true;
		return NULL;
	case 5:
		return NULL;
	default:
		*ret = xstrdup(w->asked & 1 ? "/proc/self/exe" : w->path);
		return NULL;
	}
}

/* What a parser of XML would stumble over. Each address is tried for a breakpoint. */
static void check_list(struct target *t, const char *text)
{
	size_t libraries = 0, ends = 0;

	for (const char *c = text; *c; c++) {
		const char *known[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#" };
		bool is_known = *c != '&';

		if ((unsigned char)*c < 0x20 && *c != '\n' && *c != '\t' && *c != '\r')
			abort();
		for (size_t i = 0; i < ARRAY_SIZE(known) && !is_known; i++)
			is_known = strncmp(c, known[i], strlen(known[i])) == 0;
		if (!is_known)
			abort();
		libraries += strncmp(c, "<library ", 9) == 0;
		ends += strncmp(c, "</library>", 10) == 0;
		if (strncmp(c, "address=\"0x", 11) == 0)
			err_ignore(target_insert(t, TARGET_BREAK_SOFTWARE, strtoull(c + 11, NULL, 16), 1));
	}
	if (libraries != ends || strncmp(text, "<library-list>", 14) != 0 || !strstr(text, "</library-list>"))
		abort();
}

static void ask(struct target *t)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	if (target_libraries(t, false, &text))
		abort();
	check_list(t, buf_str(&text));
}

/* Until it runs. Were there always something more to tell of, a client would never come to go on. */
static void go_on(struct target *t, const struct fake_machine *m)
{
	const struct target_resume on = { 0 };

	for (int i = 0; i < ROUNDS; i++) {
		struct target_event e = TARGET_EVENT_INIT;

		if (target_resume(t, &on))
			abort();
		if (m->runs)
			return;
		if (target_next_event(t, &e) || e.kind != TARGET_EVENT_STOP)
			abort();
		if (e.reason == TARGET_REASON_LIBRARIES)
			ask(t);
		target_event_deinit(&e);
	}
	abort();
}

static void hit(struct target *t, struct fake_machine *m, uint64_t pc)
{
	struct target_event e = TARGET_EVENT_INIT;

	fake_machine_add(m, 1, TARGET_REASON_BREAKPOINT, 5, pc);
	if (target_next_event(t, &e))
		abort();
	if (e.kind == TARGET_EVENT_STOP && e.reason == TARGET_REASON_LIBRARIES)
		ask(t);
	target_event_deinit(&e);
	if (!m->runs)
		go_on(t, m);
}

static void run(struct world *w, const uint8_t *pieces, size_t n)
{
	struct mem *mem = fake_mem(w->fake);
	struct fake_machine *m = fake_machine_create(mem);
	struct target *t = linux_target_create(&(struct linux_params){ .mem = fake_mem(w->fake),
								       .build_id = FAKE_BUILD_ID,
								       .facts = facts,
								       .module_file = find_file,
								       .user = w },
					       &m->target);

	mem_set_mmu(mem, &(struct mmu){ w->fake->phys + FAKE_PGD, 4 });
	for (size_t i = 0; i < n / 2; i++)
		fake_damage(w->fake, pieces + i * FAKE_DAMAGE);
	ask(t);
	go_on(t, m);
	for (size_t i = n / 2; i < n; i++)
		fake_damage(w->fake, pieces + i * FAKE_DAMAGE);
	hit(t, m, FAKE_TEXT + w->fake->slide + DO_INIT);
	m->argument[0] = fake_direct(w->fake, FAKE_MODULES + FAKE_MODULE_SIZE);
	hit(t, m, FAKE_TEXT + w->fake->slide + FREE);
	target_destroy(t);
	mem_destroy(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fake_kernel *whole;
	_cleanup_(free) struct fake_kernel *f = xmalloc(sizeof(*f));
	const uint8_t *end = size ? memchr(data, '\n', MIN(size, (size_t)PATH_MAX_LEN)) : NULL;
	_cleanup_(free) char *path = end ? xstrndup((const char *)data, (size_t)(end - data)) : xstrdup("/a<&\">'b");
	const uint8_t *pieces = end ? end + 1 : data;
	struct world w = { .fake = f, .path = path };

	log_level = LOG_LEVEL_QUIET;
	if (!whole)
		whole = make_image();
	memcpy(f, whole, sizeof(*f));
	run(&w, pieces, MIN((size - (size_t)(pieces - data)) / FAKE_DAMAGE, (size_t)PIECES_MAX));
	return 0;
}
