#include "kernel/module.h"

#include "kernel/kernel_private.h"

enum { POINTER = 8, NOTE_BUILD_ID = 3 };

/* Elf64_Nhdr of the gABI, with the name that the build ID's has. */
struct note {
	uint32_t name_size, size, type;
	char name[4];
};

static void module_deinit(struct module *m)
{
	strv_deinit(&m->users);
	for (size_t i = 0; i < m->sections_n; i++)
		free((char *)m->sections[i].name);
	free(m->sections);
}

void module_list_deinit(struct module_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		module_deinit(&l->modules[i]);
	free(l->modules);
	*l = (struct module_list)MODULE_LIST_INIT;
}

/* Documentation/admin-guide/tainted-kernels.rst of the kernel: from bit 0 on. */
void module_taint_letters(uint64_t taints, char ret[MODULE_TAINTS_MAX + 1])
{
	static const char letters[] = "PFSRMBUDAWCIOELKXTNJ";
	size_t n = 0;

	for (unsigned int bit = 0; bit < MODULE_TAINTS_MAX; bit++) {
		if (taints >> bit & 1)
			ret[n++] = '?';
		if (taints >> bit & 1 && bit < sizeof(letters) - 1)
			ret[n - 1] = letters[bit];
	}
	ret[n] = '\0';
}

struct walk {
	const struct kernel *k;
	struct module_list list;
	size_t cap, max;
	uint64_t steps; /* that may still be taken: modules, users and sections */
};

static bool step(struct walk *w)
{
	if (!w->steps)
		return false;
	w->steps--;
	return true;
}

/* --- What a module says of itself --- */

static bool read_name(const struct kernel *k, uint64_t module, char ret[MODULE_NAME_MAX + 1])
{
	const struct layout_answer *a = &k->facts[FACT_MODULE_NAME];

	return read_string(k, module + a->value, ret, MIN(a->size, (uint32_t)MODULE_NAME_MAX + 1)) && *ret;
}

/* False: it is none yet. */
static bool read_state(const struct kernel *k, struct module *m)
{
	static const enum kernel_fact facts[] = {
		[MODULE_STATE_LIVE] = FACT_MODULE_STATE_LIVE,
		[MODULE_STATE_COMING] = FACT_MODULE_STATE_COMING,
		[MODULE_STATE_GOING] = FACT_MODULE_STATE_GOING,
	};
	uint64_t state;

	m->state = MODULE_STATE_UNKNOWN;
	if (!read_member(k, m->address, FACT_MODULE_STATE, &state))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		if (has(k, facts[i]) && k->facts[facts[i]].value == state)
			m->state = (enum module_state)i;
	}
	return !has(k, FACT_MODULE_STATE_UNFORMED) || k->facts[FACT_MODULE_STATE_UNFORMED].value != state;
}

static void add_area(const struct kernel *k, struct module *m, uint64_t at, enum kernel_fact base,
		     enum kernel_fact size)
{
	struct module_area *area = &m->areas[m->areas_n];

	if (!read_pointer(k, at, base, &area->start) || !read_member(k, at, size, &area->size) || !area->size ||
	    area->size > UINT32_MAX || area->size > UINT64_MAX - area->start)
		return;
	m->areas_n++;
	m->size += area->size;
}

/* Since ac3b43283923 an array, by what is in them; before, what stays and what is for initialization. */
static void read_areas(const struct kernel *k, struct module *m)
{
	const struct layout_answer *areas = &k->facts[FACT_MODULE_MEM];

	if (!areas->found) {
		add_area(k, m, m->address, FACT_MODULE_CORE_BASE, FACT_MODULE_CORE_SIZE);
		add_area(k, m, m->address, FACT_MODULE_INIT_BASE, FACT_MODULE_INIT_SIZE);
		return;
	}
	for (uint32_t i = 0; i < MIN(areas->count, (uint32_t)MODULE_AREAS_MAX); i++)
		add_area(k, m, m->address + (uint64_t)i * (areas->size / areas->count), FACT_MODULE_MEM_BASE,
			 FACT_MODULE_MEM_SIZE);
}

static void read_numbers(const struct kernel *k, struct module *m)
{
	uint64_t references, init, leave;

	if (read_member(k, m->address, FACT_MODULE_REFERENCES, &references)) {
		/* The module's own existence is one. */
		m->uses = (int64_t)(int32_t)references - 1;
		m->known |= MODULE_KNOWS_USES;
	}
	if (read_member(k, m->address, FACT_MODULE_TAINTS, &m->taints))
		m->known |= MODULE_KNOWS_TAINTS;
	if (read_member(k, m->address, FACT_MODULE_INIT, &init) && read_member(k, m->address, FACT_MODULE_EXIT, &leave))
		m->permanent = init && !leave;
	if (!read_member(k, m->address, FACT_MODULE_PERCPU, &m->percpu) ||
	    !read_member(k, m->address, FACT_MODULE_PERCPU_SIZE, &m->percpu_size))
		m->percpu_size = 0;
}

/* --- Who uses it --- */

static bool add_users(struct walk *w, struct module *m)
{
	const struct kernel *k = w->k;
	uint64_t head = m->address + offset_of(k, FACT_MODULE_SOURCE_LIST), at, from;
	struct links links;

	if (!has(k, FACT_MODULE_SOURCE_LIST) || !has(k, FACT_MODULE_USE_SOURCE_LIST) || !read_links(k, head, &links))
		return false;
	for (at = links.next, from = head; at != head; from = at, at = links.next) {
		char name[MODULE_NAME_MAX + 1];
		uint64_t user;

		if (!step(w) || !is_kernel_address(at) || !read_links(k, at, &links) || links.prev != from ||
		    !read_pointer(k, at - offset_of(k, FACT_MODULE_USE_SOURCE_LIST), FACT_MODULE_USE_SOURCE, &user) ||
		    !read_name(k, user, name))
			return false;
		strv_add(&m->users, name);
	}
	return true;
}

static void read_users(struct walk *w, struct module *m)
{
	if (add_users(w, m))
		m->known |= MODULE_KNOWS_USERS;
	else
		strv_deinit(&m->users);
}

/* --- Its sections --- */

/*
 * What /sys/module/NAME/sections is made of: pointers to attributes, ended by NULL. Each is, or later kernels, is itself, an
 * element of an array; where its members are is known for the array's first one.
 */
static bool read_section(const struct kernel *k, uint64_t attribute, struct section_place *ret)
{
	enum kernel_fact name_fact = has(k, FACT_SECTION_NAME) ? FACT_SECTION_NAME : FACT_SECTION_NAME_BARE,
			 address_fact = has(k, FACT_SECTION_ADDRESS) ? FACT_SECTION_ADDRESS : FACT_SECTION_PRIVATE;
	/* As if it were the first element. */
	uint64_t base = attribute - (has(k, FACT_SECTION_ATTRIBUTE) ? offset_of(k, FACT_SECTION_ATTRIBUTE)
								    : offset_of(k, FACT_SECTIONS));
	char name[LIMIT_SECTION_NAME];
	uint64_t text;

	if (!read_pointer(k, base, name_fact, &text) || !read_member(k, base, address_fact, &ret->address) ||
	    !read_string(k, text, name, sizeof(name)))
		return false;
	ret->name = xstrdup(name);
	return true;
}

static bool add_sections(struct walk *w, struct module *m)
{
	const struct kernel *k = w->k;
	uint64_t attributes, list, attribute;
	size_t cap = 0;

	if (!has(k, FACT_SECTIONS) || !read_pointer(k, m->address, FACT_MODULE_SECTIONS, &attributes) ||
	    !read_pointer(k, attributes, FACT_SECTION_LIST, &list))
		return false;
	for (;;) {
		if (!read_number(k, list + m->sections_n * POINTER, POINTER, &attribute))
			return false;
		if (!attribute)
			return true;
		if (m->sections_n == cap) {
			cap = cap ? 2 * cap : 32;
			m->sections = xreallocarray(m->sections, cap, sizeof(*m->sections));
		}
		if (!step(w) || m->sections_n == LIMIT_SECTIONS || !is_kernel_address(attribute) ||
		    !read_section(k, attribute, &m->sections[m->sections_n]))
			return false;
		m->sections_n++;
	}
}

static void read_sections(struct walk *w, struct module *m)
{
	if (add_sections(w, m)) {
		m->known |= MODULE_KNOWS_SECTIONS;
		return;
	}
	for (size_t i = 0; i < m->sections_n; i++)
		free((char *)m->sections[i].name);
	m->sections_n = 0;
}

/* --- Which file it came from --- */

static void take_build_id(struct module *m, const uint8_t *id, size_t size)
{
	for (size_t i = 0; i < size; i++)
		snprintf(m->build_id + 2 * i, 3, "%02x", id[i]);
}

/* The kernel's own copy; without CONFIG_STACKTRACE_BUILD_ID there is only the note. */
static bool read_kept_build_id(const struct kernel *k, struct module *m)
{
	const struct layout_answer *a = &k->facts[FACT_MODULE_BUILD_ID];
	static const uint8_t none[MODULE_BUILD_ID_MAX];
	uint8_t id[MODULE_BUILD_ID_MAX];

	if (!a->found || !a->size || a->size > sizeof(id) ||
	    !mem_try_read(k->mem, m->address + a->value, id, a->size) || memcmp(id, none, a->size) == 0)
		return false;
	take_build_id(m, id, a->size);
	return true;
}

static void read_build_id(const struct kernel *k, struct module *m)
{
	uint8_t id[MODULE_BUILD_ID_MAX];
	struct note note;

	if (read_kept_build_id(k, m))
		return;
	for (size_t i = 0; i < m->sections_n; i++) {
		uint64_t at = m->sections[i].address;

		if (!streq(m->sections[i].name, ".note.gnu.build-id") || !is_kernel_address(at) ||
		    !mem_try_read(k->mem, at, &note, sizeof(note)) || note.type != NOTE_BUILD_ID ||
		    note.name_size != sizeof(note.name) || memcmp(note.name, "GNU", sizeof(note.name)) != 0 ||
		    note.size > sizeof(id) || !mem_try_read(k->mem, at + sizeof(note), id, note.size))
			continue;
		take_build_id(m, id, note.size);
	}
}

/* --- The list --- */

/* False: there are more than there can be. */
static bool add(struct walk *w, struct module *m)
{
	struct module_list *l = &w->list;

	if (l->n >= w->max)
		return false;
	if (l->n == w->cap) {
		w->cap = MIN(w->cap ? 2 * w->cap : 32, w->max);
		l->modules = xreallocarray(l->modules, w->cap, sizeof(*l->modules));
	}
	l->modules[l->n++] = *m;
	return true;
}

/*
 * The module whose links are at `node`, reached from `from`. False if the list was torn there. *ret_formed is false if it is
 * none yet; otherwise it is the caller's to free.
 */
static bool read_node(struct walk *w, uint64_t node, uint64_t from, struct links *ret_links, struct module *ret,
		      bool *ret_formed)
{
	const struct kernel *k = w->k;
	struct links again;

	*ret = (struct module){ .address = node - offset_of(k, FACT_MODULE_LIST) };
	if (!is_kernel_address(node) || !read_links(k, node, ret_links) || ret_links->prev != from ||
	    !read_name(k, ret->address, ret->name))
		return false;
	*ret_formed = read_state(k, ret);
	if (*ret_formed) {
		read_areas(k, ret);
		read_numbers(k, ret);
		read_users(w, ret);
		read_sections(w, ret);
		read_build_id(k, ret);
	}
	return read_links(k, node, &again) && again.prev == from;
}

/* Once through the list. False if it was torn; what was found up to there stays in w. */
static bool walk(struct walk *w)
{
	uint64_t head = symbol(w->k, FACT_MODULES), at, from;
	struct links links;

	module_list_deinit(&w->list);
	w->cap = 0;
	if (!read_links(w->k, head, &links))
		return false;
	for (at = links.next, from = head; at != head; from = at, at = links.next) {
		struct module m;
		bool formed = false;

		if (!step(w))
			return false;
		if (!read_node(w, at, from, &links, &m, &formed) || (formed && !add(w, &m))) {
			module_deinit(&m);
			return false;
		}
	}
	return read_links(w->k, head, &links) && links.prev == from;
}

static struct err *check_facts(const struct kernel *k)
{
	static const enum kernel_fact facts[] = { FACT_MODULES, FACT_MODULE, FACT_MODULE_LIST, FACT_MODULE_NAME };
	struct links links;

	TRY(need(k, "modules", facts, ARRAY_SIZE(facts)));
	if (!k->facts[FACT_MODULE].size)
		return err_create(ERR_UNSUPPORTED, "can't read modules: vmlinux says that struct module has no size");
	if (!read_links(k, symbol(k, FACT_MODULES), &links))
		return err_create(ERR_FAULT, "the list of modules (at 0x%llx) can't be read: the memory is damaged",
				  (unsigned long long)symbol(k, FACT_MODULES));
	return NULL;
}

struct err *module_list_read(const struct kernel *k, struct module_list *ret)
{
	struct walk w = { .k = k, .list = MODULE_LIST_INIT };

	TRY(check_facts(k));
	w.max = (size_t)MIN(mem_size(k->mem) / k->facts[FACT_MODULE].size, (uint64_t)LIMIT_MODULES);
	w.steps = MIN(mem_size(k->mem) / POINTER, (uint64_t)LIMIT_MODULE_STEPS);
	for (unsigned int i = 0; i < LIMIT_TRIES && !w.list.complete; i++)
		w.list.complete = walk(&w);
	*ret = w.list;
	return NULL;
}

const struct module *module_at(const struct module_list *l, uint64_t address)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct module *m = &l->modules[i];

		for (size_t j = 0; j < m->areas_n; j++) {
			if (address - m->areas[j].start < m->areas[j].size)
				return m;
		}
	}
	return NULL;
}
