/*
 * Theory of operation. The list changes where the kernel is about to run a module's init function, and where it is about to free
 * one: these are hooks, and the list is read again there, and only there, as long as both are planted. At the latter place
 * the module is still in the kernel's list; it is left out by its address.
 *
 * GDB remembers a library by its name, and reads anew only what was away in between. So a module keeps the addresses that it
 * had when it came, even of sections that are freed once its init function is done, until another module is put there: then
 * it is away for one event, and back with the next one, its freed sections elsewhere. It is away too when it is freed. Each time GDB counts
 * its breakpoints there as removed, without a packet; so they are (target_lost()).
 */
#include "target/linux_modules_private.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/util.h"
#include "debuginfo/alloc_sections.h"
#include "debuginfo/symbols.h"
#include "target/linux_hooks.h"

enum { XML_MAX = 8 << 20 };

static const char empty_list[] = "<library-list></library-list>";

struct linux_modules *linux_modules_create(void)
{
	struct linux_modules *m = xcalloc(1, sizeof(*m));

	m->hole = LINUX_HOLE;
	return m;
}

static void known_deinit(struct known *k)
{
	free(k->path);
	free(k->places);
	free(k->xml);
	alloc_sections_deinit(&k->sections);
}

static void clear(struct linux_modules *m)
{
	for (size_t i = 0; i < m->n; i++)
		known_deinit(&m->v[i]);
	free(m->v);
	m->v = NULL;
	m->n = 0;
	m->fresh = false;
	buf_clear(&m->xml);
}

void linux_modules_destroy(struct linux_modules *m)
{
	clear(m);
	buf_deinit(&m->xml);
	buf_deinit(&m->notes);
	free(m->told);
	free(m->has);
	free(m->nowhere);
	free(m);
}

void linux_modules_stopped(struct linux_target *l)
{
	if (!linux_hook_is_planted(l, linux_module_comes) || !linux_hook_is_planted(l, linux_module_goes))
		l->modules->fresh = false;
}

void linux_modules_note(struct linux_modules *m, const char *format, ...)
{
	_cleanup_(free) char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = xvasprintf(format, ap);
	va_end(ap);
	buf_printf(&m->notes, "%s%s", m->notes.len ? "\n" : "", text);
}

/* --- One module --- */

static char *section_xml(struct linux_target *l, const struct known *k, const struct module *m)
{
	struct buf xml = BUF_INIT;

	linux_library_xml(k->path, k->sections.v, k->places, k->sections.n, m, &l->modules->hole, &xml);
	return buf_steal(&xml);
}

static void make_xml(struct linux_target *l, struct known *k, const struct module *m)
{
	linux_module_places(k->sections.v, k->sections.n, m, k->places);
	free(k->xml);
	k->xml = l->modules->placed ? linux_placed_element(l, k, m) : section_xml(l, k, m);
}

/* Its file and its element, or a note why there are none. */
static void find_file(struct linux_target *l, struct known *k, const struct module *m)
{
	_cleanup_(free) char *path = NULL;
	bool stale = false;
	struct err *e = l->params.module_file ? l->params.module_file(l->params.user, m, &path, &stale) : NULL;

	if (!e && path && !stale)
		e = alloc_sections_read(path, &k->sections);
	if (e)
		linux_modules_note(l->modules, "module %s has no symbols here: %s", m->name, err_message(e));
	else if (!path)
		linux_modules_note(
			l->modules,
			"module %s has no symbols here: its file was not found; name the folder that it is in by "
			"gdb.modules in ktb.conf, or start the VM with --gdb-modules",
			m->name);
	else if (stale)
		linux_modules_note(
			l->modules,
			"module %s has no symbols here: %s was built again since it was loaded; unload it and load it "
			"again",
			m->name, path);
	else
		k->path = steal(&path);
	err_ignore(e);
	if (!k->path)
		return;
	k->places = xcalloc(k->sections.n + 1, sizeof(*k->places));
	make_xml(l, k, m);
}

static bool is_same(const struct known *k, const struct module *m)
{
	return k->address == m->address && k->text == (m->areas_n ? m->areas[0].start : 0) &&
	       streq(k->build_id, m->build_id);
}

static struct known *learn(struct linux_target *l, const struct module *m)
{
	struct linux_modules *s = l->modules;
	struct known *k;

	for (size_t i = 0; i < s->n; i++) {
		if (is_same(&s->v[i], m))
			return &s->v[i];
	}
	s->v = xreallocarray(s->v, s->n + 1, sizeof(*s->v));
	k = &s->v[s->n++];
	*k = (struct known){ .address = m->address, .text = m->areas_n ? m->areas[0].start : 0 };
	snprintf(k->build_id, sizeof(k->build_id), "%s", m->build_id);
	snprintf(k->name, sizeof(k->name), "%s", m->name);
	find_file(l, k, m);
	return k;
}

/* The client's breakpoints in it are counted as removed. */
static void lose_breakpoints(struct linux_target *l, const struct known *k)
{
	for (size_t i = 0; k->places && i < k->sections.n; i++)
		linux_client_loses(l, k->places[i].start, k->places[i].size);
}

/* --- The list --- */

/* Whether it is being freed. One that isn't going (any more) is another one at the same place. */
static bool is_going(struct linux_modules *s, const struct module *m)
{
	for (size_t i = 0; i < GOING_MAX; i++) {
		if (s->going[i] != m->address)
			continue;
		if (m->state == MODULE_STATE_GOING)
			return true;
		s->going[i] = 0;
	}
	return false;
}

static bool is_listed(struct linux_target *l, const struct module *m)
{
	if (is_going(l->modules, m))
		return false;
	/* One that comes may have no sections yet: it is seen again when it has. */
	if (!(m->known & MODULE_KNOWS_SECTIONS) && m->state == MODULE_STATE_LIVE && !l->modules->no_sections) {
		l->modules->no_sections = true;
		linux_modules_note(l->modules, "modules have no symbols here: where their sections are can't be read; "
					       "that takes a kernel with "
					       "CONFIG_KALLSYMS and CONFIG_SYSFS");
	}
	return m->known & MODULE_KNOWS_SECTIONS;
}

/* The client is told. */
static void drop_unseen(struct linux_target *l)
{
	struct linux_modules *s = l->modules;
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].seen) {
			s->v[n++] = s->v[i];
			continue;
		}
		lose_breakpoints(l, &s->v[i]);
		known_deinit(&s->v[i]);
	}
	s->n = n;
}

/* The client has them until it is told, and plants breakpoints there: so they are kept until then. */
void linux_modules_forget(struct linux_target *l)
{
	struct linux_modules *s = l->modules;

	for (size_t i = 0; i < s->n; i++) {
		s->v[i].address = 0;
		s->v[i].seen = false;
	}
	memset(s->going, 0, sizeof(s->going));
	s->fresh = s->again = false;
	buf_clear(&s->xml);
}

/* Whether something that it had, and has no more, is where another module is now. */
static bool is_overlaid(const struct known *k, const struct module *m, const struct module_list *modules)
{
	for (size_t i = 0; i < k->sections.n; i++) {
		const struct module_area *p = &k->places[i];

		if (!p->size || linux_has_area(m, p->start, p->size))
			continue;
		for (size_t j = 0; j < modules->n; j++) {
			const struct module *other = &modules->modules[j];

			for (size_t a = 0; other != m && a < other->areas_n; a++) {
				if (other->areas[a].start - p->start < p->size ||
				    p->start - other->areas[a].start < other->areas[a].size)
					return true;
			}
		}
	}
	return false;
}

static void add_to_list(struct linux_target *l, const struct module *m, const struct module_list *modules)
{
	struct linux_modules *s = l->modules;
	struct known *k = learn(l, m);
	bool is_away = false;

	if (k->xml && !k->seen && is_overlaid(k, m, modules)) {
		lose_breakpoints(l, k);
		make_xml(l, k, m);
		/* A copy that is placed has another name each time. */
		is_away = !s->placed;
	}
	if (k->xml && !k->seen && !is_away)
		buf_puts(&s->xml, k->xml);
	s->again |= is_away;
	k->seen = true;
}

static void list(struct linux_target *l, const struct module_list *modules)
{
	struct linux_modules *s = l->modules;

	for (size_t i = 0; i < s->n; i++)
		s->v[i].seen = false;
	s->again = false;
	buf_clear(&s->xml);
	buf_puts(&s->xml, "<library-list>");
	for (size_t i = 0; i < modules->n && s->xml.len < XML_MAX; i++) {
		if (is_listed(l, &modules->modules[i]))
			add_to_list(l, &modules->modules[i], modules);
	}
	buf_puts(&s->xml, "</library-list>");
	drop_unseen(l);
}

/* Reads the list, if it may have changed. One that is torn, since a CPU stands in the midst of changing it, is read again later. */
static void refresh(struct linux_target *l)
{
	_cleanup_(module_list_deinit) struct module_list modules = MODULE_LIST_INIT;
	struct linux_modules *s = l->modules;
	struct err *e;

	if (s->fresh || !l->kernel)
		return;
	e = module_list_read(l->kernel, &modules);
	/* A kernel without modules has none. */
	s->fresh = e || modules.complete;
	if (e)
		log_debug("%s", err_message(e));
	if (!e && (modules.complete || !s->xml.len))
		list(l, &modules);
	err_ignore(e);
}

static const char *current(const struct linux_modules *s)
{
	return s->xml.len ? buf_str(&s->xml) : empty_list;
}

bool linux_modules_news(struct linux_target *l, struct target_event *ret)
{
	struct linux_modules *s = l->modules;
	bool differs;

	if (!s->listens)
		return false;
	s->fresh &= !s->again;
	refresh(l);
	differs = !streq(current(s), s->told ? s->told : empty_list);
	if (!differs && !s->notes.len)
		return false;
	drop_unseen(l);
	if (differs) {
		free(s->told);
		s->told = xstrdup(current(s));
	}
	ret->reason = TARGET_REASON_LIBRARIES;
	if (s->notes.len) {
		free(ret->message);
		ret->message = buf_steal(&s->notes);
	}
	return true;
}

struct err *linux_libraries(struct target *t, bool placed, struct buf *ret)
{
	struct linux_target *l = linux_target(t);
	struct linux_modules *s = l->modules;

	if (s->placed != placed)
		clear(s);
	s->placed = placed;
	/* That some are away was told, and it asks for that. */
	if (!s->again || !s->told || !streq(s->told, current(s))) {
		linux_kernel(l);
		refresh(l);
	}
	drop_unseen(l);
	s->listens = true;
	free(s->told);
	s->told = xstrdup(current(s));
	if (placed)
		linux_put_placed(s, ret);
	else
		buf_puts(ret, s->told);
	return NULL;
}

/* --- Symbols --- */

static bool has_place(const struct known *k, uint64_t address)
{
	for (size_t i = 0; k->path && i < k->sections.n; i++) {
		if (address - k->places[i].start < k->places[i].size)
			return true;
	}
	return false;
}

static bool open_symbols(const struct known *k, struct symbols **ret)
{
	_cleanup_(free) struct section_place *places = xcalloc(k->sections.n, sizeof(*places));
	size_t n = 0;
	struct err *e;
	bool good;

	for (size_t i = 0; i < k->sections.n; i++) {
		if (k->places[i].size)
			places[n++] = (struct section_place){ k->sections.v[i].name, k->places[i].start };
	}
	e = symbols_open_module(k->path, places, n, ret);
	good = !e;
	err_ignore(e);
	return good;
}

bool linux_module_symbols(struct linux_target *l, uint64_t address, struct symbols **ret, const char **ret_name)
{
	for (size_t i = 0; i < l->modules->n; i++) {
		const struct known *k = &l->modules->v[i];

		if (has_place(k, address)) {
			*ret_name = k->name;
			return open_symbols(k, ret);
		}
	}
	return false;
}

/* --- Hooks --- */

void linux_module_is_coming(struct linux_target *l, uint32_t thread)
{
	(void)thread;
	l->modules->fresh = false;
}

bool linux_module_comes(struct linux_target *l, struct target_event *event)
{
	linux_module_is_coming(l, event->thread);
	return linux_modules_news(l, event);
}

void linux_module_is_going(struct linux_target *l, uint32_t thread)
{
	uint64_t address;
	struct err *e = linux_argument(l, thread, 0, &address);

	if (!e) {
		l->modules->going[l->modules->going_next] = address;
		l->modules->going_next = (l->modules->going_next + 1) % GOING_MAX;
	}
	err_ignore(e);
	l->modules->fresh = false;
}

bool linux_module_goes(struct linux_target *l, struct target_event *event)
{
	linux_module_is_going(l, event->thread);
	return linux_modules_news(l, event);
}
