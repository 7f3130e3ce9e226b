#include "debuginfo/ctype.h"

#include <dwarf.h>

#include "base/util.h"
#include "debuginfo/types.h"

enum { DEPTH_MAX = 32, MEMBERS_MAX = 1 << 14, ENUMERATORS_MAX = 1 << 16, SEARCH_MAX = 1 << 16, POINTER_SIZE = 8 };

static bool number(Dwarf_Die *die, unsigned int name, uint64_t *ret)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value) != 0)
		return false;
	*ret = value;
	return true;
}

struct ctype ctype_of(const Dwarf_Die *die)
{
	return (struct ctype){ .die = *die };
}

struct ctype ctype_of_thing(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	Dwarf_Die type;

	if (!dwarf_attr_integrate(die, DW_AT_type, &attribute) || !dwarf_formref_die(&attribute, &type))
		return (struct ctype){ .is_void = true };
	return ctype_of(&type);
}

struct ctype ctype_pointer_to(const struct ctype *t)
{
	struct ctype pointer = *t;

	pointer.pointers++;
	return pointer;
}

/* --- What it is --- */

/* The length of an array's dimension; 0: it has none. */
static uint64_t length_of(Dwarf_Die *subrange)
{
	Dwarf_Attribute attribute;
	Dwarf_Sword upper;
	uint64_t count;

	if (number(subrange, DW_AT_count, &count))
		return count;
	if (!dwarf_attr(subrange, DW_AT_upper_bound, &attribute) || dwarf_formsdata(&attribute, &upper) != 0)
		return 0;
	return upper >= 0 ? (uint64_t)upper + 1 : 0;
}

/* How many dimensions an array has; the length of the one at `at` goes to *ret_length. */
static unsigned int dimensions_of(const struct ctype *t, unsigned int at, uint64_t *ret_length)
{
	Dwarf_Die array = t->die, child;
	unsigned int n = 0;

	*ret_length = 0;
	if (dwarf_child(&array, &child) != 0)
		return 1;
	do {
		if (dwarf_tag(&child) != DW_TAG_subrange_type)
			continue;
		if (n == at)
			*ret_length = length_of(&child);
		n++;
	} while (n < DEPTH_MAX && dwarf_siblingof(&child, &child) == 0);
	return MAX(n, 1U);
}

static struct ctype_info describe(const struct ctype_source *source, const struct ctype *t, int depth);

static void describe_array(const struct ctype_source *source, struct ctype_info *i, int depth)
{
	struct ctype element = ctype_target(&i->bare);
	struct ctype_info e = describe(source, &element, depth + 1);

	i->kind = CTYPE_ARRAY;
	if (i->bare.elements)
		i->count = i->bare.elements;
	else
		dimensions_of(&i->bare, i->bare.dimension, &i->count);
	if (i->count > CTYPE_SIZE_MAX || (e.size && i->count > CTYPE_SIZE_MAX / e.size)) {
		i->kind = CTYPE_UNKNOWN;
		return;
	}
	i->size = i->count * e.size;
}

static void describe_base(struct ctype_info *i)
{
	uint64_t encoding;

	if (!number(&i->bare.die, DW_AT_encoding, &encoding) || !i->size || i->size > 16)
		return;
	i->kind = CTYPE_INTEGER;
	switch (encoding) {
	case DW_ATE_boolean:
		i->kind = CTYPE_BOOL;
		break;
	case DW_ATE_signed_char:
		/* "char" is that, and "signed char", which the kernel calls s8, is a number. */
		if (dwarf_diename(&i->bare.die) && streq(dwarf_diename(&i->bare.die), "char"))
			i->kind = CTYPE_CHAR;
		i->is_signed = true;
		break;
	case DW_ATE_signed:
		i->is_signed = true;
		break;
	case DW_ATE_unsigned:
	case DW_ATE_unsigned_char:
	case DW_ATE_UTF:
		/* Since the kernel is built with -funsigned-char (3bc753c06dd0) "char" is that. */
		if (i->size == 1 && dwarf_diename(&i->bare.die) && streq(dwarf_diename(&i->bare.die), "char"))
			i->kind = CTYPE_CHAR;
		break;
	default:
		i->kind = CTYPE_UNKNOWN;
	}
}

/* Whether an enumeration has negative values: GCC says it by the type beneath, if at all. */
static bool is_signed_enum(const struct ctype_source *source, Dwarf_Die *die, int depth)
{
	struct ctype beneath = ctype_of_thing(die);

	return !beneath.is_void && depth < DEPTH_MAX && describe(source, &beneath, depth + 1).is_signed;
}

static void describe_struct(const struct ctype_source *source, struct ctype_info *i, int tag)
{
	const char *name = dwarf_diename(&i->bare.die);

	i->kind = tag == DW_TAG_union_type ? CTYPE_UNION : CTYPE_STRUCT;
	if (!dwarf_hasattr(&i->bare.die, DW_AT_declaration))
		return;
	i->is_declared = !name || !source->define || !source->define(name, tag, &i->bare.die, source->user);
	if (i->is_declared || dwarf_tag(&i->bare.die) != tag || !number(&i->bare.die, DW_AT_byte_size, &i->size))
		i->size = 0;
}

static void describe_die(const struct ctype_source *source, struct ctype_info *i, int depth)
{
	int tag = dwarf_tag(&i->bare.die);

	if (!number(&i->bare.die, DW_AT_byte_size, &i->size))
		i->size = tag == DW_TAG_pointer_type ? POINTER_SIZE : 0;
	switch (tag) {
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
		describe_struct(source, i, tag);
		break;
	case DW_TAG_array_type:
		i->size = 0;
		describe_array(source, i, depth);
		break;
	case DW_TAG_enumeration_type:
		i->kind = CTYPE_ENUM;
		i->is_signed = is_signed_enum(source, &i->bare.die, depth);
		break;
	case DW_TAG_pointer_type:
		i->kind = i->size == POINTER_SIZE ? CTYPE_POINTER : CTYPE_UNKNOWN;
		break;
	case DW_TAG_subroutine_type:
		i->kind = CTYPE_FUNCTION;
		i->size = 0;
		break;
	case DW_TAG_base_type:
		describe_base(i);
		break;
	default:
		break;
	}
}

static struct ctype_info describe(const struct ctype_source *source, const struct ctype *t, int depth)
{
	struct ctype_info i = { .kind = CTYPE_UNKNOWN, .bare = *t };

	if (depth > DEPTH_MAX)
		return i;
	if (t->elements) {
		describe_array(source, &i, depth);
	} else if (t->pointers) {
		i.kind = CTYPE_POINTER;
		i.size = POINTER_SIZE;
	} else if (t->is_void || !types_strip(&i.bare.die, &i.bare.die)) {
		i.kind = CTYPE_VOID;
		i.bare = (struct ctype){ .is_void = true };
	} else {
		describe_die(source, &i, depth);
	}
	if (i.size > CTYPE_SIZE_MAX)
		i = (struct ctype_info){ .kind = CTYPE_UNKNOWN, .bare = *t };
	return i;
}

struct ctype_info ctype_describe(const struct ctype_source *source, const struct ctype *t)
{
	return describe(source, t, 0);
}

struct ctype ctype_target(const struct ctype *t)
{
	struct ctype target = *t;
	uint64_t length;
	int tag;

	if (t->elements) {
		target.elements = 0;
		return target;
	}
	if (t->pointers) {
		target.pointers--;
		return target;
	}
	tag = t->is_void ? 0 : dwarf_tag(&target.die);
	if (tag == DW_TAG_array_type && t->dimension + 1 < dimensions_of(t, 0, &length)) {
		target.dimension++;
		return target;
	}
	if (tag != DW_TAG_array_type && tag != DW_TAG_pointer_type)
		return (struct ctype){ .is_void = true };
	return ctype_of_thing(&target.die);
}

/* --- Members --- */

void ctype_members(const struct ctype_source *source, const struct ctype *t, ctype_callback callback, void *user)
{
	Dwarf_Die die = t->die, member;
	int n = 0;

	if (t->is_void || dwarf_child(&die, &member) != 0)
		return;
	do {
		struct ctype_member m = { .name = dwarf_diename(&member) };
		struct layout_answer place;

		if (dwarf_tag(&member) != DW_TAG_member)
			continue;
		m.type = ctype_of_thing(&member);
		if (!types_member_place(&member, ctype_describe(source, &m.type).size, &place))
			continue;
		m.offset = place.value;
		m.bit_offset = place.bit_offset;
		m.bit_size = place.bit_size;
		if (!callback(&m, user))
			return;
	} while (++n < MEMBERS_MAX && dwarf_siblingof(&member, &member) == 0);
}

struct search {
	const struct ctype_source *source;
	const char *name;
	uint64_t base; /* offset of the struct that is looked at */
	int depth;
	int left; /* members that may still be looked at: damaged types may have each other as members */
	bool found;
	struct ctype_member *ret;
};

static bool look_at_member(const struct ctype_member *m, void *user)
{
	struct search *s = user;
	struct ctype_info i;

	if (s->left-- <= 0)
		return false;
	if (m->name) {
		s->found = streq(m->name, s->name);
		if (s->found) {
			*s->ret = *m;
			s->ret->offset += s->base;
		}
		return !s->found;
	}
	i = ctype_describe(s->source, &m->type);
	if ((i.kind != CTYPE_STRUCT && i.kind != CTYPE_UNION) || s->depth >= DEPTH_MAX)
		return true;
	s->depth++;
	s->base += m->offset;
	ctype_members(s->source, &i.bare, look_at_member, s);
	s->base -= m->offset;
	s->depth--;
	return !s->found && s->left > 0;
}

bool ctype_find_member(const struct ctype_source *source, const struct ctype *t, const char *name,
		       struct ctype_member *ret)
{
	struct search s = { .source = source, .name = name, .left = SEARCH_MAX, .ret = ret };

	ctype_members(source, t, look_at_member, &s);
	return s.found;
}

const char *ctype_enumerator(const struct ctype *t, uint64_t value)
{
	Dwarf_Die die = t->die, enumerator;
	int n = 0;

	if (t->is_void || dwarf_child(&die, &enumerator) != 0)
		return NULL;
	do {
		Dwarf_Attribute attribute;
		Dwarf_Sword own;

		if (dwarf_tag(&enumerator) == DW_TAG_enumerator &&
		    dwarf_attr(&enumerator, DW_AT_const_value, &attribute) && dwarf_formsdata(&attribute, &own) == 0 &&
		    (uint64_t)own == value)
			return dwarf_diename(&enumerator);
	} while (++n < ENUMERATORS_MAX && dwarf_siblingof(&enumerator, &enumerator) == 0);
	return NULL;
}
