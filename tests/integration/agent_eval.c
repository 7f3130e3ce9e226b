/*
 * Evaluates the conditions and commands of the breakpoints in a log of GDB's packets, on registers and memory that GDB wrote
 * (agent_expr.py), and prints what they print, and where it would stop: what gdbserver is to say too.
 *
 * usage: agent_eval FOLDER		with the files log, registers and memory.ADDRESS in it
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "base/util.h"
#include "server/agent_expr.h"

enum { REGISTERS = 24, RANGES = 8, TV = 2 };

struct process {
	uint64_t registers[REGISTERS];
	struct {
		uint64_t address;
		size_t len;
		char *bytes;
	} ranges[RANGES];
	size_t n;
	uint64_t pc; /* the breakpoint's */
};

static bool read_memory(void *user, uint64_t address, void *ret, size_t len)
{
	const struct process *p = user;

	for (size_t i = 0; i < p->n; i++) {
		uint64_t offset = address - p->ranges[i].address;

		if (offset > p->ranges[i].len || len > p->ranges[i].len - offset)
			continue;
		memcpy(ret, p->ranges[i].bytes + offset, len);
		return true;
	}
	return false;
}

static bool read_register(void *user, unsigned int number, uint64_t *ret)
{
	enum { RIP = 16 };
	const struct process *p = user;

	if (number >= REGISTERS)
		return false;
	*ret = number == RIP ? p->pc : p->registers[number];
	return true;
}

static bool get_variable(void *user, unsigned int number, int64_t *ret)
{
	(void)user;
	*ret = 5;
	return number == TV;
}

static void output(void *user, const char *text, size_t len)
{
	(void)user;
	fwrite(text, 1, len, stdout);
}

static struct buf load(const char *folder, const char *name)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", folder, name);
	struct buf b = BUF_INIT;
	struct err *e = read_file(path, 16 * MIB, &b);

	if (e) {
		fprintf(stderr, "agent_eval: %s\n", err_message(e));
		exit(2);
	}
	return b;
}

static void load_registers(struct process *p, const char *folder)
{
	_cleanup_(buf_deinit) struct buf b = load(folder, "registers");
	char *line, *rest = b.data;

	while ((line = strsep(&rest, "\n")) && *line) {
		char *value;
		unsigned long number = strtoul(line, &value, 10);

		if (number < REGISTERS)
			p->registers[number] = strtoull(value, NULL, 16);
	}
}

static void load_memory(struct process *p, const char *folder)
{
	_cleanup_(closedir) DIR *dir = opendir(folder);

	for (struct dirent *d; dir && (d = readdir(dir)) && p->n < RANGES;) {
		const char *address = skip_prefix(d->d_name, "memory.");
		struct buf b;

		if (!address)
			continue;
		b = load(folder, d->d_name);
		p->ranges[p->n].address = strtoull(address, NULL, 16);
		p->ranges[p->n].len = b.len;
		p->ranges[p->n++].bytes = b.data;
	}
}

/* --- Breakpoints --------------------------------------------------------------------------------------------------- */

struct point {
	uint64_t address;
	struct agent_breakpoint b;
};

struct points {
	struct point *v;
	size_t n;
};

/* "w $Z0,401108,1;X...#18" */
static void add_point(struct points *points, const char *line)
{
	const char *packet = skip_prefix(line, "w $Z0,"), *end = strchr(line, '#');
	struct agent_breakpoint b = { .persist = false };
	uint64_t address;
	struct err *e;
	char *p;

	if (!packet || !end)
		return;
	address = strtoull(packet, &p, 16);
	strtoull(p + 1, &p, 16);
	e = agent_parse_breakpoint(p, (size_t)(end - p), &b);
	if (e) {
		printf("at 0x%" PRIx64 ": %s\n", address, err_message(e));
		err_destroy(e);
		return;
	}
	if (!b.commands.n && !b.conditions.n) /* GDB's own, for the dynamic linker */
		return;
	for (size_t i = 0; i < points->n; i++) {
		if (points->v[i].address == address) {
			agent_breakpoint_deinit(&b);
			return;
		}
	}
	points->v = xreallocarray(points->v, points->n + 1, sizeof(*points->v));
	points->v[points->n++] = (struct point){ address, b };
}

static int by_address(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static bool evaluate(const struct agent_env *env, const struct agent_expr *e, uint64_t *ret_value)
{
	_cleanup_(buf_deinit) struct buf why = BUF_INIT;
	struct agent_trouble trouble;
	enum agent_result r = agent_run(e->code, e->len, env, AGENT_STEPS_MAX, ret_value, &trouble);

	if (r == AGENT_OK)
		return true;
	agent_describe(r, &trouble, e->code, e->len, &why);
	printf("%s\n", buf_str(&why));
	return false;
}

static void pass(struct process *p, const struct agent_env *env, const struct point *point)
{
	bool stops = !point->b.conditions.n;

	p->pc = point->address;
	for (size_t i = 0; i < point->b.conditions.n && !stops; i++) {
		uint64_t value;

		stops = !evaluate(env, &point->b.conditions.v[i], &value) || value;
	}
	if (stops && !point->b.commands.n)
		printf("stops at 0x%" PRIx64 "\n", point->address);
	for (size_t i = 0; i < point->b.commands.n && stops; i++)
		evaluate(env, &point->b.commands.v[i], NULL);
}

int main(int argc, char **argv)
{
	struct process p = { .n = 0 };
	const struct agent_env env = { .read_memory = read_memory,
				       .read_register = read_register,
				       .get_variable = get_variable,
				       .output = output,
				       .user = &p };
	struct points points = { NULL, 0 };
	_cleanup_(buf_deinit) struct buf log = BUF_INIT;
	char *rest, *line;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	load_registers(&p, argv[1]);
	load_memory(&p, argv[1]);
	log = load(argv[1], "log");
	rest = log.data;
	while ((line = strsep(&rest, "\n")))
		add_point(&points, line);
	if (points.n)
		qsort(points.v, points.n, sizeof(*points.v), by_address);
	for (size_t i = 0; i < points.n; i++) {
		pass(&p, &env, &points.v[i]);
		agent_breakpoint_deinit(&points.v[i].b);
	}
	free(points.v);
	for (size_t i = 0; i < p.n; i++)
		free(p.ranges[i].bytes);
	return 0;
}
