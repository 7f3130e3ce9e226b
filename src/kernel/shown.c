/*
 * Each scalar is read by itself, at its own address: so it is whole, whatever the guest does meanwhile, and one that can't be
 * read leaves the others alone. What is above it bounds all that is read: parts in all, elements, depth.
 */
#include "kernel/shown.h"

#include <inttypes.h>

#include "base/util.h"
#include "kernel/kernel_private.h"

enum { ELEMENT_COMPARED_MAX = 256, ANONYMOUS_MAX = 16, TYPE_USUAL = 100 };

/* Where the room for modules ends: MODULES_END of arch/x86. Behind it are numbers that only look like addresses. */
#define NO_MODULES UINT64_C(0xffffffffff000000)

struct reader {
	const struct value_context *c;
	const struct ctype_source *source;
	uint32_t left;       /* parts that may still be read */
	uint32_t bytes_left; /* of arrays whose elements are compared with each other, the same */
	unsigned int depth_max;
	bool complete;
};

static void read_value(struct reader *r, const struct value *v, unsigned int depth, struct shown *ret);

void shown_deinit(struct shown *s)
{
	for (size_t i = 0; i < s->n; i++)
		shown_deinit(&s->items[i]);
	free(s->items);
	free(s->name);
	free(s->type);
	free(s->text);
	free(s->symbol);
	*s = (struct shown){ 0 };
}

static struct shown *add_item(struct shown *s)
{
	/* The room is a power of two, and full when the number of items is one. */
	if (!(s->n & (s->n - 1)))
		s->items = xreallocarray(s->items, s->n ? 2 * s->n : 1, sizeof(*s->items));
	s->items[s->n] = (struct shown){ .repeats = 1 };
	return &s->items[s->n++];
}

static void cut(struct reader *r, struct shown *s, enum shown_kind kind)
{
	s->kind = kind;
	r->complete = false;
}

/* Modules lie behind the image, in the last two gigabytes of the address space. */
static bool find_symbol(struct reader *r, uint64_t address, struct program_symbol *ret)
{
	const struct kernel *k = r->c->kernel;

	if (!has(k, FACT_TEXT) || !has(k, FACT_IMAGE_END) || address < symbol(k, FACT_TEXT) || address >= NO_MODULES)
		return false;
	if (address < symbol(k, FACT_IMAGE_END))
		return program_symbol_at(r->c->program, address - k->slide, ret);
	return program_module_symbol_at(r->c->program, address, ret);
}

/* --- Text --- */

/*
 * Text of at most max bytes; up to a page's end where the next one can't be read. What is there up to the first NUL goes to
 * *ret; false if nothing can be read, or no NUL ends it and it isn't cut.
 */
static bool read_text(struct reader *r, uint64_t address, size_t max, struct buf *ret, bool *ret_cut)
{
	enum { PAGE = 4096 };

	while (ret->len < max) {
		uint64_t at = address + ret->len;
		size_t n = MIN(max - ret->len, (size_t)(PAGE - at % PAGE));
		char *to = buf_reserve(ret, n), *end;

		if (!mem_try_read(r->c->kernel->mem, at, to, n))
			return false;
		end = memchr(to, '\0', n);
		buf_commit(ret, end ? (size_t)(end - to) : n);
		if (end)
			return true;
	}
	*ret_cut = true;
	return true;
}

/* Whether it can be shown as text: well-formed UTF-8, and of control characters only those that text has. */
static bool is_text(const struct buf *b)
{
	const char *s = buf_str(b);

	if (strlen(s) != b->len)
		return false;
	while (*s) {
		size_t n = utf8_length(s);

		/* The last character may have been cut in two. */
		if (!n && strlen(s) < 4 && (unsigned char)*s >= 0xc0)
			return true;
		if (!n || ((unsigned char)*s < ' ' && !strchr("\t\n\r\033", *s)) || *s == 0x7f)
			return false;
		s += n;
	}
	return true;
}

static size_t text_max(unsigned int depth)
{
	return depth ? LIMIT_SHOWN_INNER_TEXT : LIMIT_SHOWN_TEXT;
}

/* An array of char that has text in it. False: it has something else. */
static bool read_char_array(struct reader *r, uint64_t address, uint64_t size, unsigned int depth, struct shown *ret)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	size_t max = text_max(depth);
	bool is_cut = false;

	if (!read_text(r, address, (size_t)MIN(size, (uint64_t)max), &text, &is_cut) || !is_text(&text))
		return false;
	ret->kind = SHOWN_TEXT;
	ret->text = buf_steal(&text);
	/* One that fills its array has no NUL. */
	ret->text_cut = is_cut && size > max;
	r->complete = r->complete && !ret->text_cut;
	return true;
}

/* --- Scalars --- */

static void name_target(struct reader *r, struct shown *s)
{
	struct buf b = BUF_INIT;
	struct program_symbol place;

	if (!find_symbol(r, s->number, &place))
		return;
	buf_printf(&b, "%.*s", (int)LIMIT_SHOWN_NAME, place.name);
	if (place.offset)
		buf_printf(&b, "+0x%" PRIx64, place.offset);
	if (place.module)
		buf_printf(&b, " [%s]", place.module);
	s->symbol = buf_steal(&b);
}

static void show_pointer(struct reader *r, const struct ctype_info *info, unsigned int depth, struct shown *ret)
{
	struct ctype target = ctype_target(&info->bare);
	struct ctype_info t = ctype_describe(r->source, &target);
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	bool is_cut = false;

	ret->kind = SHOWN_POINTER;
	name_target(r, ret);
	if (t.kind != CTYPE_CHAR || !is_kernel_address(ret->number) ||
	    !read_text(r, ret->number, text_max(depth), &text, &is_cut) || !is_text(&text))
		return;
	ret->text = buf_steal(&text);
	ret->text_cut = is_cut;
}

static enum shown_kind scalar_kind(const struct ctype_info *info)
{
	if (info->kind == CTYPE_BOOL)
		return SHOWN_BOOL;
	if (info->kind == CTYPE_CHAR)
		return SHOWN_CHAR;
	if (info->kind == CTYPE_ENUM)
		return SHOWN_ENUM;
	return info->is_signed ? SHOWN_SIGNED : SHOWN_UNSIGNED;
}

static void read_scalar(struct reader *r, const struct value *v, const struct ctype_info *info, unsigned int depth,
			struct shown *ret)
{
	const char *name;

	if (info->size > sizeof(ret->number) || !info->size) {
		ret->kind = SHOWN_NOTHING;
		return;
	}
	if (!value_number(r->c->kernel, v, info, &ret->number)) {
		cut(r, ret, SHOWN_FAULT);
		return;
	}
	if (info->kind == CTYPE_POINTER) {
		show_pointer(r, info, depth, ret);
		return;
	}
	ret->kind = scalar_kind(info);
	name = ret->kind == SHOWN_ENUM ? ctype_enumerator(&info->bare, ret->number) : NULL;
	ret->text = name ? xstrndup(name, LIMIT_SHOWN_NAME) : NULL;
}

/* --- Structs --- */

struct struct_reader {
	struct reader *r;
	const struct value *v;
	struct shown *ret;
	unsigned int depth;
	int anonymous; /* levels of anonymous structs that we are in */
	uint64_t base; /* offset of the one that we are in */
};

/* Members of anonymous structs are members of the struct that these are in. */
static bool show_member(const struct ctype_member *m, void *user)
{
	struct struct_reader *s = user;
	struct ctype_info info = ctype_describe(s->r->source, &m->type);
	struct value v = { .type = m->type,
			   .in_memory = true,
			   .address = s->v->address + s->base + m->offset,
			   .bit_offset = m->bit_offset,
			   .bit_size = m->bit_size };
	struct shown *item;

	if (!m->name && (info.kind == CTYPE_STRUCT || info.kind == CTYPE_UNION) && s->anonymous < ANONYMOUS_MAX &&
	    s->r->left) {
		s->r->left--;
		s->anonymous++;
		s->base += m->offset;
		ctype_members(s->r->source, &info.bare, show_member, s);
		s->base -= m->offset;
		s->anonymous--;
		return s->r->left > 0;
	}
	/* A bit field without a name is a gap. */
	if (!m->name)
		return true;
	if (!s->r->left) {
		s->ret->more = 1;
		s->r->complete = false;
		return false;
	}
	item = add_item(s->ret);
	item->name = xstrndup(m->name, LIMIT_SHOWN_NAME);
	read_value(s->r, &v, s->depth + 1, item);
	return true;
}

/* The struct has just been read: two pointers, the first of which leads to itself. */
static bool is_empty_list(const struct shown *s, const struct value *v)
{
	return streq(s->type, "struct list_head") && s->n && s->items[0].kind == SHOWN_POINTER &&
	       s->items[0].number == v->address;
}

static void read_struct(struct reader *r, const struct value *v, const struct ctype_info *info, unsigned int depth,
			struct shown *ret)
{
	struct struct_reader s = { .r = r, .v = v, .ret = ret, .depth = depth };

	if (info->is_declared || !v->in_memory) {
		ret->kind = SHOWN_NOTHING;
		return;
	}
	if (depth >= r->depth_max) {
		cut(r, ret, SHOWN_CUT);
		return;
	}
	ret->kind = SHOWN_STRUCT;
	ctype_members(r->source, &info->bare, show_member, &s);
	ret->is_empty = is_empty_list(ret, v);
}

/* --- Arrays --- */

static bool is_compound(const struct ctype_info *info)
{
	return info->kind == CTYPE_STRUCT || info->kind == CTYPE_UNION || info->kind == CTYPE_ARRAY;
}

static void read_elements(struct reader *r, const struct value *v, const struct ctype_info *info, unsigned int depth,
			  struct shown *ret)
{
	struct ctype element = ctype_target(&info->bare);
	struct ctype_info e = ctype_describe(r->source, &element);
	uint8_t bytes[2][ELEMENT_COMPARED_MAX];
	bool comparable = e.size && e.size <= ELEMENT_COMPARED_MAX, known = false;
	uint64_t i = 0;

	ret->kind = SHOWN_ARRAY;
	for (; i < info->count && (!comparable || r->bytes_left >= e.size); i++) {
		struct value at = { .type = element, .in_memory = true, .address = v->address + i * e.size };
		struct shown *item;
		bool read = comparable && mem_try_read(r->c->kernel->mem, at.address, bytes[i % 2], (size_t)e.size);

		if (comparable)
			r->bytes_left -= (uint32_t)e.size;
		if (known && read && memcmp(bytes[0], bytes[1], (size_t)e.size) == 0) {
			ret->items[ret->n - 1].repeats++;
			continue;
		}
		if (ret->n == LIMIT_SHOWN_ELEMENTS || !r->left || !e.size)
			break;
		known = read;
		item = add_item(ret);
		read_value(r, &at, depth + is_compound(&e), item);
		/* Bytes in a row are seldom numbers. */
		if (item->kind == SHOWN_UNSIGNED && e.size == 1)
			item->kind = SHOWN_BYTE;
	}
	ret->more = info->count - i;
	r->complete = r->complete && !ret->more;
}

/* An array that is only declared, without a length, ends where its symbol does. */
static uint64_t length_by_symbol(struct reader *r, uint64_t address, uint64_t element_size)
{
	struct program_symbol place;

	return find_symbol(r, address, &place) && place.size > place.offset ? (place.size - place.offset) / element_size
									    : 0;
}

static void read_array(struct reader *r, const struct value *v, struct ctype_info *info, unsigned int depth,
		       struct shown *ret)
{
	struct ctype element = ctype_target(&info->bare);
	struct ctype_info e = ctype_describe(r->source, &element);

	if (!v->in_memory || !e.size) {
		ret->kind = SHOWN_NOTHING;
		return;
	}
	if (!info->count && !depth)
		info->count = length_by_symbol(r, v->address, e.size);
	if (e.kind == CTYPE_CHAR && info->count && read_char_array(r, v->address, info->count, depth, ret))
		return;
	if (is_compound(&e) && depth >= r->depth_max) {
		cut(r, ret, SHOWN_CUT);
		return;
	}
	read_elements(r, v, info, depth, ret);
}

/* --- All --- */

static void read_value(struct reader *r, const struct value *v, unsigned int depth, struct shown *ret)
{
	struct ctype_info info = ctype_describe(r->source, &v->type);
	struct buf type = BUF_INIT;

	if (!r->left) {
		cut(r, ret, SHOWN_CUT);
		return;
	}
	ctype_format(&v->type, &type);
	/* A long type takes the place of several parts. */
	r->left -= MIN(r->left, 1 + (uint32_t)(type.len / TYPE_USUAL));
	ret->type = buf_steal(&type);
	switch (info.kind) {
	case CTYPE_STRUCT:
	case CTYPE_UNION:
		read_struct(r, v, &info, depth, ret);
		break;
	case CTYPE_ARRAY:
		read_array(r, v, &info, depth, ret);
		break;
	case CTYPE_VOID:
	case CTYPE_FUNCTION:
	case CTYPE_UNKNOWN:
		ret->kind = SHOWN_NOTHING;
		break;
	case CTYPE_INTEGER:
	case CTYPE_CHAR:
	case CTYPE_BOOL:
	case CTYPE_ENUM:
	case CTYPE_POINTER:
	default:
		read_scalar(r, v, &info, depth, ret);
	}
}

void shown_read(const struct value_context *c, const struct value *v, const struct shown_options *o, struct shown *ret,
		bool *ret_complete)
{
	struct reader r = { .c = c,
			    .source = program_types(c->program),
			    .left = LIMIT_SHOWN,
			    .bytes_left = LIMIT_SHOWN_BYTES,
			    .depth_max = o->depth,
			    .complete = true };

	*ret = (struct shown){ .repeats = 1 };
	read_value(&r, v, 0, ret);
	*ret_complete = r.complete;
}
