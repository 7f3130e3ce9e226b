/*
 * Theory of operation. vmlinux says at which distance from the beginning of its image the kernel has its build ID. With
 * KASLR, the image begins on any border of 2 MiB in physical memory; so these are tried, the usual one first, until the
 * build ID is found there. The variable phys_base, at its own distance, then tells the slide:
 *
 *	physical address of X = virtual address of X - 0xffffffff80000000 + phys_base
 *
 * and init_top_pgt is the top of the page tables. Whether all of this belongs together shows when the page tables lead
 * from the virtual address of the image's beginning to the physical one, and, when the kernel has come so far, in what it
 * says about itself in VMCOREINFO. So a copy of vmlinux somewhere in memory, such as a file of the guest's, is not
 * taken for a kernel.
 */
#include "kernel/kernel.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/util.h"
#include "kernel/kernel_private.h"
#include "kernel/vmcoreinfo.h"

enum { PAGE_BYTES = 4096, PGDIR_SHIFT_5 = 48 };

/* Documentation/arch/x86/x86_64/mm.rst; the second one until d52888aa2753. */
const uint64_t kernel_usual_direct_maps[] = { UINT64_C(0xffff888000000000), UINT64_C(0xffff880000000000),
					      UINT64_C(0xff11000000000000) };

const struct layout_question kernel_questions[] = {
#define FACT(id, kind, type, name, if_symbol) { LAYOUT_##kind, type, name, if_symbol },
#include "kernel/facts.def"
#undef FACT
};

uint64_t decode_member(const struct layout_answer *a, uint64_t value)
{
	unsigned int bits = 8 * a->size;

	if (a->bit_size)
		return value >> a->bit_offset & (UINT64_MAX >> (64 - a->bit_size));
	if (a->is_signed && bits && bits < 64 && value >> (bits - 1))
		value |= UINT64_MAX << bits;
	return value;
}

/* How many bytes are to be read. Of a bit field those that it is in: what its type has beyond may be beyond the struct. */
static uint32_t bytes_of(const struct layout_answer *a)
{
	return a->bit_size ? (a->bit_offset + a->bit_size + 7U) / 8U : a->size;
}

bool member_of(const struct kernel *k, const void *copy, size_t size, enum kernel_fact f, uint64_t *ret)
{
	const struct layout_answer *a = &k->facts[f];
	uint32_t bytes = bytes_of(a);
	uint64_t value = 0;

	if (!a->found || bytes > sizeof(value) || a->value > size || bytes > size - a->value)
		return false;
	memcpy(&value, (const uint8_t *)copy + a->value, bytes);
	*ret = decode_member(a, value);
	return true;
}

bool read_member(const struct kernel *k, uint64_t base, enum kernel_fact f, uint64_t *ret)
{
	const struct layout_answer *a = &k->facts[f];
	uint64_t value;

	if (!a->found || !read_number(k, base + a->value, bytes_of(a), &value))
		return false;
	*ret = decode_member(a, value);
	return true;
}

bool read_string(const struct kernel *k, uint64_t address, char *ret, size_t size)
{
	size_t n = 0;

	while (n < size) {
		size_t piece = MIN(size - n, PAGE_BYTES - (size_t)((address + n) % PAGE_BYTES));

		if (!is_kernel_address(address) || !mem_try_read(k->mem, address + n, ret + n, piece))
			return false;
		if (memchr(ret + n, '\0', piece))
			return true;
		n += piece;
	}
	return false;
}

static const char *fact_text(enum kernel_fact f, char *buffer, size_t size)
{
	const struct layout_question *q = &kernel_questions[f];

	snprintf(buffer, size, "%s%s%s", q->type ? q->type : "", q->type && q->name ? "." : "",
		 q->name   ? q->name
		 : q->type ? ""
			   : "its build ID");
	return buffer;
}

struct err *need(const struct kernel *k, const char *what, const enum kernel_fact *facts, size_t n)
{
	char text[128];

	for (size_t i = 0; i < n; i++) {
		if (!k->facts[facts[i]].found)
			return err_create(
				ERR_UNSUPPORTED,
				"can't read %s: vmlinux knows no %s; the kernel was built without it, or is of "
				"a version that is not known",
				what, fact_text(facts[i], text, sizeof(text)));
	}
	return NULL;
}

/* --- Where it lies --- */

/* Of something in the image, as linked. */
static uint64_t phys_of(const struct kernel *k, enum kernel_fact f)
{
	return k->phys + (k->facts[f].value - k->facts[FACT_TEXT].value);
}

static bool has_build_id_at(struct kernel *k, uint64_t phys, const struct kernel_id *id)
{
	uint8_t found[sizeof(id->bytes)];
	struct err *e;

	k->phys = phys;
	e = mem_peek_phys(k->mem, phys_of(k, FACT_BUILD_ID), found, id->size);
	if (e) {
		err_destroy(e);
		return false;
	}
	return memcmp(found, id->bytes, id->size) == 0;
}

static bool read_image_number(const struct kernel *k, enum kernel_fact f, uint64_t *ret)
{
	struct err *e;

	*ret = 0;
	if (!has(k, f) || k->facts[f].size > sizeof(*ret))
		return false;
	e = mem_read_phys(k->mem, phys_of(k, f), ret, k->facts[f].size ? k->facts[f].size : sizeof(*ret));
	err_ignore(e);
	return !e;
}

unsigned int kernel_levels_of(uint64_t pgdir_shift)
{
	return (uint32_t)pgdir_shift == PGDIR_SHIFT_5 ? 5 : 4;
}

/* The slide and the page tables that the image at k->phys has, if they agree with it. */
static bool look_at_image(struct kernel *k)
{
	uint64_t text = k->facts[FACT_TEXT].value, phys_base, shift;
	struct mmu_page page;

	if (!read_image_number(k, FACT_PHYS_BASE, &phys_base))
		return false;
	k->slide = k->phys - (text - IMAGE_MAP) - phys_base;
	if (k->slide >= IMAGE_MAP_SIZE || k->slide % IMAGE_ALIGN)
		return false;
	k->mmu.root = phys_of(k, has(k, FACT_TOP_TABLE) ? FACT_TOP_TABLE : FACT_TOP_TABLE_OLD);
	/* Where it isn't known it reads as 0. */
	(void)read_image_number(k, FACT_PGDIR_SHIFT, &shift);
	k->mmu.levels = kernel_levels_of(shift);
	return mmu_translate(k->mem, &k->mmu, text + k->slide, &page) == MMU_OK && page.phys == k->phys;
}

enum word {
	WORD_NONE, /* it has not come so far as to say it */
	WORD_SAID,
	WORD_BROKEN,
};

/* What the kernel says about itself is appended to ret. */
static enum word read_vmcoreinfo(const struct kernel *k, struct buf *ret)
{
	uint64_t address, size;

	if (!has(k, FACT_VMCOREINFO_DATA) || !has(k, FACT_VMCOREINFO_SIZE) ||
	    !read_number(k, symbol(k, FACT_VMCOREINFO_DATA), 8, &address) ||
	    !read_number(k, symbol(k, FACT_VMCOREINFO_SIZE), 8, &size) || !address || !size)
		return WORD_NONE;
	if (size > LIMIT_VMCOREINFO || !is_kernel_address(address) ||
	    !mem_try_read(k->mem, address, buf_reserve(ret, (size_t)size), (size_t)size))
		return WORD_BROKEN;
	buf_commit(ret, (size_t)size);
	return WORD_SAID;
}

int kernel_check_vmcoreinfo(const struct kernel *k, const char *build_id)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	enum word word = read_vmcoreinfo(k, &text);
	uint64_t offset;
	size_t id_len;
	const char *id;

	if (word != WORD_SAID)
		return word == WORD_NONE ? 0 : -1;
	id = vmcoreinfo_find(buf_str(&text), text.len, "BUILD-ID", &id_len);
	if (id && (id_len != strlen(build_id) || memcmp(id, build_id, id_len) != 0))
		return -1;
	if (!vmcoreinfo_number(buf_str(&text), text.len, "KERNELOFFSET", 16, &offset))
		return 0;
	return offset == k->slide ? 1 : -1;
}

static bool is_kernel(struct kernel *k, uint64_t phys, const struct kernel_id *id, const char *build_id)
{
	int word;

	if (!has_build_id_at(k, phys, id))
		return false;
	k->image = true;
	if (!look_at_image(k)) {
		log_debug("the kernel's image is at 0x%llx, but not running there", (unsigned long long)phys);
		return false;
	}
	mem_set_mmu(k->mem, &k->mmu);
	word = kernel_check_vmcoreinfo(k, build_id);
	if (word < 0) {
		log_debug("VMCOREINFO doesn't agree with the kernel at 0x%llx", (unsigned long long)phys);
		return false;
	}
	k->confirmed = word > 0;
	return true;
}

static size_t parse_build_id(const char *hex, uint8_t *ret, size_t max)
{
	size_t n = strlen(hex) / 2;

	if (n > max)
		return 0;
	for (size_t i = 0; i < n; i++) {
		const char byte[] = { '0', 'x', hex[2 * i], hex[2 * i + 1], '\0' };
		struct err *e;
		uint64_t value;

		e = parse_u64(byte, UINT8_MAX, &value);
		if (e) {
			err_destroy(e);
			return 0;
		}
		ret[i] = (uint8_t)value;
	}
	return n;
}

struct wanted {
	const char *build_id;
	struct kernel_id id;
	bool (*real)(const struct kernel *k, void *user);
	void *user;
};

static bool is_wanted(struct kernel *k, uint64_t phys, const struct wanted *w)
{
	return is_kernel(k, phys, &w->id, w->build_id) && (!w->real || w->real(k, w->user));
}

static bool search(struct kernel *k, const struct wanted *w)
{
	uint64_t usual = k->facts[FACT_TEXT].value - IMAGE_MAP, places;

	if (is_wanted(k, usual, w))
		return true;
	/* One that begins before the end. */
	places = MIN((mem_end(k->mem) + IMAGE_ALIGN - 1) / IMAGE_ALIGN, LIMIT_PLACES);
	for (uint64_t i = 0; i < places; i++) {
		if (i * IMAGE_ALIGN != usual && is_wanted(k, i * IMAGE_ALIGN, w))
			return true;
	}
	return false;
}

static struct err *check_facts(const struct kernel *k)
{
	static const enum kernel_fact facts[] = { FACT_BUILD_ID, FACT_TEXT, FACT_PHYS_BASE };

	TRY(need(k, "the kernel's place", facts, ARRAY_SIZE(facts)));
	if (!has(k, FACT_TOP_TABLE) && !has(k, FACT_TOP_TABLE_OLD))
		return err_create(ERR_UNSUPPORTED, "vmlinux has no init_top_pgt: it is not of x86-64");
	if (k->facts[FACT_TEXT].value < IMAGE_MAP)
		return err_create(ERR_UNSUPPORTED, "vmlinux is not linked for x86-64: _text is at 0x%llx",
				  (unsigned long long)k->facts[FACT_TEXT].value);
	return NULL;
}

struct err *kernel_begin(struct mem *m, const char *build_id, const struct layout_answer *facts, struct kernel **ret,
			 struct kernel_id *ret_id)
{
	_cleanup_(kernel_destroy) struct kernel *k = xcalloc(1, sizeof(*k));

	k->mem = m;
	memcpy(k->facts, facts, sizeof(k->facts));
	TRY(check_facts(k));
	ret_id->size = parse_build_id(build_id, ret_id->bytes, sizeof(ret_id->bytes));
	if (!ret_id->size || ret_id->size != k->facts[FACT_BUILD_ID].size)
		return err_create(ERR_BAD_DATA, "'%s' is not the build ID of a kernel", build_id);
	*ret = steal(&k);
	return NULL;
}

/* *ret_found: whether it is there; *ret is the caller's anyway. */
static struct err *look(struct mem *m, const struct layout_answer *facts, struct wanted *w, struct kernel **ret,
			bool *ret_found)
{
	_cleanup_(kernel_destroy) struct kernel *k = NULL;

	TRY(kernel_begin(m, w->build_id, facts, &k, &w->id));
	*ret_found = search(k, w);
	if (*ret_found)
		log_debug("kernel at 0x%" PRIx64 ", slide 0x%" PRIx64 ", %u levels%s", k->phys, k->slide, k->mmu.levels,
			  k->confirmed ? ", confirmed by VMCOREINFO" : "");
	*ret = steal(&k);
	return NULL;
}

struct err *kernel_open(struct mem *m, const char *build_id, const struct layout_answer *facts, struct kernel **ret)
{
	_cleanup_(kernel_destroy) struct kernel *k = NULL;
	struct wanted w = { .build_id = build_id };
	bool found = false;

	TRY(look(m, facts, &w, &k, &found));
	if (!found)
		return kernel_explain_absence(k, build_id);
	*ret = steal(&k);
	return NULL;
}

struct err *kernel_look(struct mem *m, const char *build_id, const struct layout_answer *facts,
			bool (*real)(const struct kernel *k, void *user), void *user, struct kernel **ret)
{
	_cleanup_(kernel_destroy) struct kernel *k = NULL;
	struct wanted w = { .build_id = build_id, .real = real, .user = user };
	bool found = false;

	TRY(look(m, facts, &w, &k, &found));
	*ret = found ? steal(&k) : NULL;
	return NULL;
}

bool kernel_is_seen_by(const struct kernel *k, const struct mmu *tables)
{
	struct mmu_page page;

	return mmu_translate(k->mem, tables, symbol(k, FACT_TEXT), &page) == MMU_OK && page.phys == k->phys;
}

void kernel_destroy(struct kernel *k)
{
	free(k);
}

uint64_t kernel_slide(const struct kernel *k)
{
	return k->slide;
}

uint64_t kernel_symbol(const struct kernel *k, enum kernel_fact f)
{
	return has(k, f) ? symbol(k, f) : 0;
}

uint64_t kernel_image_base(const struct kernel *k)
{
	return k->facts[FACT_TEXT].value + k->slide - k->phys;
}

static bool is_direct_map(const struct kernel *k, uint64_t base)
{
	struct mmu_page page;

	return mmu_translate(k->mem, &k->mmu, base + k->phys, &page) == MMU_OK && page.phys == k->phys;
}

bool kernel_direct_map(const struct kernel *k, uint64_t *ret)
{
	uint64_t base;

	if (has(k, FACT_PAGE_OFFSET_BASE) && read_number(k, symbol(k, FACT_PAGE_OFFSET_BASE), 8, &base) &&
	    is_kernel_address(base) && is_direct_map(k, base)) {
		*ret = base;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kernel_usual_direct_maps); i++) {
		if (is_direct_map(k, kernel_usual_direct_maps[i])) {
			*ret = kernel_usual_direct_maps[i];
			return true;
		}
	}
	return false;
}

bool kernel_vmcoreinfo(const struct kernel *k, struct buf *ret)
{
	return read_vmcoreinfo(k, ret) == WORD_SAID;
}

uint64_t kernel_phys(const struct kernel *k)
{
	return k->phys;
}

unsigned int kernel_levels(const struct kernel *k)
{
	return k->mmu.levels;
}

bool kernel_is_confirmed(const struct kernel *k)
{
	return k->confirmed;
}
