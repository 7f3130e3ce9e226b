/*
 * Core files, by libkdumpfile. It is loaded when a core is opened: it brings four compression libraries and the C++
 * library along, and most commands open none.
 *
 * A core doesn't change, so pages that were read are kept: a few, found by their number. libkdumpfile has a cache too, but
 * behind a lock and an interface made for more than this.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libkdumpfile/kdumpfile.h>

#include "base/util.h"
#include "mem/flattened.h"
#include "mem/mem_private.h"
#include "mem/notes.h"

enum { PAGE_BYTES = 4096, PAGES_KEPT = 1024, NOTES_MAX = 16 << 20 };

/* Physical addresses of x86 have 52 bits at most. */
#define END_MAX (UINT64_C(1) << 52)

struct libkdumpfile {
	__typeof__(kdump_new) *new;
	__typeof__(kdump_free) *free;
	__typeof__(kdump_open_fdset) *open_fdset;
	__typeof__(kdump_get_err) *get_err;
	__typeof__(kdump_get_attr) *get_attr;
	__typeof__(kdump_set_attr) *set_attr;
	__typeof__(kdump_read) *read;
	__typeof__(kdump_vmcoreinfo_raw) *vmcoreinfo_raw;
	__typeof__(kdump_bmp_find_set) *bmp_find_set;
	__typeof__(kdump_bmp_find_clear) *bmp_find_clear;
};

struct page {
	uint64_t number; /* plus one; 0: nothing here */
	bool there;
	uint8_t data[PAGE_BYTES];
};

struct core {
	struct libkdumpfile lib;
	kdump_ctx_t *ctx;
	int fd;
	uint64_t end;
	char *vmcoreinfo;
	uint8_t *notes; /* those that libkdumpfile doesn't read; NULL: none */
	size_t notes_size;
	struct page *pages;
};

static struct err *load(struct libkdumpfile *lib)
{
	void *library = dlopen(KTB_LIBKDUMPFILE, RTLD_NOW | RTLD_LOCAL);
	const struct {
		const char *name;
		void *ret;
	} functions[] = {
		{ "kdump_new", &lib->new },
		{ "kdump_free", &lib->free },
		{ "kdump_open_fdset", &lib->open_fdset },
		{ "kdump_get_err", &lib->get_err },
		{ "kdump_get_attr", &lib->get_attr },
		{ "kdump_set_attr", &lib->set_attr },
		{ "kdump_read", &lib->read },
		{ "kdump_vmcoreinfo_raw", &lib->vmcoreinfo_raw },
		{ "kdump_bmp_find_set", &lib->bmp_find_set },
		{ "kdump_bmp_find_clear", &lib->bmp_find_clear },
	};

	if (!library)
		return err_create(ERR_PREREQ, "core files are read by libkdumpfile, which can't be loaded: %s",
				  dlerror());
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		void *symbol = dlsym(library, functions[i].name);

		if (!symbol)
			return err_create(ERR_PREREQ, "%s has no function %s", KTB_LIBKDUMPFILE, functions[i].name);
		*(void **)functions[i].ret = symbol;
	}
	return NULL;
}

/* One that doesn't say what it is may be of the right kind: then the kernel will be found in it, or not. */
static struct err *check_is_x86_64(const struct core *c, const char *path)
{
	kdump_attr_t attr = { .type = KDUMP_STRING };

	if (c->lib.get_attr(c->ctx, KDUMP_ATTR_ARCH_NAME, &attr) != KDUMP_OK || attr.type != KDUMP_STRING ||
	    streq(attr.val.string, "x86_64"))
		return NULL;
	return err_create(ERR_UNSUPPORTED, "%s is of a machine of type %s; only x86_64 is known", path,
			  attr.val.string);
}

static uint64_t find_end(const struct core *c)
{
	kdump_attr_t attr = { .type = KDUMP_NUMBER };

	if (c->lib.get_attr(c->ctx, "max_pfn", &attr) != KDUMP_OK || attr.type != KDUMP_NUMBER ||
	    attr.val.number > END_MAX / PAGE_BYTES)
		return END_MAX;
	return attr.val.number * PAGE_BYTES;
}

/* libkdumpfile 0.5.1 doesn't know the flattened form. */
static struct err *open_file(const char *path, int *ret)
{
	_cleanup_(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char start[FLATTENED_PIECE];
	ssize_t n;

	if (fd < 0)
		return err_os(errno, "open %s", path);
	n = pread(fd, start, sizeof(start), 0);
	if (n > 0 && flattened_is(start, (size_t)n))
		return flattened_rearrange(fd, path, ret);
	*ret = steal_fd(&fd);
	return NULL;
}

/* libkdumpfile 0.5.1 looks for more than there is behind the first bytes of a kdump file that was cut off in its header. */
static struct err *check_is_whole(int fd, const char *path)
{
	static const char *const signatures[] = { "KDUMP   ", "DISKDUMP" };
	char start[PAGE_BYTES];
	ssize_t n = pread(fd, start, sizeof(start), 0);

	for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
		size_t len = strlen(signatures[i]);

		if (n >= (ssize_t)len && n < (ssize_t)sizeof(start) && memcmp(start, signatures[i], len) == 0)
			return err_create(ERR_BAD_DATA, "%s is no core file that can be read: it was cut off", path);
	}
	return NULL;
}

/* A file that lies about them has none. */
static void read_notes(struct core *c)
{
	uint8_t head[NOTES_HEAD];
	uint64_t offset, size;
	ssize_t n = pread(c->fd, head, sizeof(head), 0);

	if (n < 0 || !notes_place(head, (size_t)n, &offset, &size) || size > NOTES_MAX || offset > INT64_MAX)
		return;
	c->notes = xmalloc(size);
	n = pread(c->fd, c->notes, size, (off_t)offset);
	c->notes_size = n > 0 ? (size_t)n : 0;
}

/*
 * A file that ends before what its headers speak of, or that is cut while it is read, is then one that can't be read; behind the
 * end of what is mapped waits SIGBUS.
 */
static struct err *forbid_mapping(const struct core *c, const char *path)
{
	const kdump_attr_t never = { .type = KDUMP_NUMBER, .val.number = KDUMP_MMAP_NEVER };

	if (c->lib.set_attr(c->ctx, KDUMP_ATTR_FILE_MMAP_POLICY, &never) != KDUMP_OK)
		return err_create(ERR_PREREQ, "have libkdumpfile read %s without mapping it: %s", path,
				  c->lib.get_err(c->ctx));
	return NULL;
}

struct err *core_open(const char *path, struct core **ret)
{
	_cleanup_(core_destroy) struct core *c = xcalloc(1, sizeof(*c));
	kdump_status status;

	c->fd = -1;
	TRY(open_file(path, &c->fd));
	TRY(check_is_whole(c->fd, path));
	TRY(load(&c->lib));
	c->ctx = c->lib.new();
	if (!c->ctx)
		return err_create(ERR_OS, "start libkdumpfile for %s", path);
	TRY(forbid_mapping(c, path));
	status = c->lib.open_fdset(c->ctx, 1, &c->fd);
	if (status != KDUMP_OK)
		return err_create(ERR_BAD_DATA, "%s is no core file that can be read (%s)", path,
				  c->lib.get_err(c->ctx));
	TRY(check_is_x86_64(c, path));
	c->end = find_end(c);
	read_notes(c);
	c->pages = xcalloc(PAGES_KEPT, sizeof(*c->pages));
	*ret = steal(&c);
	return NULL;
}

void core_destroy(struct core *c)
{
	if (!c)
		return;
	if (c->ctx)
		c->lib.free(c->ctx);
	closep(&c->fd);
	free(c->vmcoreinfo);
	free(c->notes);
	free(c->pages);
	free(c);
}

static const struct page *get_page(struct core *c, uint64_t number)
{
	struct page *p = &c->pages[number % PAGES_KEPT];
	size_t n = PAGE_BYTES;

	if (p->number == number + 1)
		return p;
	p->number = number + 1;
	p->there = c->lib.read(c->ctx, KDUMP_MACHPHYSADDR, number * PAGE_BYTES, p->data, &n) == KDUMP_OK &&
		   n == PAGE_BYTES;
	return p;
}

bool core_read(struct core *c, uint64_t address, void *ret, size_t len)
{
	uint8_t *to = ret;

	while (len) {
		const struct page *p;
		size_t offset = address % PAGE_BYTES, n = MIN(len, PAGE_BYTES - offset);

		if (address >= c->end)
			return false;
		p = get_page(c, address / PAGE_BYTES);
		if (!p->there)
			return false;
		memcpy(to, p->data + offset, n);
		to += n;
		address += n;
		len -= n;
	}
	return true;
}

uint64_t core_end(const struct core *c)
{
	return c->end;
}

/* libkdumpfile looks for it only in a core of which it knows that it is Linux's. */
const char *core_vmcoreinfo(struct core *c)
{
	const kdump_attr_t linux_type = { .type = KDUMP_STRING, .val.string = "linux" };

	if (c->vmcoreinfo)
		return c->vmcoreinfo;
	/* Whether it can also translate addresses is of no interest here. */
	c->lib.set_attr(c->ctx, KDUMP_ATTR_OSTYPE, &linux_type);
	if (c->lib.vmcoreinfo_raw(c->ctx, &c->vmcoreinfo) != KDUMP_OK)
		c->vmcoreinfo = NULL;
	return c->vmcoreinfo;
}

static bool read_register(const struct core *c, uint32_t cpu, const char *name, uint64_t *ret)
{
	kdump_attr_t attr = { .type = KDUMP_NUMBER };
	char key[64];

	snprintf(key, sizeof(key), "cpu.%u.reg.%s", cpu, name);
	if (c->lib.get_attr(c->ctx, key, &attr) != KDUMP_OK || attr.type != KDUMP_NUMBER)
		return false;
	*ret = attr.val.number;
	return true;
}

bool core_registers(struct core *c, uint32_t cpu, struct cpu_registers *ret)
{
	static const char *const names[REGISTERS_N] = {
		[REGISTER_RAX] = "rax", [REGISTER_RDX] = "rdx", [REGISTER_RCX] = "rcx", [REGISTER_RBX] = "rbx",
		[REGISTER_RSI] = "rsi", [REGISTER_RDI] = "rdi", [REGISTER_RBP] = "rbp", [REGISTER_RSP] = "rsp",
		[REGISTER_R8] = "r8",   [REGISTER_R9] = "r9",   [REGISTER_R10] = "r10", [REGISTER_R11] = "r11",
		[REGISTER_R12] = "r12", [REGISTER_R13] = "r13", [REGISTER_R14] = "r14", [REGISTER_R15] = "r15",
		[REGISTER_RIP] = "rip",
	};
	struct cpu_registers r = { 0 };
	uint64_t value;

	if (!read_register(c, cpu, "cs", &r.cs))
		return c->notes && notes_registers(c->notes, c->notes_size, cpu, ret);
	for (size_t i = 0; i < REGISTERS_N; i++) {
		if (read_register(c, cpu, names[i], &value))
			register_set(&r.r, (enum register_number)i, value);
	}
	*ret = r;
	return true;
}

int core_fd(const struct core *c)
{
	return c->fd;
}

const uint8_t *core_notes(const struct core *c, size_t *ret_size)
{
	*ret_size = c->notes_size;
	return c->notes;
}

bool core_next_pages(const struct core *c, uint64_t *start, uint64_t *end)
{
	kdump_attr_t attr = { .type = KDUMP_BITMAP };
	kdump_addr_t first = *start, last;

	if (c->lib.get_attr(c->ctx, KDUMP_ATTR_FILE_PAGEMAP, &attr) != KDUMP_OK || attr.type != KDUMP_BITMAP ||
	    c->lib.bmp_find_set(attr.val.bitmap, &first) != KDUMP_OK)
		return false;
	last = first;
	if (c->lib.bmp_find_clear(attr.val.bitmap, &last) != KDUMP_OK)
		last = c->end / PAGE_BYTES;
	*start = first;
	*end = last;
	return first < last;
}
