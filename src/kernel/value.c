#include "kernel/value.h"

#include <inttypes.h>

#include "base/near.h"
#include "kernel/kernel_private.h"
#include "kernel/percpu.h"

enum { NEAR_NAMES = 4, NEAR_SEARCHED = 1 << 14, NUMBER_MAX = 8 };

/* One step, and what it is made from. */
struct state {
	const struct value_context *c;
	const struct expr *e;
	uint64_t cpu;
	const struct expr_step *before; /* NULL: the first */
	struct value v;
};

static void note(const struct value_context *c, char *text)
{
	if (text && c->notes && !strv_contains(c->notes, text))
		strv_take(c->notes, text);
	else
		free(text);
}

/* What was said up to a step, for messages. */
static char *part(const struct expr *e, const struct expr_step *step)
{
	return step ? xstrndup(e->text + step->begin, step->end - step->begin) : xstrdup(e->text);
}

static char *type_text(const struct ctype *t)
{
	struct buf b = BUF_INIT;

	ctype_format(t, &b);
	return buf_steal(&b);
}

/* "'init_task.comm' is a char [16], and ..." */
static struct err *refuse(const struct state *s, enum err_code code, const char *why)
{
	_cleanup_(free) char *what = part(s->e, s->before);
	_cleanup_(free) char *type = s->v.untyped ? xstrdup("number without a type") : type_text(&s->v.type);

	return err_create(code, "'%s' is a %s%s", what, type, why);
}

static struct ctype_info describe(const struct state *s)
{
	if (s->v.untyped)
		return (struct ctype_info){ .kind = CTYPE_INTEGER, .size = NUMBER_MAX };
	return ctype_describe(program_types(s->c->program), &s->v.type);
}

/* --- Numbers --- */

bool value_number(const struct kernel *k, const struct value *v, const struct ctype_info *info, uint64_t *ret)
{
	unsigned int bits = v->bit_size ? v->bit_size : (unsigned int)MIN(info->size, (uint64_t)NUMBER_MAX) * 8;
	size_t size = v->bit_size ? (v->bit_offset + v->bit_size + 7) / 8 : (size_t)info->size;
	uint8_t bytes[NUMBER_MAX + 1] = { 0 };
	uint64_t number = v->number;

	if (!bits || bits > 64 || size > sizeof(bytes) || (!v->bit_size && size > NUMBER_MAX))
		return false;
	if (v->in_memory) {
		if (!mem_try_read(k->mem, v->address, bytes, size))
			return false;
		memcpy(&number, bytes, sizeof(number));
		number >>= v->bit_offset;
		if (v->bit_offset)
			number |= (uint64_t)bytes[NUMBER_MAX] << (64 - v->bit_offset);
	}
	if (bits < 64) {
		number &= (UINT64_C(1) << bits) - 1;
		if (info->is_signed && number >> (bits - 1))
			number |= UINT64_MAX << bits;
	}
	*ret = number;
	return true;
}

static struct err *load(const struct state *s, const struct ctype_info *info, uint64_t *ret)
{
	_cleanup_(free) char *what = NULL;
	struct err *e;

	if (value_number(s->c->kernel, &s->v, info, ret))
		return NULL;
	what = part(s->e, s->before);
	if (!s->v.in_memory || !info->size || info->size > NUMBER_MAX)
		return refuse(s, ERR_UNSUPPORTED, ", which can't be read as a number");
	/* Once more, for what it says. */
	e = mem_read(s->c->kernel->mem, s->v.address, ret, (size_t)info->size);
	return e ? err_wrap(e, "read '%s' at 0x%" PRIx64, what, s->v.address)
		 : err_create(ERR_FAULT, "read '%s' at 0x%" PRIx64 ": it is not mapped", what, s->v.address);
}

/* A pointer's value, or where an array is. */
static struct err *load_pointer(const struct state *s, const struct ctype_info *info, uint64_t *ret)
{
	_cleanup_(free) char *what = NULL;

	if (info->kind == CTYPE_ARRAY && s->v.in_memory) {
		*ret = s->v.address;
		return NULL;
	}
	TRY(load(s, info, ret));
	if (*ret)
		return NULL;
	what = part(s->e, s->before);
	return err_create(ERR_FAULT, "'%s' is NULL", what);
}

/* --- Steps --- */

static void place(struct state *s, const struct ctype *type, uint64_t address)
{
	s->v = (struct value){ .type = *type, .in_memory = true, .address = address };
}

static struct err *find_variable(const struct value_context *c, const struct expr_step *step,
				 struct program_variable *ret)
{
	char *text = NULL;
	const struct program_name name = { step->file, step->scope, step->name };
	struct err *e = program_variable(c->program, &name, ret, &text);

	note(c, text);
	return e;
}

static bool is_per_cpu(const struct kernel *k, const struct program_variable *v)
{
	return v->in_module ? v->is_per_cpu : percpu_is_variable(k, v->address);
}

static struct err *take_variable(struct state *s, const struct expr_step *step)
{
	const struct kernel *k = s->c->kernel;
	struct program_variable found;
	uint64_t address, offset = 0;

	TRY(find_variable(s->c, step, &found));
	address = found.address;
	if (found.in_module) {
		if (found.is_per_cpu)
			TRY(percpu_offset(k, s->cpu, &offset));
		address += offset;
	} else if (is_per_cpu(k, &found)) {
		TRY(percpu_address(k, found.address, s->cpu, &address));
	} else {
		address += k->slide;
	}
	place(s, &found.type, address);
	return NULL;
}

struct near_members {
	const struct ctype_source *source;
	struct near near;
	int depth, left;
};

static bool offer_member(const struct ctype_member *m, void *user)
{
	enum { DEPTH_MAX = 8 };
	struct near_members *n = user;
	struct ctype_info info;

	if (n->left-- <= 0)
		return false;
	if (m->name) {
		near_offer(&n->near, m->name, strlen(m->name));
		return true;
	}
	info = ctype_describe(n->source, &m->type);
	if ((info.kind == CTYPE_STRUCT || info.kind == CTYPE_UNION) && n->depth < DEPTH_MAX) {
		n->depth++;
		ctype_members(n->source, &info.bare, offer_member, n);
		n->depth--;
	}
	return true;
}

static struct err *no_member(const struct state *s, const struct ctype_info *info, const char *name)
{
	struct near_members n = { .source = program_types(s->c->program), .left = NEAR_SEARCHED };
	_cleanup_(strv_deinit) struct strv names = STRV_INIT;
	_cleanup_(free) char *list = NULL, *why = NULL;

	if (info->is_declared)
		return refuse(s, ERR_NOT_FOUND, ", of which the kernel's debug information has no definition");
	near_init(&n.near, name, NEAR_NAMES);
	ctype_members(n.source, &info->bare, offer_member, &n);
	near_take(&n.near, &names);
	list = strv_join(&names, ", ");
	why = xasprintf(", which has no member '%s'%s%s", name, names.n ? "; there is " : "", names.n ? list : "");
	return refuse(s, ERR_NOT_FOUND, why);
}

/* What the kernel only declares, a module may define. */
static struct ctype_info describe_target(const struct state *s, const struct ctype *target)
{
	struct ctype_info info = ctype_describe(program_types(s->c->program), target);

	if (!info.is_declared)
		return info;
	program_open_modules(s->c->program);
	return ctype_describe(program_types(s->c->program), target);
}

/* "." goes through a pointer as "->" does: a shell takes the > for itself. */
static struct err *take_member(struct state *s, const struct expr_step *step)
{
	struct ctype_info info = describe(s);
	struct ctype_member m;
	struct ctype target;
	uint64_t address = s->v.address;
	bool is_pointer = false;

	if (s->v.untyped)
		return refuse(s, ERR_USAGE, "; say what is there by a cast: ((struct task_struct *)0x...)->comm");
	if (info.kind == CTYPE_POINTER) {
		target = ctype_target(&info.bare);
		info = describe_target(s, &target);
		if (info.kind != CTYPE_STRUCT && info.kind != CTYPE_UNION)
			return refuse(s, ERR_USAGE, ", and has no members");
		is_pointer = true;
	} else if (step->op == EXPR_ARROW) {
		return refuse(s, ERR_USAGE, ", and no pointer; '.' leads to its members");
	} else if (info.kind == CTYPE_ARRAY) {
		return refuse(s, ERR_USAGE, ", and has no members; [0] leads to its first element");
	} else if (info.kind != CTYPE_STRUCT && info.kind != CTYPE_UNION) {
		return refuse(s, ERR_USAGE, ", and has no members");
	}
	if (!ctype_find_member(program_types(s->c->program), &info.bare, step->name, &m))
		return no_member(s, &info, step->name);
	if (is_pointer)
		TRY(load_pointer(s, &(struct ctype_info){ .kind = CTYPE_POINTER, .size = NUMBER_MAX }, &address));
	place(s, &m.type, address + m.offset);
	s->v.bit_offset = m.bit_offset;
	s->v.bit_size = m.bit_size;
	return NULL;
}

static struct err *take_element(struct state *s, const struct ctype_info *info, uint64_t index)
{
	struct ctype element = ctype_target(&info->bare);
	struct ctype_info e = describe_target(s, &element);
	uint64_t address;
	char why[80];

	if (s->v.untyped || (info->kind != CTYPE_ARRAY && info->kind != CTYPE_POINTER))
		return refuse(s, ERR_USAGE, ", neither an array nor a pointer");
	if (info->kind == CTYPE_ARRAY && info->count && index >= info->count) {
		snprintf(why, sizeof(why), ": there is no element %" PRId64, (int64_t)index);
		return refuse(s, ERR_USAGE, why);
	}
	if (e.kind == CTYPE_VOID || e.kind == CTYPE_FUNCTION)
		return refuse(s, ERR_USAGE, ", and what it leads to has no value; cast it, or use --type");
	if (!e.size && index)
		return refuse(s, ERR_USAGE, ", the size of whose elements is not known");
	TRY(load_pointer(s, info, &address));
	place(s, &element, address + index * e.size);
	return NULL;
}

/* What a per-CPU pointer points at: such as a counter's numbers. */
static struct err *take_cpu(struct state *s, const struct expr_step *step)
{
	struct ctype_info info = describe(s);
	struct ctype target;
	uint64_t address, offset;

	if (s->before->op == EXPR_VARIABLE) {
		struct program_variable found;

		TRY(find_variable(s->c, s->before, &found));
		/* Then it has been taken from that CPU already. */
		if (is_per_cpu(s->c->kernel, &found))
			return NULL;
	}
	if (info.kind != CTYPE_POINTER)
		return refuse(s, ERR_USAGE, ", neither a per-CPU variable nor a pointer to per-CPU data");
	TRY(load_pointer(s, &info, &address));
	TRY(percpu_offset(s->c->kernel, step->number, &offset));
	target = ctype_target(&info.bare);
	place(s, &target, address + offset);
	return NULL;
}

static struct err *take_address(struct state *s)
{
	struct ctype pointer = ctype_pointer_to(&s->v.type);

	if (!s->v.in_memory || s->v.bit_size)
		return refuse(s, ERR_USAGE,
			      s->v.bit_size ? ", but a bit field: it has no address"
					    : ", which is nowhere in memory: it has no address");
	s->v = (struct value){ .type = pointer, .number = s->v.address };
	return NULL;
}

static struct err *find_type(const struct value_context *c, const struct expr_type *type, struct ctype *ret)
{
	struct ctype t = { .is_void = true };
	char *text = NULL;

	if (type->tag || !streq(type->name, "void")) {
		struct err *e = program_type(c->program, type->tag, type->name, &t, &text);

		note(c, text);
		if (e)
			return e;
	}
	t.pointers = type->pointers;
	t.elements = type->elements;
	*ret = t;
	return NULL;
}

static struct err *take_cast(struct state *s, const struct expr_step *step)
{
	struct ctype_info from = describe(s), to;
	struct value cast = { 0 };

	TRY(find_type(s->c, &step->type, &cast.type));
	to = ctype_describe(program_types(s->c->program), &cast.type);
	if (from.kind == CTYPE_ARRAY && s->v.in_memory)
		cast.number = s->v.address;
	else if (from.kind == CTYPE_STRUCT || from.kind == CTYPE_UNION)
		return refuse(s, ERR_USAGE, ", which can't be cast; cast its address: *(type *)&...");
	else
		TRY(load(s, &from, &cast.number));
	if (to.kind != CTYPE_POINTER && to.kind != CTYPE_INTEGER && to.kind != CTYPE_CHAR && to.kind != CTYPE_BOOL &&
	    to.kind != CTYPE_ENUM) {
		_cleanup_(free) char *name = type_text(&cast.type);

		return err_create(ERR_USAGE, "nothing can be cast to %s; cast to a pointer to it, and put * in front",
				  name);
	}
	if (to.kind == CTYPE_BOOL)
		cast.number = cast.number != 0;
	s->v = cast;
	return NULL;
}

static struct err *take_step(struct state *s, const struct expr_step *step)
{
	struct ctype_info info;

	switch (step->op) {
	case EXPR_VARIABLE:
		return take_variable(s, step);
	case EXPR_NUMBER:
		s->v = (struct value){ .untyped = true, .number = step->number };
		return NULL;
	case EXPR_MEMBER:
	case EXPR_ARROW:
		return take_member(s, step);
	case EXPR_INDEX:
		info = describe(s);
		return take_element(s, &info, step->number);
	case EXPR_DEREF:
		info = describe(s);
		return take_element(s, &info, 0);
	case EXPR_CPU:
		return take_cpu(s, step);
	case EXPR_ADDRESS:
		return take_address(s);
	case EXPR_CAST:
	default:
		return take_cast(s, step);
	}
}

/* --- All of it --- */

/* The step that says of which CPU comes behind the variable. */
static uint64_t cpu_of(const struct expr *e, uint64_t cpu)
{
	return e->n > 1 && e->steps[1].op == EXPR_CPU ? e->steps[1].number : cpu;
}

struct err *value_needs_cpu(const struct value_context *c, const struct expr *e, bool *ret)
{
	struct program_variable found;

	*ret = false;
	if (e->steps[0].op != EXPR_VARIABLE || (e->n > 1 && e->steps[1].op == EXPR_CPU))
		return NULL;
	TRY(find_variable(c, &e->steps[0], &found));
	*ret = is_per_cpu(c->kernel, &found);
	return NULL;
}

struct err *value_find(const struct value_context *c, const struct expr *e, uint64_t cpu, struct value *ret)
{
	struct state s = { .c = c, .e = e, .cpu = cpu_of(e, cpu) };

	for (size_t i = 0; i < e->n; i++) {
		TRY(take_step(&s, &e->steps[i]));
		s.before = &e->steps[i];
	}
	*ret = s.v;
	return NULL;
}

struct err *value_as(const struct value_context *c, const struct expr *e, const struct value *v,
		     const struct expr_type *type, struct value *ret)
{
	struct state s = { .c = c, .e = e, .before = &e->steps[e->n - 1], .v = *v };
	struct ctype_info info = describe(&s);
	struct ctype t;
	uint64_t address;

	TRY(find_type(c, type, &t));
	if (info.kind != CTYPE_POINTER && info.kind != CTYPE_ARRAY &&
	    (info.kind != CTYPE_INTEGER || info.size != NUMBER_MAX))
		return refuse(&s, ERR_USAGE, ", and no address at which --type says what is; & gives its own");
	TRY(load_pointer(&s, &info, &address));
	place(&s, &t, address);
	*ret = s.v;
	return NULL;
}

struct err *value_check(const struct value_context *c, const struct expr *e, const struct value *v)
{
	uint64_t phys;

	if (!v->in_memory)
		return NULL;
	return err_wrap(mem_translate(c->kernel->mem, v->address, &phys), "'%s' is at 0x%" PRIx64, e->text, v->address);
}
