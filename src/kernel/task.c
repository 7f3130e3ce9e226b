#include "kernel/task.h"

#include "base/util.h"
#include "kernel/kernel_private.h"

/* include/linux/sched.h of the kernel. The bits of the states that are reported have been these since 4.14. */
enum {
	STATE_INTERRUPTIBLE = 0x1,
	STATE_UNINTERRUPTIBLE = 0x2,
	STATE_REPORT = 0x7f,
	STATE_NOLOAD = 0x400,
	STATE_RTLOCK_WAIT = 0x1000,
	STATE_FROZEN = 0x8000,
	STATE_IDLE = STATE_UNINTERRUPTIBLE | STATE_NOLOAD,
};

#define PF_KTHREAD UINT32_C(0x00200000)

enum { PAGE_BYTES = 4096, POINTER = 8 };

void task_list_deinit(struct task_list *l)
{
	free(l->tasks);
	*l = (struct task_list)TASK_LIST_INIT;
}

/* task_state_index() and task_index_to_char() there. */
char task_state_letter(uint32_t state, uint32_t exit_state)
{
	static const char letters[] = "RSDTtXZP";
	uint32_t reported = (state | exit_state) & STATE_REPORT;

	if ((state & STATE_IDLE) == STATE_IDLE && !(state & STATE_INTERRUPTIBLE))
		return 'I';
	/* Waiting for a lock, and frozen, are shown as what they look like from outside. */
	if (state & (STATE_RTLOCK_WAIT | STATE_FROZEN))
		reported = STATE_UNINTERRUPTIBLE;
	return reported ? letters[32 - __builtin_clz(reported)] : letters[0];
}

/* --- What is in a task_struct itself --- */

enum field {
	FIELD_PID,
	FIELD_TGID,
	FIELD_FLAGS,
	FIELD_STATE,
	FIELD_EXIT_STATE,
	FIELD_CPU,
	FIELD_RUNTIME,
	/* What is behind these counts only if they are the same when it has been read. */
	FIELD_REAL_PARENT,
	FIELD_REAL_CRED,
	FIELD_MM,
	FIELD_SIGNAL,
	FIELDS_N,
};

/* Where each one is; the second for kernels that don't have the first. */
static const enum kernel_fact fields[FIELDS_N][2] = {
	[FIELD_PID] = { FACT_TASK_PID, FACT_TASK_PID },
	[FIELD_TGID] = { FACT_TASK_TGID, FACT_TASK_TGID },
	[FIELD_FLAGS] = { FACT_TASK_FLAGS, FACT_TASK_FLAGS },
	[FIELD_STATE] = { FACT_TASK_STATE, FACT_TASK_STATE_OLD },
	[FIELD_EXIT_STATE] = { FACT_TASK_EXIT_STATE, FACT_TASK_EXIT_STATE },
	[FIELD_CPU] = { FACT_TASK_CPU, FACT_TASK_CPU_OLD },
	[FIELD_RUNTIME] = { FACT_TASK_RUNTIME, FACT_TASK_RUNTIME },
	[FIELD_REAL_PARENT] = { FACT_TASK_REAL_PARENT, FACT_TASK_REAL_PARENT },
	[FIELD_REAL_CRED] = { FACT_TASK_REAL_CRED, FACT_TASK_REAL_CRED },
	[FIELD_MM] = { FACT_TASK_MM, FACT_TASK_MM },
	[FIELD_SIGNAL] = { FACT_TASK_SIGNAL, FACT_TASK_SIGNAL },
};

enum { RSS_KINDS_MAX = 8 };

/* Copies of them, and of what else is in a task_struct. */
struct copy {
	uint64_t values[FIELDS_N];
	struct links links; /* of the list through which it was reached */
	char comm[TASK_COMM_MAX];
	int32_t rss[RSS_KINDS_MAX]; /* what it has not yet added to its mm's counts, by kind */
	unsigned int known;         /* by piece */
};

/* The pieces that make up a copy: one for each field, and then these. */
enum {
	PIECE_LINKS = FIELDS_N,
	PIECE_COMM,
	PIECE_RSS,
	PIECES_N,
};

/* What is read of a task_struct at first, and of that once more when what is behind its pointers has been read. */
struct plan {
	struct mem_piece all[PIECES_N];
	struct mem_piece again[PIECES_N];
};

#define KNOWS(piece) (1U << (piece))

static const struct layout_answer *answer_for(const struct kernel *k, enum field f)
{
	return &k->facts[fields[f][has(k, fields[f][0]) ? 0 : 1]];
}

/* list: how they are reached. Pieces that the kernel doesn't have, or that can't be, read as nothing. */
static void make_plan(const struct kernel *k, enum kernel_fact list, struct plan *ret)
{
	static const size_t again[] = { FIELD_REAL_PARENT, FIELD_REAL_CRED, FIELD_MM, PIECE_COMM, PIECE_LINKS };
	const struct layout_answer *rss = &k->facts[FACT_TASK_RSS_COUNTS];

	*ret = (struct plan){ 0 };
	for (size_t i = 0; i < FIELDS_N; i++) {
		const struct layout_answer *a = answer_for(k, (enum field)i);

		ret->all[i] = (struct mem_piece){
			.offset = (uint32_t)a->value,
			.size = a->found && a->size <= sizeof(uint64_t) ? a->size : 0,
			.to = (uint32_t)(offsetof(struct copy, values) + i * sizeof(uint64_t)),
		};
	}
	ret->all[PIECE_LINKS] = (struct mem_piece){ .offset = (uint32_t)offset_of(k, list),
						    .size = sizeof(struct links),
						    .to = offsetof(struct copy, links) };
	ret->all[PIECE_COMM] = (struct mem_piece){ .offset = (uint32_t)offset_of(k, FACT_TASK_COMM),
						   .size = MIN(k->facts[FACT_TASK_COMM].size, (uint32_t)TASK_COMM_MAX),
						   .to = offsetof(struct copy, comm) };
	ret->all[PIECE_RSS] = (struct mem_piece){
		.offset = (uint32_t)rss->value,
		.size = rss->found ? MIN(rss->count, (uint32_t)RSS_KINDS_MAX) * (uint32_t)sizeof(int32_t) : 0,
		.to = offsetof(struct copy, rss)
	};
	for (size_t i = 0; i < ARRAY_SIZE(again); i++)
		ret->again[again[i]] = ret->all[again[i]];
}

/* Reads those of the pieces that have a size. */
static void read_copy(const struct kernel *k, uint64_t address, const struct mem_piece pieces[PIECES_N], struct copy *c)
{
	c->known = mem_gather(k->mem, address, pieces, PIECES_N, c);
	for (size_t i = 0; i < FIELDS_N; i++) {
		if (c->known & KNOWS(i))
			c->values[i] = decode_member(answer_for(k, (enum field)i), c->values[i]);
	}
}

static bool take(const struct copy *c, enum field f, uint64_t *ret)
{
	*ret = c->values[f];
	return c->known & KNOWS(f);
}

static void take_values(const struct copy *c, struct task *t)
{
	uint64_t pid, tgid, flags, state, exit_state, cpu;

	if (take(c, FIELD_PID, &pid) && take(c, FIELD_TGID, &tgid)) {
		t->pid = (uint32_t)pid;
		t->tgid = (uint32_t)tgid;
		t->known |= TASK_KNOWS_IDS;
	}
	if (take(c, FIELD_FLAGS, &flags)) {
		t->kernel_thread = flags & PF_KTHREAD;
		t->known |= TASK_KNOWS_KIND;
	}
	if (take(c, FIELD_STATE, &state) && take(c, FIELD_EXIT_STATE, &exit_state)) {
		t->state = task_state_letter((uint32_t)state, (uint32_t)exit_state);
		t->known |= TASK_KNOWS_STATE;
	}
	if (take(c, FIELD_CPU, &cpu) && cpu < LIMIT_CPUS) {
		t->cpu = (uint32_t)cpu;
		t->known |= TASK_KNOWS_CPU;
	}
	if (take(c, FIELD_RUNTIME, &t->time))
		t->known |= TASK_KNOWS_TIME;
}

/* --- Resident memory --- */

/* A counter whose last few steps are in numbers of each CPU's own. */
static bool read_percpu_counter(const struct kernel *k, uint64_t counter, int64_t *ret)
{
	uint64_t count, counters, cpus, offset, part;
	int64_t sum;

	if (!read_member(k, counter, FACT_PERCPU_COUNTER_COUNT, &count))
		return false;
	sum = (int64_t)count;
	if (!read_member(k, counter, FACT_PERCPU_COUNTER_COUNTERS, &counters) || !has(k, FACT_PER_CPU_OFFSET)) {
		*ret = sum;
		return true;
	}
	cpus = k->facts[FACT_PER_CPU_OFFSET].size / POINTER;
	if (has(k, FACT_NR_CPU_IDS) && read_number(k, symbol(k, FACT_NR_CPU_IDS), 4, &part))
		cpus = MIN(cpus, part);
	for (uint64_t cpu = 0; cpu < MIN(cpus, (uint64_t)LIMIT_CPUS); cpu++) {
		if (!read_number(k, symbol(k, FACT_PER_CPU_OFFSET) + cpu * POINTER, POINTER, &offset) ||
		    !read_number(k, counters + offset, 4, &part))
			return false;
		sum = (int64_t)((uint64_t)sum + (uint64_t)(int64_t)(int32_t)part);
	}
	*ret = sum;
	return true;
}

/* The counts of an mm, by kind, without what its tasks have not yet added. */
struct mm_counts {
	uint64_t mm; /* whose they are; 0: nobody's */
	int64_t counts[RSS_KINDS_MAX];
};

static const enum kernel_fact rss_kinds[] = { FACT_MM_FILEPAGES, FACT_MM_ANONPAGES, FACT_MM_SHMEMPAGES };

static bool read_mm_counts(const struct kernel *k, uint64_t mm, struct mm_counts *ret)
{
	const struct layout_answer *plain = &k->facts[FACT_MM_RSS_COUNTS], *counters = &k->facts[FACT_MM_RSS];
	/* An array has a count, too: its first element's. */
	bool is_plain = plain->found && counters->count <= 1;
	uint64_t n = MIN(is_plain ? plain->count : counters->count, (uint32_t)RSS_KINDS_MAX);

	ret->mm = 0;
	if (is_plain && !mem_try_read(k->mem, mm + plain->value, ret->counts, n * sizeof(*ret->counts)))
		return false;
	if (!is_plain && !has(k, FACT_PERCPU_COUNTER))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(rss_kinds); i++) {
		uint64_t kind = k->facts[rss_kinds[i]].value;

		if (!has(k, rss_kinds[i]) || kind >= n)
			return false;
		if (!is_plain &&
		    !read_percpu_counter(k, mm + counters->value + kind * k->facts[FACT_PERCPU_COUNTER].size,
					 &ret->counts[kind]))
			return false;
	}
	ret->mm = mm;
	return true;
}

/* last: of the mm that was read last. A process's threads share one, and it takes more reads than all else of a thread. */
static bool read_rss_of(const struct kernel *k, const struct copy *c, uint64_t mm, struct mm_counts *last,
			uint64_t *ret)
{
	uint64_t pages = 0;

	if (mm != last->mm && !read_mm_counts(k, mm, last))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(rss_kinds); i++) {
		uint64_t kind = k->facts[rss_kinds[i]].value;
		int64_t count = (int64_t)((uint64_t)last->counts[kind] + (uint64_t)(int64_t)c->rss[kind]);

		/* Below zero for a moment: the parts are not read at once. */
		pages += count > 0 ? (uint64_t)count : 0;
	}
	*ret = pages * PAGE_BYTES;
	return true;
}

/* --- All of a task --- */

/* What is behind its pointers. */
static void follow_pointers(const struct kernel *k, const struct copy *c, struct mm_counts *last, struct task *t)
{
	uint64_t parent, cred, mm, ppid, uid;

	if (take(c, FIELD_REAL_PARENT, &parent) && is_kernel_address(parent) &&
	    read_member(k, parent, FACT_TASK_TGID, &ppid)) {
		t->ppid = (uint32_t)ppid;
		t->known |= TASK_KNOWS_PARENT;
	}
	if (take(c, FIELD_REAL_CRED, &cred) && is_kernel_address(cred) && read_member(k, cred, FACT_CRED_EUID, &uid)) {
		t->uid = (uint32_t)uid;
		t->known |= TASK_KNOWS_UID;
	}
	/* Kernel threads have no memory, nor have those that are about to end. */
	if (take(c, FIELD_MM, &mm) && (!mm || read_rss_of(k, c, mm, last, &t->rss)))
		t->known |= TASK_KNOWS_RSS;
}

/* What didn't stay the same while it was read was torn. */
static unsigned int torn(const struct copy *before, const struct copy *after)
{
	static const struct {
		enum field field;
		unsigned int what;
	} pointers[] = {
		{ FIELD_REAL_PARENT, TASK_KNOWS_PARENT },
		{ FIELD_REAL_CRED, TASK_KNOWS_UID },
		{ FIELD_MM, TASK_KNOWS_RSS },
	};
	unsigned int what = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pointers); i++) {
		if (before->values[pointers[i].field] != after->values[pointers[i].field])
			what |= pointers[i].what;
	}
	if (memcmp(before->comm, after->comm, sizeof(before->comm)) != 0)
		what |= TASK_KNOWS_COMM;
	return what;
}

/* What a task was reached by and leads to; 0: not known. */
struct way {
	struct links before, after; /* its links when it was begun with, and when all had been read */
	uint64_t shared;            /* where its signal_struct is */
};

static void read_task(const struct kernel *k, const struct plan *plan, uint64_t address, struct mm_counts *last,
		      struct task *t, struct way *way)
{
	struct copy first = { .known = 0 }, then = { .known = 0 };
	unsigned int lost;

	for (unsigned int i = 0; i < LIMIT_TRIES; i++) {
		read_copy(k, address, plan->all, &first);
		/* The processor fetches the next one meanwhile. */
		mem_prefetch(k->mem, first.links.next - plan->all[PIECE_LINKS].offset, plan->all, PIECES_N);
		*t = (struct task){ .address = address };
		take_values(&first, t);
		follow_pointers(k, &first, last, t);
		read_copy(k, address, plan->again, &then);
		lost = torn(&first, &then);
		if (!lost)
			break;
		if (lost & TASK_KNOWS_RSS)
			last->mm = 0;
	}
	if (first.known & KNOWS(PIECE_COMM)) {
		memcpy(t->comm, first.comm, sizeof(first.comm));
		t->known |= TASK_KNOWS_COMM;
	}
	t->known &= ~lost;
	*way = (struct way){ first.links, then.links, first.values[FIELD_SIGNAL] };
}

void task_read(const struct kernel *k, uint64_t address, struct task *ret)
{
	struct mm_counts counts = { 0 };
	struct plan plan;
	struct way way;

	make_plan(k, FACT_TASK_TASKS, &plan);
	read_task(k, &plan, address, &counts, ret, &way);
}

bool task_read_ids(const struct kernel *k, uint64_t address, uint32_t *ret_pid, uint32_t *ret_tgid)
{
	uint64_t pid, tgid;

	if (!read_member(k, address, FACT_TASK_PID, &pid) || !read_member(k, address, FACT_TASK_TGID, &tgid))
		return false;
	*ret_pid = (uint32_t)pid;
	*ret_tgid = (uint32_t)tgid;
	return true;
}

bool task_mmu(const struct kernel *k, uint64_t address, struct mmu *ret)
{
	uint64_t mm, table;
	struct mmu_page page;

	if (!read_pointer(k, address, FACT_TASK_MM, &mm) || !read_pointer(k, mm, FACT_MM_PGD, &table) ||
	    mmu_translate(k->mem, &k->mmu, table, &page) != MMU_OK)
		return false;
	*ret = (struct mmu){ .root = page.phys, .levels = k->mmu.levels };
	return true;
}

/* --- Lists --- */

struct walk {
	const struct kernel *k;
	struct plan processes, of_process; /* for the list of processes, and that of a process's threads */
	struct mm_counts last;
	bool threads;
	bool gaps; /* threads are missing */
	struct task *tasks;
	size_t n, cap, max;
	uint64_t steps; /* that may still be taken */
};

static bool step(struct walk *w)
{
	if (!w->steps)
		return false;
	w->steps--;
	return true;
}

/* False: there are more than there can be. */
static bool add(struct walk *w, const struct task *t)
{
	if (w->n >= w->max)
		return false;
	if (w->n == w->cap) {
		w->cap = MIN(w->cap ? 2 * w->cap : 256, w->max);
		w->tasks = xreallocarray(w->tasks, w->cap, sizeof(*w->tasks));
	}
	w->tasks[w->n++] = *t;
	return true;
}

/*
 * A task of a list, its links at the address `node`, reached from `from`. False if the list was torn there. What is
 * read counts only if the task has been in the list all the time.
 */
static bool read_node(struct walk *w, const struct plan *plan, uint64_t node, uint64_t from, struct links *ret_links,
		      struct task *ret, uint64_t *ret_shared)
{
	struct way way;

	if (!is_kernel_address(node))
		return false;
	read_task(w->k, plan, node - plan->all[PIECE_LINKS].offset, &w->last, ret, &way);
	*ret_links = way.before;
	*ret_shared = way.shared;
	return way.before.prev == from && way.after.prev == from;
}

/* A thread of the process, at `at` in its list; a leader is as it was read before. */
static bool add_thread(struct walk *w, const struct task *leader, uint64_t at, uint64_t from, struct links *ret_links)
{
	uint64_t unused;
	struct task t;

	if (at - offset_of(w->k, FACT_TASK_THREAD_NODE) == leader->address)
		return read_links(w->k, at, ret_links) && ret_links->prev == from && add(w, leader);
	return read_node(w, &w->of_process, at, from, ret_links, &t, &unused) && t.tgid == leader->tgid && add(w, &t);
}

/* The time that a thread has taken goes to its process's. */
static bool add_time(const struct walk *w, struct task *process, uint64_t at, uint64_t from, struct links *ret_links)
{
	uint64_t address = at - offset_of(w->k, FACT_TASK_THREAD_NODE), time;

	if (!read_links(w->k, at, ret_links) || ret_links->prev != from)
		return false;
	if (address == process->address)
		return true;
	if (read_member(w->k, address, FACT_TASK_RUNTIME, &time))
		process->time += time;
	else
		process->known &= ~TASK_KNOWS_TIME;
	return true;
}

/* The threads of a process, its leader included: added each, or their times to the process's. False: torn. */
static bool walk_threads(struct walk *w, struct task *process, uint64_t shared)
{
	uint64_t head = shared + offset_of(w->k, FACT_SIGNAL_THREAD_HEAD), at, from, ended, again;
	const struct task leader = *process;
	struct links links;

	if (!is_kernel_address(shared) || !read_links(w->k, head, &links))
		return false;
	if (read_member(w->k, shared, FACT_SIGNAL_RUNTIME, &ended))
		process->time += ended;
	else
		process->known &= ~TASK_KNOWS_TIME;
	for (at = links.next, from = head; at != head; from = at, at = links.next) {
		if (!step(w) ||
		    !(w->threads ? add_thread(w, &leader, at, from, &links) : add_time(w, process, at, from, &links)))
			return false;
	}
	return read_member(w->k, process->address, FACT_TASK_SIGNAL, &again) && again == shared;
}

/* A process that is there, with its threads. If those can't be had, the leader alone is. */
static bool add_process(struct walk *w, const struct task *leader, uint64_t shared)
{
	struct task t;

	for (unsigned int i = 0; i < LIMIT_TRIES; i++) {
		size_t n = w->n;

		t = *leader;
		if (walk_threads(w, &t, shared))
			return w->threads || add(w, &t);
		w->n = n;
	}
	t = *leader;
	if (w->threads)
		w->gaps = true;
	else
		t.known &= ~TASK_KNOWS_TIME;
	return add(w, &t);
}

/* Once through the list. False if it was torn; what was found up to there stays in w. */
static bool walk(struct walk *w)
{
	uint64_t head = symbol(w->k, FACT_INIT_TASK) + offset_of(w->k, FACT_TASK_TASKS), at, from;
	struct links links;

	w->n = 0;
	w->gaps = false;
	if (!read_links(w->k, head, &links))
		return false;
	for (at = links.next, from = head; at != head; from = at, at = links.next) {
		uint64_t shared;
		struct task t;

		/* An mm that has gone may have left its place to the next process's. */
		w->last.mm = 0;
		if (!step(w) || !read_node(w, &w->processes, at, from, &links, &t, &shared) ||
		    !add_process(w, &t, shared))
			return false;
	}
	return read_links(w->k, head, &links) && links.prev == from;
}

static struct err *check_facts(const struct kernel *k)
{
	static const enum kernel_fact facts[] = {
		FACT_INIT_TASK, FACT_TASK,      FACT_TASK_TASKS,  FACT_TASK_THREAD_NODE,
		FACT_TASK_PID,  FACT_TASK_TGID, FACT_TASK_SIGNAL, FACT_SIGNAL_THREAD_HEAD,
	};
	uint64_t pid;

	TRY(need(k, "tasks", facts, ARRAY_SIZE(facts)));
	if (!k->facts[FACT_TASK].size)
		return err_create(ERR_UNSUPPORTED, "can't read tasks: vmlinux says that task_struct has no size");
	if (!read_member(k, symbol(k, FACT_INIT_TASK), FACT_TASK_PID, &pid) || pid != 0)
		return err_create(
			ERR_FAULT,
			"the first task (init_task at 0x%llx) can't be read; the guest has not come so far, or its "
			"memory is damaged",
			(unsigned long long)symbol(k, FACT_INIT_TASK));
	return NULL;
}

struct err *task_list_read(const struct kernel *k, bool threads, struct task_list *ret)
{
	struct walk w = { .k = k, .threads = threads };
	bool complete = false;

	TRY(check_facts(k));
	w.max = (size_t)MIN(mem_size(k->mem) / k->facts[FACT_TASK].size, (uint64_t)LIMIT_TASKS);
	make_plan(k, FACT_TASK_TASKS, &w.processes);
	make_plan(k, FACT_TASK_THREAD_NODE, &w.of_process);
	w.steps = (uint64_t)w.max * LIMIT_TRIES;
	for (unsigned int i = 0; i < LIMIT_TRIES && !complete; i++)
		complete = walk(&w);
	*ret = (struct task_list){ w.tasks, w.n, complete && !w.gaps };
	return NULL;
}
