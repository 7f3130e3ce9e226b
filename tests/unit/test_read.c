/*
 * Values read by debug information: a program that the compiler just made, laid into a fake kernel's memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "base/buildid.h"
#include "kernel/percpu.h"
#include "kernel/shown.h"
#include "tests/unit/read_program.h"

#define SLIDE UINT64_C(0x1000000)

struct setup {
	char *folder, *path;
	struct fake_kernel *fake;
	struct mem *mem;
	struct kernel *kernel;
	struct program *program;
	struct strv notes;
	struct value_context c;
};

static struct setup *make(const char *debug)
{
	struct setup *s = xcalloc(1, sizeof(*s));
	_cleanup_(buf_deinit) struct buf elf = BUF_INIT;
	struct err *e;

	s->folder = make_test_folder();
	s->path = xasprintf("%s/program", s->folder);
	e = read_program_make(s->folder, debug);
	if (!e)
		e = read_module_make(s->folder, debug);
	if (e)
		print_error("%s\n", err_message(e));
	assert_null(e);
	assert_null(read_file(s->path, 1 << 20, &elf));
	s->fake = read_kernel_create(SLIDE);
	read_program_load(s->fake, elf.data, elf.len);
	s->mem = fake_mem(s->fake);
	assert_null(kernel_open(s->mem, FAKE_BUILD_ID, s->fake->facts, &s->kernel));
	assert_null(program_open_uncached(s->path, &s->program));
	s->c = (struct value_context){ s->kernel, s->program, &s->notes };
	return s;
}

static void destroy(struct setup *s)
{
	assert_null(remove_tree(s->folder));
	program_destroy(s->program);
	kernel_destroy(s->kernel);
	mem_destroy(s->mem);
	strv_deinit(&s->notes);
	free(s->fake);
	free(s->path);
	free(s->folder);
	free(s);
}

static struct err *find(struct setup *s, const char *text, const char *type, uint64_t cpu, struct value *ret)
{
	_cleanup_(expr_deinit) struct expr e = { .n = 0 };
	_cleanup_(expr_type_deinit) struct expr_type t = { 0 };

	TRY(expr_parse(text, &e));
	TRY(value_find(&s->c, &e, cpu, ret));
	if (type) {
		TRY(expr_type_parse(type, &t));
		TRY(value_as(&s->c, &e, ret, &t, ret));
	}
	return value_check(&s->c, &e, ret);
}

static char *show(struct setup *s, const char *text, const char *type, unsigned int depth, bool json)
{
	const struct shown_options o = { depth };
	_cleanup_(shown_deinit) struct shown shown = { 0 };
	struct buf b = BUF_INIT;
	struct value v;
	struct err *e = find(s, text, type, 1, &v);
	bool complete;

	if (e) {
		buf_printf(&b, "error: %s", err_message(e));
		err_destroy(e);
		return buf_steal(&b);
	}
	shown_read(&s->c, &v, &o, &shown, &complete);
	if (json) {
		struct json_object *object = shown_json(&shown);

		buf_puts(&b, json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
		json_object_put(object);
	} else {
		shown_format(&shown, &b);
	}
	return buf_steal(&b);
}

/* With SLID for what is added to addresses. */
static void expect(struct setup *s, const char *text, const char *expected)
{
	_cleanup_(free) char *shown = show(s, text, NULL, 4, false);

	assert_string_equal(shown, expected);
}

static void expect_as(struct setup *s, const char *text, const char *type, const char *expected)
{
	_cleanup_(free) char *shown = show(s, text, type, 4, false);

	assert_string_equal(shown, expected);
}

static void expect_error(struct setup *s, const char *text, const char *type, enum err_code code, const char *why)
{
	struct value v;
	_cleanup_(err_destroy) struct err *e = find(s, text, type, 0, &v);

	if (!e || !strstr(err_message(e), why))
		print_error("%s: %s\n", text, e ? err_message(e) : "no error");
	assert_non_null(e);
	assert_int_equal(err_code(e), code);
	assert_non_null(strstr(err_message(e), why));
}

static void expect_like(struct setup *s, const char *text, const char *begin, const char *end)
{
	_cleanup_(free) char *shown = show(s, text, NULL, 4, false);

	if (!skip_prefix(shown, begin) || !has_suffix(shown, end))
		print_error("%s: %s\n", text, shown);
	assert_non_null(skip_prefix(shown, begin));
	assert_true(has_suffix(shown, end));
}

static void shows_scalars(struct setup *s)
{
	expect(s, "thing.number", "(int) -3");
	expect(s, "thing.small", "(signed char) -1");
	expect(s, "thing.low", "(unsigned int) 5");
	expect(s, "thing.high", "(unsigned int) 17");
	expect(s, "thing.sign", "(int) -2");
	expect(s, "thing.in_union", "(long) 131073");
	expect(s, "thing.deep", "(short) 1");
	expect(s, "thing.deeper", "(short) 2");
	expect(s, "thing.color", "(enum color) GREEN");
	expect(s, "plain", "(enum plain) SOME");
	expect(s, "thing.flag", "(_Bool) true");
	expect(s, "thing.count", "(atomic_t) { .counter = (int) 7 }");
	expect(s, "jiffies", "(const volatile unsigned long) 4294937296");
	expect(s, "address", "(long) -2130706432");
	expect(s, "ratio", "(double) <no value>");
	expect(s, "null", "(struct thing *) 0x0");
	expect(s, "thing.nothing", "(void *) 0x0");
	expect(s, "(unsigned char)thing.number", "(unsigned char) 253");
	expect(s, "(_Bool)thing.number", "(_Bool) true");
	expect(s, "thing.name[1]", "(char) 98 'b'");
	expect(s, "thing.grid[1][2]", "(int) 6");
	expect(s, "thing.flexible[1]", "(int) 9");
}

static void shows_pointers(struct setup *s)
{
	expect_like(s, "pointer", "(struct thing *) 0xffffffff8", " <thing>");
	expect_like(s, "&thing.list", "(struct list_head *) 0xffffffff8", ">");
	expect_like(s, "thing.call", "(void (*)(struct thing *, int)) 0xffffffff8", " <function>");
	expect_like(s, "thing.text", "(const char *) 0xffffffff8", " \"te\\\"xt\\n\"");
	expect(s, "pointer->number", "(int) -3");
	expect(s, "pointer.next->next.number", "(int) -3");
	expect(s, "(*pointer).number", "(int) -3");
	expect(s, "*&pointer->number", "(int) -3");
	expect(s, "pointer[0].number", "(int) -3");
	expect(s, "((struct thing *)(unsigned long)pointer)->number", "(int) -3");
	expect_like(s, "thing.list", "(struct list_head) {", "/* empty */");
	expect_like(s, "&thing.grid", "(int (*)[2][3]) 0xffffffff8", ">");
}

static void shows_arrays(struct setup *s)
{
	const char *cc = getenv("CC");

	expect(s, "thing.name", "(char [8]) \"abc\"");
	expect(s, "full", "(char [4]) \"full\"");
	expect(s, "binary", "(char [4]) { 1, 2, 120 'x', 4 }");
	expect(s, "thing.bytes", "(u8 [4]) { 0x01, 0x02, 0xff, 0x00 }");
	expect(s, "thing.grid[1]", "(int [3]) { 4, 5, 6 }");
	expect(s, "thing.grid", "(int [2][3]) {\n    [0] = { 1, 2, 3 },\n    [1] = { 4, 5, 6 },\n}");
	expect(s, "zeros", "(int [1000]) { 0 <repeats 1000 times> }");
	expect(s, "many", "(int [300]) { 1, 0 <repeats 298 times>, 2 }");
	expect(s, "pairs",
	       "(struct {...} [5]) {\n    [0 ... 2] = { .a = (int) 1, .b = (int) 2 },\n"
	       "    [3] = { .a = (int) 3, .b = (int) 4 },\n    [4] = { .a = (int) 0, .b = (int) 0 },\n}");
	expect(s, "thing.flexible", "(int []) { 8, 9 }");
	/* clang doesn't describe what is only declared. */
	if (!cc || !strstr(cc, "clang"))
		expect(s, "by_linker", "(const char []) \"linker\"");
	expect_as(s, "&thing.grid", "int[4]", "(int [4]) { 1, 2, 3, 4 }");
	expect_as(s, "thing.grid", "long", "(long) 8589934593");
	expect_as(s, "pointer", "struct thing *[1]", "(struct thing *[1]) { 0x636261fffffffd }");
}

/* Two megabytes and more, as an address says: what is looked at ends somewhere, and that is said. */
static void arrays_have_bounds(struct setup *s)
{
	const struct shown_options o = { 4 };
	_cleanup_(shown_deinit) struct shown shown = { 0 };
	_cleanup_(free) char *json = show(s, "&zeros", "char *[60000000]", 4, true);
	struct value v;
	bool complete;

	assert_null(find(s, "&zeros", "char *[60000000]", 0, &v));
	shown_read(&s->c, &v, &o, &shown, &complete);
	assert_false(complete);
	assert_true(shown.more > 50000000);
	assert_true(strlen(json) < 4 << 20);
}

static void finds_definitions_elsewhere(struct setup *s)
{
	expect(s, "hidden_thing.secret", "(int) 42");
	expect(s, "((struct hidden *)&hidden_thing)->secret", "(int) 42");
	expect_as(s, "&hidden_thing", "struct hidden", "(struct hidden) { .secret = (int) 42 }");
	expect(s, "'a.c'::twice", "(int) 1");
	expect(s, "'b.c'::twice", "(int) 2");
	assert_int_equal(s->notes.n, 0);
	expect(s, "twice", "(int) 1");
	assert_int_equal(s->notes.n, 1);
	assert_non_null(
		strstr(s->notes.v[0], "2 variables are called twice; this is 'a.c'::twice; others: 'b.c'::twice"));
}

static void shows_per_cpu_variables(struct setup *s)
{
	_cleanup_(expr_deinit) struct expr e = { .n = 0 }, of_one = { .n = 0 };
	bool needs;

	expect(s, "per_cpu[cpu 0]", "(int) 100");
	expect(s, "per_cpu", "(int) 101"); /* of CPU 1, as the caller said */
	expect(s, "counters[cpu 1]", "(int) 101");
	expect_error(s, "per_cpu[cpu 2]", NULL, ERR_NOT_FOUND, "there is no CPU 2");
	expect_error(s, "counters[cpu 9999999]", NULL, ERR_NOT_FOUND, "there is no CPU 9999999");
	expect_error(s, "thing[cpu 1]", NULL, ERR_USAGE, "neither a per-CPU variable");
	assert_null(expr_parse("&per_cpu", &e));
	assert_null(value_needs_cpu(&s->c, &e, &needs));
	assert_true(needs);
	assert_null(expr_parse("per_cpu[cpu 1]", &of_one));
	assert_null(value_needs_cpu(&s->c, &of_one, &needs));
	assert_false(needs);
}

static void finds_variables_of_functions(struct setup *s)
{
	size_t notes = s->notes.n;

	expect(s, "function::calls", "(int) 11");
	expect(s, "entry::calls", "(int) 13");
	expect(s, "'a.c'::entry::calls", "(int) 13");
	expect(s, "in_block", "(int) 12");
	expect(s, "*&function :: in_block", "(int) 12");
	assert_int_equal(s->notes.n, notes);
	expect_like(s, "calls", "(int) 1", "");
	assert_int_equal(s->notes.n, notes + 1);
	assert_non_null(strstr(s->notes.v[notes], "2 variables are called calls; this is 'a.c'::"));
	assert_non_null(strstr(s->notes.v[notes], "'a.c'::function::calls"));
	assert_non_null(strstr(s->notes.v[notes], "'a.c'::entry::calls"));
	expect_error(s, "function::twice", NULL, ERR_NOT_FOUND, "no variable 'function::twice'");
	expect_error(s, "functoin::calls", NULL, ERR_NOT_FOUND, "there is function::calls");
	expect_error(s, "'b.c'::entry::calls", NULL, ERR_NOT_FOUND,
		     "no variable 'entry::calls' in b.c, but in 1 other file");
}

/* --- Modules --- */

enum {
	MODULE_DATA = READ_DATA + 0x9000, /* in the image */
	MODULE_BSS = MODULE_DATA + 0x400,
	MODULE_TEXT = FAKE_SIZE + 0x1000, /* behind it */
	MODULE_PER_CPU = READ_PER_CPU + 0x800,
};

static void add_fake_modules(struct program *p, void *user)
{
	struct setup *s = user;
	_cleanup_(free) char *path = xasprintf("%s/module.ko", s->folder);
	const struct section_place places[] = {
		{ ".text", FAKE_TEXT + SLIDE + MODULE_TEXT },
		{ ".data", FAKE_TEXT + SLIDE + MODULE_DATA },
		{ ".bss", FAKE_TEXT + SLIDE + MODULE_BSS },
	};

	program_add_module(p, &(struct program_module){ .name = "lost" });
	program_add_module(p, &(struct program_module){ .name = "fake",
							.path = path,
							.sections = places,
							.sections_n = ARRAY_SIZE(places),
							.percpu = MODULE_PER_CPU,
							.percpu_size = 0x10 });
}

static size_t place_of(struct setup *s, const char *name)
{
	struct value v;

	assert_null(find(s, name, NULL, 0, &v));
	return (size_t)(v.address - FAKE_TEXT - SLIDE);
}

static void finds_what_modules_have(struct setup *s)
{
	_cleanup_(expr_deinit) struct expr e = { .n = 0 };
	bool needs;

	expect_error(s, "in_module", NULL, ERR_NOT_FOUND, "no variable 'in_module'");
	program_set_modules(s->program, add_fake_modules, s);
	fake_put32(s->fake, place_of(s, "in_module"), 21);
	expect(s, "in_module", "(struct of_module) { .value = (int) 21 }");
	expect(s, "fake::in_module.value", "(int) 21");
	expect(s, "'module.c'::in_module.value", "(int) 21");
	fake_put32(s->fake, place_of(s, "module_calls"), 22);
	expect(s, "module_function::module_calls", "(int) 22");
	/* The kernel's own come first. */
	expect(s, "'a.c'::twice", "(int) 1");
	fake_put32(s->fake, place_of(s, "fake::twice"), 23);
	expect(s, "fake::twice", "(int) 23");
	/* Types of either in the other. */
	fake_put64(s->fake, place_of(s, "foreign"), FAKE_TEXT + SLIDE + place_of(s, "in_module"));
	expect(s, "foreign->value", "(int) 21");
	expect_as(s, "foreign", "struct of_module", "(struct of_module) { .value = (int) 21 }");
	fake_put64(s->fake, place_of(s, "of_kernel"), FAKE_TEXT + SLIDE + place_of(s, "hidden_thing"));
	expect(s, "of_kernel->secret", "(int) 42");
	/* Functions by name. */
	fake_put64(s->fake, place_of(s, "hook"), FAKE_TEXT + SLIDE + MODULE_TEXT);
	expect_like(s, "hook", "(void (*)(void)) 0xffffffff8", " <module_function [fake]>");
	/* Per-CPU variables. */
	for (uint32_t cpu = 0; cpu < 2; cpu++)
		fake_put32(s->fake, FAKE_PER_CPU + cpu * 0x1000 + (MODULE_PER_CPU - READ_PER_CPU), 200 + cpu);
	expect(s, "module_counter[cpu 0]", "(int) 200");
	expect(s, "module_counter", "(int) 201");
	assert_null(expr_parse("module_counter", &e));
	assert_null(value_needs_cpu(&s->c, &e, &needs));
	assert_true(needs);
	/* What isn't there. */
	expect_error(s, "lost::thing", NULL, ERR_NOT_FOUND, "the variables of module lost are not known");
	expect_error(s, "nonesuch_at_all", NULL, ERR_NOT_FOUND, "nothing is known of what is in module lost");
	expect_error(s, "in_modul", NULL, ERR_NOT_FOUND, "there is in_module");
}

static void says_what_is_wrong(struct setup *s)
{
	expect_error(s, "thign", NULL, ERR_NOT_FOUND, "knows no variable 'thign'; there is thing");
	expect_error(s, "function", NULL, ERR_NOT_FOUND, "'function' is a function");
	expect_error(s, "'c.c'::twice", NULL, ERR_NOT_FOUND, "has no variable 'twice' in c.c, but in 2 other files");
	expect_error(s, "thing.nubmer", NULL, ERR_NOT_FOUND,
		     "'thing' is a struct thing, which has no member 'nubmer'; there is number");
	expect_error(s, "pointer->dep", NULL, ERR_NOT_FOUND, "no member 'dep'; there is deep");
	expect_error(s, "thing->number", NULL, ERR_USAGE, "'thing' is a struct thing, and no pointer");
	expect_error(s, "thing.number.x", NULL, ERR_USAGE, "'thing.number' is a int, and has no members");
	expect_error(s, "zeros.x", NULL, ERR_USAGE, "[0] leads to its first element");
	expect_error(s, "zeros[1000]", NULL, ERR_USAGE, "there is no element 1000");
	expect_error(s, "zeros[-1]", NULL, ERR_USAGE, "there is no element -1");
	expect_error(s, "thing[0]", NULL, ERR_USAGE, "neither an array nor a pointer");
	expect_error(s, "*thing.nothing", NULL, ERR_USAGE, "has no value; cast it");
	expect_error(s, "null->number", NULL, ERR_FAULT, "'null' is NULL");
	expect_error(s, "pointer->next->hidden->secret", NULL, ERR_FAULT, "'pointer->next->hidden' is NULL");
	expect_error(s, "wild->number", NULL, ERR_FAULT, "'wild->number' is at 0xffff900000000000");
	expect_error(s, "wild->next->number", NULL, ERR_FAULT, "read 'wild->next' at 0xffff9000000000");
	expect_error(s, "&thing.low", NULL, ERR_USAGE, "a bit field");
	expect_error(s, "&&thing", NULL, ERR_USAGE, "no address");
	expect_error(s, "0x1000.x", NULL, ERR_USAGE, "by a cast");
	expect_error(s, "(struct thing)pointer", NULL, ERR_USAGE, "nothing can be cast to struct thing");
	expect_error(s, "(long)thing", NULL, ERR_USAGE, "can't be cast");
	expect_error(s, "(struct nonesuch *)pointer", NULL, ERR_NOT_FOUND, "no struct 'nonesuch'");
	expect_error(s, "pointer", "thing", ERR_NOT_FOUND, "there is a struct of that name");
	expect_error(s, "thing", "int", ERR_USAGE, "no address at which --type says what is");
	expect_error(s, "null", "int", ERR_FAULT, "'null' is NULL");
	expect_error(s, "0xffff900000000000", "int", ERR_FAULT, "not mapped");
}

static void depth_and_json(struct setup *s)
{
	_cleanup_(free) char *flat = show(s, "pairs[1]", NULL, 1, false), *cut = show(s, "thing", NULL, 1, false),
			     *json = show(s, "thing", NULL, 4, true), *array = show(s, "zeros", NULL, 4, true);
	struct json_object *object = json_tokener_parse(json);

	assert_string_equal(flat, "(struct {...}) { .a = (int) 1, .b = (int) 2 }");
	assert_non_null(strstr(cut, "    .list = (struct list_head) { ... },\n"));
	assert_non_null(object);
	assert_string_equal(json_object_get_string(json_object_object_get(object, "name")), "abc");
	assert_int_equal(json_object_get_int64(json_object_object_get(object, "number")), -3);
	assert_string_equal(json_object_get_string(json_object_object_get(object, "color")), "GREEN");
	assert_true(json_object_get_boolean(json_object_object_get(object, "flag")));
	assert_int_equal(json_object_get_int64(json_object_object_get(object, "deeper")), 2);
	assert_non_null(skip_prefix(json_object_get_string(json_object_object_get(object, "next")), "0xffffffff8"));
	assert_string_equal(json_object_get_string(json_object_object_get(object, "nothing")), "0x0");
	json_object_put(object);
	object = json_tokener_parse(array);
	assert_int_equal(json_object_array_length(object), 1000);
	json_object_put(object);
}

static void everything_of(const char *debug)
{
	struct setup *s = make(debug);

	shows_scalars(s);
	shows_pointers(s);
	shows_arrays(s);
	arrays_have_bounds(s);
	finds_definitions_elsewhere(s);
	shows_per_cpu_variables(s);
	says_what_is_wrong(s);
	depth_and_json(s);
	finds_variables_of_functions(s);
	finds_what_modules_have(s);
	destroy(s);
}

static void dwarf_5(void **state)
{
	(void)state;
	everything_of("-gdwarf-5");
}

static void dwarf_4(void **state)
{
	(void)state;
	everything_of("-gdwarf-4");
}

/* A name in what is kept becomes another one, and nothing else is amiss. */
static void damage(const char *path)
{
	_cleanup_(buf_deinit) struct buf bytes = BUF_INIT;
	char *text;

	assert_null(read_file(path, 1 << 20, &bytes));
	text = memmem(bytes.data, bytes.len, "\0thing\0", 7);
	assert_non_null(text);
	text[1] = 'T';
	assert_null(write_file_atomic(path, bytes.data, bytes.len, 0600));
}

static void names_are_kept(void **state)
{
	_cleanup_(free) char *folder = make_test_folder(), *path = xasprintf("%s/program", folder), *id = NULL;
	_cleanup_(free) char *kept = NULL;
	_cleanup_(names_destroy) struct names *built = NULL, *loaded = NULL, *again = NULL, *mended = NULL;
	_cleanup_(program_destroy) struct program *p = NULL;
	_cleanup_(buf_deinit) struct buf bytes = BUF_INIT;
	_cleanup_(free) char *note = NULL;
	struct program_variable found;
	struct name_entry a, b;

	(void)state;
	setenv("XDG_CACHE_HOME", folder, 1);
	assert_null(read_program_make(folder, "-g"));
	assert_null(build_id_read(path, &id));
	assert_null(names_load(id, path, &built));
	kept = xasprintf("%s/ktb/layout/%s.names", folder, id);
	assert_true(file_exists(kept));
	assert_null(names_load(id, path, &loaded));
	assert_int_equal(names_find(loaded, "thing", NAME_VARIABLE, &a, 1), 1);
	assert_int_equal(names_find(built, "thing", NAME_VARIABLE, &b, 1), 1);
	assert_true(a.die == b.die && a.address == b.address && a.global);
	assert_int_equal(names_find(loaded, "thing", NAME_STRUCT, &a, 1), 1);
	assert_int_equal(names_find(loaded, "twice", NAME_VARIABLE, &a, 1), 2);
	assert_false(a.global);
	assert_int_equal(names_find(loaded, "nonesuch", ~0U, &a, 1), 0);
	/* One that was cut is made again, as is one that has something else in it somewhere. */
	assert_int_equal(truncate(kept, 300), 0);
	assert_null(names_load(id, path, &again));
	assert_int_equal(names_find(again, "thing", NAME_VARIABLE, &a, 1), 1);
	damage(kept);
	assert_null(program_open(path, id, &p));
	assert_null(program_variable(p, &(struct program_name){ .name = "thing" }, &found, &note));
	assert_int_equal(found.address, b.address);
	assert_null(read_file(kept, 1 << 20, &bytes));
	assert_null(names_parse(&bytes, id, &mended));
	assert_null(remove_tree(folder));
}

static void damaged_names_do_no_harm(void **state)
{
	_cleanup_(free) char *folder = make_test_folder(), *path = xasprintf("%s/program", folder);
	_cleanup_(names_destroy) struct names *n = NULL;
	_cleanup_(buf_deinit) struct buf whole = BUF_INIT;

	(void)state;
	assert_null(read_program_make(folder, "-g"));
	assert_null(names_build(path, &n));
	names_format(n, "abc", &whole);
	for (size_t i = 0; i < whole.len; i += i < 200 ? 1 : 7) {
		struct buf cut = BUF_INIT, changed = BUF_INIT;
		struct names *bad = NULL;
		struct name_entry entry;

		buf_append(&cut, whole.data, i);
		err_ignore(names_parse(&cut, "abc", &bad));
		assert_null(bad);
		buf_append(&changed, whole.data, whole.len);
		changed.data[i] ^= 0x55;
		err_ignore(names_parse(&changed, "abc", &bad));
		assert_null(bad);
		/* Whoever does it on purpose gets wrong answers, and no more. */
		names_seal(&changed);
		err_ignore(names_parse(&changed, "abc", &bad));
		if (bad)
			names_find(bad, "thing", ~0U, &entry, 1);
		names_destroy(bad);
		buf_deinit(&cut);
		buf_deinit(&changed);
	}
	assert_null(remove_tree(folder));
}

static void a_program_without_debug_information(void **state)
{
	_cleanup_(free) char *folder = make_test_folder(), *path = xasprintf("%s/program", folder);
	_cleanup_(names_destroy) struct names *n = NULL;
	_cleanup_(program_destroy) struct program *p = NULL;
	_cleanup_(err_destroy) struct err *none = NULL, *other = NULL;

	(void)state;
	assert_null(read_program_make(folder, "-g0"));
	none = names_build(path, &n);
	assert_int_equal(err_code(none), ERR_BAD_DATA);
	other = program_open(path, "0123456789abcdef", &p);
	assert_int_equal(err_code(other), ERR_BAD_DATA);
	assert_non_null(strstr(err_message(other), "0123456789abcdef"));
	assert_null(remove_tree(folder));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dwarf_5),
		cmocka_unit_test(dwarf_4),
		cmocka_unit_test(names_are_kept),
		cmocka_unit_test(damaged_names_do_no_harm),
		cmocka_unit_test(a_program_without_debug_information),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
