/*
 * Theory of operation. Of a kernel at the other end of a serial line only virtual memory can be read, and each look takes some
 * milliseconds. Its image is mapped at its address as linked, or any multiple of 2 MiB above that, within 1 GiB. Where a CPU is in
 * the image's code leaves a few of these, as many as the image is long; where none is (in a module, or in what BPF compiled),
 * there are 512, most of which aren't mapped, which is a short answer. The build ID decides.
 *
 * The variable phys_base then tells where the image is in physical memory, and page_offset_base where that is mapped: both together
 * lead to the build ID once more. So page tables can be walked, too, and what is a task's own is found.
 */
#include <inttypes.h>

#include "base/log.h"
#include "base/util.h"
#include "kernel/kernel_private.h"

enum { PLACES = IMAGE_MAP_SIZE / IMAGE_ALIGN };

struct place_search {
	struct kernel *k;
	struct kernel_id id;
	bool tried[PLACES];
};

static bool has_id_at(const struct kernel *k, const struct kernel_id *id, uint64_t address)
{
	uint8_t found[sizeof(id->bytes)];

	return mem_try_read(k->mem, address, found, id->size) && memcmp(found, id->bytes, id->size) == 0;
}

/* place: in steps from where it is linked to. */
static bool try_place(struct place_search *s, uint64_t place)
{
	if (place >= PLACES || s->tried[place])
		return false;
	s->tried[place] = true;
	s->k->slide = place * IMAGE_ALIGN;
	return has_id_at(s->k, &s->id, symbol(s->k, FACT_BUILD_ID));
}

static bool try_code(struct place_search *s, uint64_t pc)
{
	uint64_t text = s->k->facts[FACT_TEXT].value;
	uint64_t size = has(s->k, FACT_IMAGE_END) ? s->k->facts[FACT_IMAGE_END].value - text : IMAGE_MAP_SIZE;

	if (pc < text || pc - text >= IMAGE_MAP_SIZE)
		return false;
	/* From where it would be at the very beginning of the image, down. */
	for (uint64_t place = 0; place <= (pc - text) / IMAGE_ALIGN; place++) {
		if (pc - text - place * IMAGE_ALIGN < size && try_place(s, place))
			return true;
	}
	return false;
}

static bool search(struct place_search *s, const uint64_t *pcs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (try_code(s, pcs[i]))
			return true;
	}
	for (uint64_t place = 0; place < PLACES; place++) {
		if (try_place(s, place))
			return true;
	}
	return false;
}

/* Whether all of physical memory is mapped there; the build ID is. */
static bool is_direct_map(const struct kernel *k, const struct kernel_id *id, uint64_t base)
{
	uint64_t at = base + k->phys + (k->facts[FACT_BUILD_ID].value - k->facts[FACT_TEXT].value);

	return is_kernel_address(base) && has_id_at(k, id, at);
}

static void find_direct_map(struct kernel *k, const struct kernel_id *id)
{
	uint64_t base;

	if (has(k, FACT_PAGE_OFFSET_BASE) && read_number(k, symbol(k, FACT_PAGE_OFFSET_BASE), 8, &base) &&
	    is_direct_map(k, id, base)) {
		mem_set_direct_map(k->mem, base);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(kernel_usual_direct_maps); i++) {
		if (!is_direct_map(k, id, kernel_usual_direct_maps[i]))
			continue;
		mem_set_direct_map(k->mem, kernel_usual_direct_maps[i]);
		return;
	}
}

/* What else there is to know of one that is there. */
static void look_around(struct kernel *k, const struct kernel_id *id, const char *build_id)
{
	enum kernel_fact top = has(k, FACT_TOP_TABLE) ? FACT_TOP_TABLE : FACT_TOP_TABLE_OLD;
	uint64_t phys_base, shift = 0;

	k->image = true;
	k->confirmed = kernel_check_vmcoreinfo(k, build_id) > 0;
	if (!read_number(k, symbol(k, FACT_PHYS_BASE), 8, &phys_base))
		return;
	k->phys = symbol(k, FACT_TEXT) - IMAGE_MAP + phys_base;
	k->mmu.root = k->phys + (k->facts[top].value - k->facts[FACT_TEXT].value);
	if (has(k, FACT_PGDIR_SHIFT) && !read_number(k, symbol(k, FACT_PGDIR_SHIFT), 4, &shift))
		return;
	k->mmu.levels = kernel_levels_of(shift);
	find_direct_map(k, id);
	mem_set_mmu(k->mem, &k->mmu);
	log_debug("kernel at 0x%" PRIx64 ", slide 0x%" PRIx64 ", %u levels%s", k->phys, k->slide, k->mmu.levels,
		  k->confirmed ? ", confirmed by VMCOREINFO" : "");
}

struct err *kernel_open_distant(struct mem *m, const char *build_id, const struct layout_answer *facts,
				const uint64_t *pcs, size_t n, struct kernel **ret)
{
	_cleanup_(kernel_destroy) struct kernel *k = NULL;
	struct place_search s = { .k = NULL };

	TRY(kernel_begin(m, build_id, facts, &k, &s.id));
	s.k = k;
	if (!search(&s, pcs, n))
		return err_create(ERR_NOT_FOUND, "the kernel with the build ID %s is not there", build_id);
	look_around(k, &s.id, build_id);
	*ret = steal(&k);
	return NULL;
}

struct err *kernel_open_at(struct mem *m, const char *build_id, const struct layout_answer *facts, uint64_t slide,
			   struct kernel **ret)
{
	_cleanup_(kernel_destroy) struct kernel *k = NULL;
	struct kernel_id id;

	TRY(kernel_begin(m, build_id, facts, &k, &id));
	k->slide = slide;
	if (!has_id_at(k, &id, symbol(k, FACT_BUILD_ID)))
		return err_create(ERR_NOT_FOUND, "the kernel with the build ID %s is not there any more", build_id);
	look_around(k, &id, build_id);
	*ret = steal(&k);
	return NULL;
}
