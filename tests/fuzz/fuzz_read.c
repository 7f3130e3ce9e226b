/*
 * Fuzzes ktb read below its parser: a program with damaged debug information, laid into a kernel's memory with damaged
 * pointers. Input: an expression, a newline, and an ELF file.
 */
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernel/shown.h"
#include "tests/unit/read_program.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUTPUT_MAX = 64 << 20 };

static void show(const struct value_context *c, const struct value *v)
{
	const struct shown_options o = { 6 };
	_cleanup_(shown_deinit) struct shown shown = { 0 };
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	bool complete;

	shown_read(c, v, &o, &shown, &complete);
	shown_format(&shown, &text);
	if (text.len > OUTPUT_MAX)
		abort();
	json_object_put(shown_json(&shown));
}

static struct err *read_all(const struct kernel *k, const char *path, const char *text)
{
	_cleanup_(program_destroy) struct program *p = NULL;
	_cleanup_(expr_deinit) struct expr e = { .n = 0 };
	struct expr_type type = { .tag = 's', .name = (char[]){ "thing" } };
	struct value_context c = { .kernel = k };
	struct value v, as;
	struct err *error;

	TRY(expr_parse(text, &e));
	TRY(program_open_uncached(path, &p));
	c.program = p;
	TRY(value_find(&c, &e, 1, &v));
	error = value_as(&c, &e, &v, &type, &as);
	if (!error)
		show(&c, &as);
	err_ignore(error);
	if (!v.untyped)
		show(&c, &v);
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
	_cleanup_(free) char *text = NULL, *path = NULL;
	_cleanup_(free) struct fake_kernel *f = NULL;
	_cleanup_(mem_destroy) struct mem *m = NULL;
	_cleanup_(kernel_destroy) struct kernel *k = NULL;
	_cleanup_(close) int fd = -1;
	const uint8_t *elf;

	if (!newline)
		return 0;
	elf = newline + 1;
	size -= (size_t)(elf - data);
	text = xstrndup((const char *)data, (size_t)(newline - data));
	fd = memfd_create("elf", MFD_CLOEXEC);
	path = xasprintf("/proc/self/fd/%d", fd);
	if (fd < 0 || write(fd, elf, size) != (ssize_t)size)
		abort();
	f = read_kernel_create(0x200000);
	read_program_load(f, elf, size);
	m = fake_mem(f);
	if (kernel_open(m, FAKE_BUILD_ID, f->facts, &k))
		abort();
	err_ignore(read_all(k, path, text));
	return 0;
}
