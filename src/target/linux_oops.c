/*
 * Theory of operation. All ends of a kernel's own making lead through few functions, at whose entry there are hooks: die(),
 * die_addr() and __die() have the registers at the culprit (pt_regs) as their second argument, and __warn() as its fifth;
 * panic() has none, for it was called by the culprit. die() calls __die(), and so do page faults, which don't come through
 * die(): at __die() what comes from die() was told already.
 *
 * BUG() is an instruction that no CPU has, and reaches die() as every other exception does; it is told by the instruction.
 * What was wrong the kernel has written to its log just before, and that is what the user is told; without it, what die() is
 * called with.
 *
 * The signals are such as a process would get. None of them is passed on: a machine has no signals.
 */
#include "target/linux_oops.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/printable.h"
#include "base/util.h"
#include "kernel/dmesg.h"
#include "target/linux_hooks.h"
#include "target/linux_modules.h"
#include "target/linux_tasks.h"
#include "target/machine.h"

enum kind { KIND_OOPS, KIND_BUG, KIND_PANIC, KIND_WARN, KINDS_N };

/* signo: as GDB numbers them. */
static const struct {
	const char *word;
	unsigned int signo;
} kinds[KINDS_N] = {
	[KIND_OOPS] = { "oops", 11 },
	[KIND_BUG] = { "bug", 4 },
	[KIND_PANIC] = { "panic", 6 },
	[KIND_WARN] = { "warn", 5 },
};

/* Of text in the guest, and of the log: what a complaint is among the last records. */
enum { TEXT_MAX = 256, RECORDS_BACK = 8 };

struct linux_oops {
	unsigned int wanted; /* a bit for each kind */
	uint32_t cpu;        /* the CPU's thread that the culprit is on; 0: there is none */
	char name[64];
	struct entry_register registers[ENTRY_REGISTERS_MAX];
	size_t n;
};

/* --- What is wanted --- */

static bool take_word(const char *word, size_t len, unsigned int *ret)
{
	for (size_t i = 0; i < KINDS_N; i++) {
		if (strlen(kinds[i].word) == len && strncmp(word, kinds[i].word, len) == 0) {
			*ret |= 1U << i;
			return true;
		}
	}
	return false;
}

static struct err *parse(const char *words, unsigned int *ret)
{
	static const char separators[] = ", ";
	unsigned int wanted = 0;
	bool good = *words, none = streq(words, "none");

	for (const char *w = words; good && *w && !none;) {
		size_t len = strcspn(w, separators);

		good = take_word(w, len, &wanted);
		w += len;
		w += strspn(w, separators);
	}
	if (!good)
		return err_create(ERR_USAGE,
				  "'%s': what a debugger stops at is said by oops, bug, panic and warn, with commas "
				  "between them, or none",
				  words);
	*ret = wanted;
	return NULL;
}

struct err *linux_stop_on_check(const char *words)
{
	unsigned int unused;

	return parse(words, &unused);
}

struct linux_oops *linux_oops_create(const char *stop_on)
{
	struct linux_oops *o = xcalloc(1, sizeof(*o));

	if (stop_on)
		err_ignore(parse(stop_on, &o->wanted));
	/* A BUG() is an oops. */
	if (o->wanted & 1U << KIND_OOPS)
		o->wanted |= 1U << KIND_BUG;
	return o;
}

void linux_oops_destroy(struct linux_oops *o)
{
	free(o);
}

static bool wants(const struct linux_target *l, enum kind kind)
{
	return l->oops->wanted & 1U << kind;
}

bool linux_oops_wants_deaths(const struct linux_target *l)
{
	return wants(l, KIND_BUG);
}

bool linux_oops_wants_panics(const struct linux_target *l)
{
	return wants(l, KIND_PANIC);
}

bool linux_oops_wants_warnings(const struct linux_target *l)
{
	return wants(l, KIND_WARN);
}

/* --- The culprit's thread --- */

void linux_oops_forget(struct linux_target *l)
{
	l->oops->cpu = 0;
	l->oops->n = 0;
}

bool linux_oops_has_thread(const struct linux_target *l, uint32_t thread)
{
	return l->oops->cpu && linux_is_culprit(thread) && linux_oops_cpu(thread) == l->oops->cpu;
}

void linux_oops_add_thread(struct linux_target *l, struct target_threads *ret)
{
	struct target_thread thread = { .id = CULPRIT_THREAD_BASE + l->oops->cpu, .core = UINT32_MAX };

	if (!l->oops->cpu)
		return;
	for (size_t i = 0; i < ret->n; i++) {
		if (ret->v[i].id == l->oops->cpu)
			thread.core = ret->v[i].core;
	}
	snprintf(thread.name, sizeof(thread.name), "%s", l->oops->name);
	target_threads_add(ret, &thread);
}

struct err *linux_oops_registers(const struct linux_target *l, uint32_t thread, const struct entry_register **ret,
				 size_t *ret_n)
{
	if (!linux_oops_has_thread(l, thread))
		return err_create(ERR_NOT_FOUND, "thread %" PRIu32 " was there only until the machine went on", thread);
	*ret = l->oops->registers;
	*ret_n = l->oops->n;
	return NULL;
}

/* --- What can be said --- */

/* Somewhere in a function. */
struct spot {
	uint64_t address; /* 0: not known */
	bool is_return;   /* a call returns there, be it to the function behind, as that of one that never does */
};

static bool put_symbol(struct symbols *s, struct spot spot, uint64_t slide, struct buf *b)
{
	uint64_t address = spot.address - slide;
	struct symbols_place place;

	if (!s || !symbols_function_at(s, address - spot.is_return, &place))
		return false;
	buf_printf(b, "%s+0x%" PRIx64, place.name, address - place.address);
	return true;
}

/* "vfs_read+0x12", "hello_init+0x5 [hello]", or an address. */
static void put_place(struct linux_target *l, struct spot spot, struct buf *b)
{
	_cleanup_(symbols_destroy) struct symbols *module = NULL;
	const char *name;

	if (put_symbol(linux_symbols(l), spot, kernel_slide(l->kernel), b))
		return;
	if (linux_module_symbols(l, spot.address, &module, &name) && put_symbol(module, spot, 0, b))
		buf_printf(b, " [%s]", name);
	else
		buf_printf(b, "0x%" PRIx64, spot.address);
}

/* A string of the kernel's, as far as it can be read and fits. */
static void read_text(struct linux_target *l, uint32_t cpu, uint64_t address, char ret[TEXT_MAX])
{
	size_t got = 0;
	struct err *e = address ? target_read_memory(l->target.beneath, cpu, address, ret, TEXT_MAX - 1, &got) : NULL;

	ret[e ? 0 : got] = '\0';
	err_ignore(e);
}

static uint64_t argument(struct linux_target *l, uint32_t cpu, unsigned int n)
{
	uint64_t value;
	struct err *e = linux_argument(l, cpu, n, &value);

	if (!e)
		return value;
	err_ignore(e);
	return 0;
}

static uint64_t caller(struct linux_target *l, uint32_t cpu)
{
	uint64_t value;
	struct err *e = linux_caller(l, cpu, &value);

	if (!e)
		return value;
	err_ignore(e);
	return 0;
}

/* A line without its end. */
static void put_line(struct buf *b, const char *text)
{
	printable_append(b, text, strcspn(text, "\n"));
}

/* Appends the last record of the log that begins so, if it is one of the last ones. */
static bool put_complaint(struct linux_target *l, const char *prefix, struct buf *b)
{
	_cleanup_(dmesg_deinit) struct dmesg log = DMESG_INIT;
	struct err *e = dmesg_read(l->kernel, 0, false, &log);
	bool failed = e;

	err_ignore(e);
	for (size_t i = log.n; !failed && i > 0 && i + RECORDS_BACK > log.n; i--) {
		const struct dmesg_record *r = &log.records[i - 1];
		const char *text = log.text.data + r->text;
		const char *end = memchr(text, '\n', r->text_len);

		if (r->text_len < strlen(prefix) || strncmp(text, prefix, strlen(prefix)) != 0)
			continue;
		printable_append(b, text, end ? (size_t)(end - text) : r->text_len);
		return true;
	}
	return false;
}

/* --- Stops --- */

/* The culprit with these n registers is a thread from now on. */
static void add_culprit(struct linux_target *l, uint32_t cpu, enum kind kind, const struct entry_register *registers,
			size_t n, const char *place)
{
	_cleanup_(buf_deinit) struct buf task = BUF_INIT;
	struct linux_oops *o = l->oops;
	uint32_t unused;

	o->cpu = cpu;
	o->n = n;
	memcpy(o->registers, registers, n * sizeof(*registers));
	if (!linux_name_current(l, cpu, &task, &unused))
		buf_putc(&task, '?');
	snprintf(o->name, sizeof(o->name), "%s: %s at %s", kinds[kind].word, buf_str(&task), place);
}

/* where: that was. registers: of the culprit, n of them; 0: there is none. */
static bool stop(struct linux_target *l, struct target_event *event, enum kind kind, const struct buf *text,
		 struct spot where, const struct entry_register *registers, size_t n)
{
	_cleanup_(buf_deinit) struct buf message = BUF_INIT, place = BUF_INIT;

	buf_printf(&message, "%s: %s", kinds[kind].word, text->len ? text->data : "the kernel doesn't say why");
	if (where.address) {
		put_place(l, where, &place);
		buf_printf(&message, ", in %s", buf_str(&place));
	}
	if (n) {
		add_culprit(l, event->thread, kind, registers, n, buf_str(&place));
		buf_printf(&message, "; the registers there are those of the thread \"%s: ...\"", kinds[kind].word);
	}
	free(event->message);
	event->message = buf_steal(&message);
	event->signo = kinds[kind].signo;
	return true;
}

static bool is_bug(struct linux_target *l, uint32_t cpu, uint64_t pc)
{
	uint8_t code[MACHINE_BUG_SIZE] = { 0 };
	size_t got = 0;

	err_ignore(target_read_memory(l->target.beneath, cpu, pc, code, sizeof(code), &got));
	return got == sizeof(code) && machine_is_bug(code);
}

static bool is_called_by_die(struct linux_target *l, uint32_t cpu)
{
	struct symbols_place place;
	uint64_t address = caller(l, cpu), die = kernel_symbol(l->kernel, FACT_DIE);

	return die && address && linux_symbols(l) &&
	       symbols_function_at(linux_symbols(l), address - 1 - kernel_slide(l->kernel), &place) &&
	       place.address + kernel_slide(l->kernel) == die;
}

/* die(what, regs, error code), and those that have the same arguments. */
bool linux_oops_dies(struct linux_target *l, struct target_event *event)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct entry_register registers[ENTRY_REGISTERS_MAX];
	char what[TEXT_MAX];
	uint64_t pc = 0;
	enum kind kind;
	size_t n;

	if (is_called_by_die(l, event->thread))
		return false;
	n = entry_registers(l->kernel, argument(l, event->thread, 1), registers);
	kind = entry_register(registers, n, machine_pc, &pc) && is_bug(l, event->thread, pc) ? KIND_BUG : KIND_OOPS;
	if (!wants(l, kind))
		return false;
	read_text(l, event->thread, argument(l, event->thread, 0), what);
	if (kind == KIND_BUG ? !put_complaint(l, "kernel BUG at ", &text)
			     : !streq(what, "Oops") || !put_complaint(l, "BUG: ", &text))
		put_line(&text, what);
	return stop(l, event, kind, &text, (struct spot){ pc, false }, registers, n);
}

/*
 * The text of a call such as printf's, its format being the first argument: up to the first conversion other than one of a
 * string that is in a register.
 */
static void put_format(struct linux_target *l, uint32_t cpu, struct buf *b)
{
	char format[TEXT_MAX], piece[TEXT_MAX];
	unsigned int next = 1;
	const char *at = format;

	read_text(l, cpu, argument(l, cpu, 0), format);
	format[strcspn(format, "\n")] = '\0';
	for (size_t plain; *at; at += plain + strlen("%s")) {
		plain = strcspn(at, "%");
		printable_append(b, at, plain);
		if (!at[plain])
			break;
		if (at[plain + 1] != 's' || next > 5) {
			buf_puts(b, "...");
			break;
		}
		read_text(l, cpu, argument(l, cpu, next++), piece);
		put_line(b, piece);
	}
}

/* panic(format, ...) */
bool linux_oops_panics(struct linux_target *l, struct target_event *event)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;

	put_format(l, event->thread, &text);
	return stop(l, event, KIND_PANIC, &text, (struct spot){ caller(l, event->thread), true }, NULL, 0);
}

/* __warn(file, line, where, taint, regs, ...); regs may be NULL. */
bool linux_oops_warns(struct linux_target *l, struct target_event *event)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct entry_register registers[ENTRY_REGISTERS_MAX];
	struct spot where = { argument(l, event->thread, 2), true };
	char file[TEXT_MAX];
	size_t n = entry_registers(l->kernel, argument(l, event->thread, 4), registers);

	read_text(l, event->thread, argument(l, event->thread, 0), file);
	buf_puts(&text, "WARNING");
	if (*file) {
		buf_puts(&text, " at ");
		put_line(&text, file);
		buf_printf(&text, ":%" PRIu32, (uint32_t)argument(l, event->thread, 1));
	}
	where.is_return = !entry_register(registers, n, machine_pc, &where.address);
	return stop(l, event, KIND_WARN, &text, where, registers, n);
}
