#include "debuginfo/types.h"

#include <dwarf.h>

#include "base/util.h"
#include "debuginfo/dwarf_file.h"

/* Debug information may be damaged: types that contain themselves end here. */
enum { DEPTH_MAX = 32 };

static bool wanted_tag(int tag)
{
	return tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type;
}

/* False: enough. */
static bool walk_unit(Dwarf_Die *unit, types_callback callback, void *user)
{
	Dwarf_Die die;

	if (dwarf_child(unit, &die) != 0)
		return true;
	do {
		int tag = dwarf_tag(&die);

		if (wanted_tag(tag) && !dwarf_hasattr(&die, DW_AT_declaration) && !callback(&die, tag, user))
			return false;
	} while (dwarf_siblingof(&die, &die) == 0);
	return true;
}

struct err *types_walk(const struct dwarf_file *file, const char *path, types_callback callback, void *user)
{
	struct dwarf_walk w = { .file = file };
	Dwarf_Die die;

	while (dwarf_walk_next(&w, &die)) {
		if (!walk_unit(&die, callback, user))
			return NULL;
	}
	return w.damaged ? dwarf_file_error(path) : NULL;
}

bool types_strip(Dwarf_Die *type, Dwarf_Die *ret)
{
	Dwarf_Die die = *type;

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		Dwarf_Attribute attribute;

		switch (dwarf_tag(&die)) {
		case DW_TAG_typedef:
		case DW_TAG_const_type:
		case DW_TAG_volatile_type:
		case DW_TAG_restrict_type:
		case DW_TAG_atomic_type:
			if (!dwarf_attr(&die, DW_AT_type, &attribute) || !dwarf_formref_die(&attribute, &die))
				return false;
			break;
		default:
			*ret = die;
			return true;
		}
	}
	return false;
}

static bool type_of(Dwarf_Die *die, Dwarf_Die *ret)
{
	Dwarf_Attribute attribute;
	Dwarf_Die type;

	return dwarf_attr(die, DW_AT_type, &attribute) && dwarf_formref_die(&attribute, &type) &&
	       types_strip(&type, ret);
}

static bool number(Dwarf_Die *die, unsigned int name, uint64_t *ret)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value) != 0)
		return false;
	*ret = value;
	return true;
}

/* Bytes; 0 for a member that has no place of its own, as in a union. False if it is no plain offset. */
static bool member_offset(Dwarf_Die *member, uint64_t *ret)
{
	*ret = 0;
	if (!dwarf_hasattr(member, DW_AT_data_member_location))
		return true;
	return number(member, DW_AT_data_member_location, ret) && *ret <= LAYOUT_OFFSET_MAX;
}

/* DWARF 4 and later count bits from the start of the struct; before, from the highest bit of a storage unit. */
static bool bit_field(Dwarf_Die *member, uint64_t storage_size, struct layout_answer *a)
{
	uint64_t size, offset;

	if (!number(member, DW_AT_bit_size, &size))
		return true;
	if (!size || size > 64)
		return false;
	if (number(member, DW_AT_data_bit_offset, &offset)) {
		if (offset / 8 > LAYOUT_OFFSET_MAX)
			return false;
		a->value += offset / 8;
		a->bit_offset = (uint16_t)(offset % 8);
	} else if (number(member, DW_AT_bit_offset, &offset)) {
		number(member, DW_AT_byte_size, &storage_size);
		if (storage_size > 8 || offset + size > storage_size * 8)
			return false;
		offset = storage_size * 8 - offset - size;
		a->value += offset / 8;
		a->bit_offset = (uint16_t)(offset % 8);
	}
	a->bit_size = (uint16_t)size;
	return true;
}

bool types_member_place(Dwarf_Die *member, uint64_t storage_size, struct layout_answer *ret)
{
	struct layout_answer a = { 0 };

	if (!member_offset(member, &a.value) || !bit_field(member, storage_size, &a))
		return false;
	*ret = a;
	return true;
}

/* What is there beyond the offset: size, elements, sign. */
static bool describe(Dwarf_Die *type, struct layout_answer *a, Dwarf_Die *ret_type)
{
	Dwarf_Word size;
	Dwarf_Die element = *type;
	uint64_t encoding, element_size;

	a->count = 1;
	if (dwarf_tag(type) == DW_TAG_array_type && !type_of(type, &element))
		return false;
	/* An array without a length, at the end of a struct, has the size 0. */
	if (dwarf_aggregate_size(type, &size) != 0)
		size = 0;
	if (size > LAYOUT_SIZE_MAX)
		return false;
	a->size = (uint32_t)size;
	if (dwarf_tag(type) == DW_TAG_array_type) {
		if (dwarf_aggregate_size(&element, &element_size) != 0)
			element_size = 0;
		a->count = element_size ? (uint32_t)(size / element_size) : 0;
	}
	if (dwarf_tag(&element) == DW_TAG_base_type && number(&element, DW_AT_encoding, &encoding))
		a->is_signed = encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;
	*ret_type = *type;
	return true;
}

static bool find_member(Dwarf_Die *type, const char *name, size_t len, int depth, struct layout_answer *a,
			Dwarf_Die *ret_type);

/* The member itself, or one within it if it is anonymous. *a has the offset of what it is in. */
static bool look_at_member(Dwarf_Die *member, const char *name, size_t len, int depth, struct layout_answer *a,
			   Dwarf_Die *ret_type)
{
	const char *own = dwarf_diename(member);
	struct layout_answer found = *a;
	uint64_t offset;
	Dwarf_Die type;

	if (own && (strncmp(own, name, len) != 0 || own[len]))
		return false;
	if (!member_offset(member, &offset) || !type_of(member, &type))
		return false;
	found.value += offset;
	if (!own) {
		if (!find_member(&type, name, len, depth + 1, &found, ret_type))
			return false;
	} else if (!describe(&type, &found, ret_type) || !bit_field(member, found.size, &found)) {
		return false;
	}
	*a = found;
	return true;
}

static bool find_member(Dwarf_Die *type, const char *name, size_t len, int depth, struct layout_answer *a,
			Dwarf_Die *ret_type)
{
	int tag = dwarf_tag(type);
	Dwarf_Die member;

	if (depth > DEPTH_MAX || (tag != DW_TAG_structure_type && tag != DW_TAG_union_type) ||
	    dwarf_child(type, &member) != 0)
		return false;
	do {
		if (dwarf_tag(&member) == DW_TAG_member && look_at_member(&member, name, len, depth, a, ret_type))
			return true;
	} while (dwarf_siblingof(&member, &member) == 0);
	return false;
}

bool types_member(Dwarf_Die *type, const char *path, struct layout_answer *ret, Dwarf_Die *ret_type)
{
	struct layout_answer a = { .found = true };
	Dwarf_Die at;

	if (!types_strip(type, &at))
		return false;
	for (;;) {
		size_t len = strcspn(path, ".");

		a.bit_size = a.bit_offset = 0;
		a.is_signed = false;
		if (!find_member(&at, path, len, 0, &a, &at) || a.value > LAYOUT_OFFSET_MAX)
			return false;
		if (!path[len])
			break;
		/* Of an array it is the first element. */
		if (dwarf_tag(&at) == DW_TAG_array_type && !type_of(&at, &at))
			return false;
		path += len + 1;
	}
	*ret = a;
	*ret_type = at;
	return true;
}
