/*
 * Theory of operation. Per-CPU variables get the offsets by which the kernel knows them, as those of vmlinux have them. What else the
 * guest doesn't load (.modinfo, say) is put where nothing can be: at 0 it would lend its names to null pointers. GDB's `info
 * sharedlibrary` shows the lowest and the highest address of all sections, and so a range that ends there; it uses that for nothing.
 */
#include "target/linux_library.h"

#include <inttypes.h>

#include "base/util.h"

enum { HOLE_ALIGN = 16 };

#define HOLE_END UINT64_C(0xfffffffffffff000)

bool linux_has_area(const struct module *m, uint64_t address, uint64_t size)
{
	bool in = !m->areas_n;

	for (size_t i = 0; i < m->areas_n; i++)
		in |= address - m->areas[i].start < m->areas[i].size &&
		      size <= m->areas[i].size - (address - m->areas[i].start);
	return in;
}

/* The place of a section; several may have its name, so that it is looked for from *next on, which moves on. */
static bool find_place(const struct module *m, const struct alloc_section *s, size_t *next, uint64_t *ret)
{
	for (size_t n = 0; s->size && n < m->sections_n; n++) {
		size_t i = (*next + n) % m->sections_n;

		if (streq(m->sections[i].name, s->name)) {
			*ret = m->sections[i].address;
			*next = i + 1;
			return linux_has_area(m, *ret, s->size);
		}
	}
	return false;
}

void linux_module_places(const struct alloc_section *sections, size_t n, const struct module *m,
			 struct module_area *ret)
{
	size_t next = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t address;

		ret[i] = (struct module_area){ 0, 0 };
		if (find_place(m, &sections[i], &next, &address))
			ret[i] = (struct module_area){ address, sections[i].size };
	}
}

bool linux_is_nowhere(uint64_t address)
{
	return address >= LINUX_HOLE && address < HOLE_END;
}

uint64_t linux_take_hole(uint64_t *hole, uint64_t size)
{
	uint64_t room = (MIN(size, HOLE_END - LINUX_HOLE - HOLE_ALIGN) / HOLE_ALIGN + 1) * HOLE_ALIGN, address;

	/* From its beginning again: what is there is at the same place, but nobody asks what is there. */
	if (HOLE_END - *hole < room)
		*hole = LINUX_HOLE;
	address = *hole;
	*hole += room;
	return address;
}

uint64_t linux_section_address(const struct alloc_section *section, const struct module_area *place,
			       const struct module *m)
{
	if (!place->size && m->percpu_size && streq(section->name, ".data..percpu"))
		return m->percpu;
	return place->size ? place->start : 0;
}

static void put_escaped(struct buf *b, const char *text)
{
	for (; *text; text++) {
		/* XML 1.0 has no way to write most control characters. */
		if (strchr("<>&\"'", *text) || (unsigned char)*text < ' ')
			buf_printf(b, "&#%d;", (unsigned char)*text < ' ' ? '?' : *text);
		else
			buf_putc(b, *text);
	}
}

void linux_library_begin(const char *path, struct buf *ret)
{
	buf_puts(ret, "<library name=\"");
	put_escaped(ret, path);
	buf_puts(ret, "\">");
}

void linux_library_xml(const char *path, const struct alloc_section *sections, const struct module_area *places,
		       size_t n, const struct module *m, uint64_t *hole, struct buf *ret)
{
	linux_library_begin(path, ret);
	for (size_t i = 0; i < n; i++) {
		uint64_t address = linux_section_address(&sections[i], &places[i], m);

		if (!address)
			address = linux_take_hole(hole, sections[i].size);
		buf_printf(ret, "<section address=\"0x%" PRIx64 "\"/>", address);
	}
	buf_puts(ret, "</library>\n");
}
