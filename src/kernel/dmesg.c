#include "kernel/dmesg.h"

#include "base/util.h"
#include "kernel/kernel_private.h"

enum { POINTER = 8, STATE_SHIFT = 62, BLOCK_HEAD = 8, BATCH_BYTES = 4096 };

/* A descriptor's state_var: its state in the two highest bits, its ID below. */
#define ID_MASK ((UINT64_C(1) << STATE_SHIFT) - 1)

/* A position with this bit set stands for no data. */
#define NO_DATA UINT64_C(1)

void dmesg_deinit(struct dmesg *d)
{
	free(d->records);
	buf_deinit(&d->text);
	*d = (struct dmesg)DMESG_INIT;
}

static const char *const level_names[] = { "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug" };

const char *dmesg_level_name(unsigned int level)
{
	return level < ARRAY_SIZE(level_names) ? level_names[level] : "?";
}

const char *dmesg_facility_name(unsigned int facility)
{
	static const char *const names[] = { "kern",   "user",   "mail",   "daemon", "auth",     "syslog",
					     "lpr",    "news",   "uucp",   "cron",   "authpriv", "ftp",
					     "res0",   "res1",   "res2",   "res3",   "local0",   "local1",
					     "local2", "local3", "local4", "local5", "local6",   "local7" };

	return facility < ARRAY_SIZE(names) ? names[facility] : "?";
}

int dmesg_level_parse(const char *name)
{
	if (*name >= '0' && *name <= '7' && !name[1])
		return *name - '0';
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (streq(name, level_names[i]))
			return (int)i;
	}
	return -1;
}

/* --- The ring --- */

struct ring {
	const struct kernel *k;
	uint64_t descs, infos, data; /* addresses */
	uint32_t desc_size, info_size;
	uint64_t count, size; /* descriptors; bytes of data: both powers of 2 */
	uint64_t tail, head;  /* IDs of the oldest and of the newest record */
};

static struct err *damaged(const char *what)
{
	return err_create(ERR_BAD_DATA, "the kernel's log is not as it should be: %s", what);
}

/* What stays as it is once the kernel has allocated its buffer. */
static bool read_geometry(struct ring *r, uint64_t ring, uint64_t *ret_count_bits, uint64_t *ret_size_bits)
{
	const struct kernel *k = r->k;

	r->desc_size = k->facts[FACT_DESC].size;
	r->info_size = k->facts[FACT_INFO].size;
	return read_member(k, ring, FACT_RING_COUNT_BITS, ret_count_bits) &&
	       read_member(k, ring, FACT_RING_SIZE_BITS, ret_size_bits) &&
	       read_pointer(k, ring, FACT_RING_DESCS, &r->descs) && read_pointer(k, ring, FACT_RING_INFOS, &r->infos) &&
	       read_pointer(k, ring, FACT_RING_DATA, &r->data);
}

static struct err *open_ring(struct ring *r)
{
	const struct kernel *k = r->k;
	uint64_t ring, count_bits, size_bits;

	if (!read_number(k, symbol(k, FACT_LOG_RING), POINTER, &ring) || !is_kernel_address(ring) ||
	    !read_geometry(r, ring, &count_bits, &size_bits))
		return err_create(ERR_FAULT, "the kernel's log can't be read: its ring buffer is not in memory");
	if (count_bits > LIMIT_LOG_COUNT_BITS || size_bits > LIMIT_LOG_SIZE_BITS)
		return damaged("its size is impossible");
	if (!r->desc_size || r->desc_size > LIMIT_LOG_STRUCT || !r->info_size || r->info_size > LIMIT_LOG_STRUCT)
		return damaged("vmlinux gives impossible sizes of its parts");
	r->count = UINT64_C(1) << count_bits;
	r->size = UINT64_C(1) << size_bits;
	/* The tail first: it only moves on. */
	if (!read_member(k, ring, FACT_RING_TAIL_ID, &r->tail) || !read_member(k, ring, FACT_RING_HEAD_ID, &r->head))
		return err_create(ERR_FAULT, "the kernel's log can't be read: its ring buffer is not in memory");
	r->tail &= ID_MASK;
	r->head &= ID_MASK;
	/* More than fit are in it if it was written between the two reads. */
	if (((r->head - r->tail) & ID_MASK) >= r->count)
		r->tail = (r->head - (r->count - 1)) & ID_MASK;
	return NULL;
}

static uint64_t desc_address(const struct ring *r, uint64_t id)
{
	return r->descs + (id & (r->count - 1)) * r->desc_size;
}

static uint64_t info_address(const struct ring *r, uint64_t id)
{
	return r->infos + (id & (r->count - 1)) * r->info_size;
}

/* --- A record --- */

/*
 * Descriptors and infos lie side by side: copies of those of some records that follow each other. What was copied of a record
 * counts if its state is still the same when the rest of it has been read.
 */
struct batch {
	uint64_t id; /* of the first one */
	size_t n;    /* 0: nothing is in it */
	uint8_t descs[BATCH_BYTES], infos[BATCH_BYTES];
};

static bool batch_has(const struct batch *b, uint64_t id)
{
	return ((id - b->id) & ID_MASK) < b->n;
}

/* From this one on, max at most. */
static bool batch_load(struct batch *b, const struct ring *r, uint64_t id, size_t max)
{
	uint64_t to_end = r->count - (id & (r->count - 1)), to_head = ((r->head - id) & ID_MASK) + 1;
	size_t room = BATCH_BYTES / MAX(r->desc_size, r->info_size);
	size_t n = (size_t)MIN(MIN(max, room), MIN(to_end, to_head));

	b->id = id;
	b->n = mem_try_read(r->k->mem, desc_address(r, id), b->descs, n * r->desc_size) &&
			       mem_try_read(r->k->mem, info_address(r, id), b->infos, n * r->info_size)
		       ? n
		       : 0;
	return b->n;
}

enum outcome {
	READ,
	GONE,    /* overwritten, or damaged */
	PENDING, /* being written */
	EMPTY,   /* not in use: the oldest one is, before the ring has gone round */
	AGAIN,   /* it changed while it was read */
};

/*
 * Where the text block of a descriptor lies in the data ring, and its length with its head. False: nowhere. Positions begin one
 * size of the ring before they overflow, so at some time in each log one is behind that.
 */
static bool locate_block(const struct ring *r, uint64_t begin, uint64_t next, uint64_t *ret_offset, uint64_t *ret_len)
{
	uint64_t end_wraps = (next - 1) / r->size;

	if (begin % POINTER || next % POINTER)
		return false;
	if (begin / r->size == end_wraps) {
		*ret_offset = begin % r->size;
		*ret_len = next - begin;
	} else if ((begin + r->size) / r->size == end_wraps) {
		/* It would not have fit before the end; its head is there, it is at the start. */
		*ret_offset = 0;
		*ret_len = next % r->size;
	} else {
		return false;
	}
	return *ret_len >= BLOCK_HEAD && *ret_len <= r->size;
}

static enum outcome read_text(const struct ring *r, uint64_t id, const uint8_t *desc, uint64_t text_len,
			      struct buf *text, struct dmesg_record *record)
{
	const struct kernel *k = r->k;
	uint64_t begin, next, offset, len, owner;
	char *block;

	record->text = text->len;
	record->text_len = 0;
	if (!member_of(k, desc, r->desc_size, FACT_DESC_BEGIN, &begin) ||
	    !member_of(k, desc, r->desc_size, FACT_DESC_NEXT, &next))
		return GONE;
	/* An empty line; or one for which there was no room. */
	if ((begin & NO_DATA) && (next & NO_DATA))
		return text_len ? GONE : READ;
	/* Blocks don't overlap: all of them together have room in the ring. */
	if (!locate_block(r, begin, next, &offset, &len) || text->len + len > r->size)
		return GONE;
	len = MIN(len, BLOCK_HEAD + text_len);
	block = buf_reserve(text, len);
	if (!mem_try_read(k->mem, r->data + offset, block, len))
		return GONE;
	memcpy(&owner, block, sizeof(owner));
	if (owner != id)
		return GONE;
	record->text = text->len + BLOCK_HEAD;
	record->text_len = len - BLOCK_HEAD;
	return READ;
}

static bool parse_info(const struct ring *r, const uint8_t *info, struct dmesg_record *ret, uint64_t *ret_text_len)
{
	const struct kernel *k = r->k;
	uint64_t facility, level, caller = 0;

	if (!member_of(k, info, r->info_size, FACT_INFO_SEQ, &ret->seq) ||
	    !member_of(k, info, r->info_size, FACT_INFO_TIME, &ret->time) ||
	    !member_of(k, info, r->info_size, FACT_INFO_TEXT_LEN, ret_text_len) ||
	    !member_of(k, info, r->info_size, FACT_INFO_FACILITY, &facility) ||
	    !member_of(k, info, r->info_size, FACT_INFO_LEVEL, &level))
		return false;
	ret->facility = (uint8_t)facility;
	ret->level = level & 7;
	ret->caller = member_of(k, info, r->info_size, FACT_INFO_CALLER, &caller) ? (uint32_t)caller : 0;
	return true;
}

/* The state of a record as it is now. False if another one has its place, or it can't be read. */
static bool read_state(const struct ring *r, uint64_t id, uint64_t *ret)
{
	return read_number(r->k, desc_address(r, id) + offset_of(r->k, FACT_DESC_STATE), POINTER, ret) &&
	       (*ret & ID_MASK) == id;
}

/* One that is in the batch. Text is put behind what is there, and not committed. */
static enum outcome try_record(const struct ring *r, const struct batch *b, uint64_t id, struct buf *text,
			       struct dmesg_record *ret)
{
	const struct kernel *k = r->k;
	size_t i = (size_t)((id - b->id) & ID_MASK);
	const uint8_t *desc = b->descs + i * r->desc_size, *info = b->infos + i * r->info_size;
	uint64_t before, after, text_len;
	enum outcome outcome;

	if (!member_of(k, desc, r->desc_size, FACT_DESC_STATE, &before) || (before & ID_MASK) != id)
		return GONE;
	if (before >> STATE_SHIFT != k->facts[FACT_DESC_COMMITTED].value &&
	    before >> STATE_SHIFT != k->facts[FACT_DESC_FINALIZED].value)
		return before >> STATE_SHIFT ? EMPTY : PENDING;
	ret->open = before >> STATE_SHIFT == k->facts[FACT_DESC_COMMITTED].value;
	if (!parse_info(r, info, ret, &text_len))
		return GONE;
	outcome = read_text(r, id, desc, text_len, text, ret);
	if (!read_state(r, id, &after))
		return GONE;
	return before == after ? outcome : AGAIN;
}

/* By the batch; but what was copied a while ago is no reason to give a record up, nor to take an open one. */
static enum outcome read_record(const struct ring *r, struct batch *b, uint64_t id, struct buf *text,
				struct dmesg_record *ret)
{
	struct batch own;
	enum outcome outcome;

	if (batch_has(b, id) || batch_load(b, r, id, SIZE_MAX)) {
		outcome = try_record(r, b, id, text, ret);
		if (outcome == EMPTY || (outcome == READ && !ret->open))
			return outcome;
	}
	for (unsigned int i = 0; i < LIMIT_TRIES; i++) {
		if (!batch_load(&own, r, id, 1))
			return GONE;
		outcome = try_record(r, &own, id, text, ret);
		if (outcome != AGAIN)
			return outcome;
	}
	return GONE;
}

/*
 * The ID at which to begin for records from that seq on: IDs and seqs go up together. Where the newest record doesn't
 * tell, all are looked at.
 */
static uint64_t first_id(const struct ring *r, uint64_t from)
{
	uint64_t seq, back;

	if (!from || !read_member(r->k, info_address(r, r->head), FACT_INFO_SEQ, &seq))
		return r->tail;
	/* Its seq may still be that of the record which it replaces. */
	back = seq >= from ? seq - from + 2 : r->count;
	return back < ((r->head - r->tail) & ID_MASK) ? (r->head - back) & ID_MASK : r->tail;
}

static void add_record(struct dmesg *d, size_t *cap, const struct dmesg_record *record)
{
	if (d->n == *cap) {
		*cap = *cap ? 2 * *cap : 1024;
		d->records = xreallocarray(d->records, *cap, sizeof(*d->records));
	}
	d->records[d->n++] = *record;
	/* With the head of its block in front of it. */
	if (record->text_len)
		buf_commit(&d->text, record->text + record->text_len - d->text.len);
	d->next = record->seq + 1;
}

/* They ascend, as they are written; anything else is damage. */
static void add_new(struct dmesg *d, size_t *cap, const struct dmesg_record *record, uint64_t from)
{
	if (record->seq < from)
		return;
	if (record->seq < d->next)
		d->lost++;
	else
		add_record(d, cap, record);
}

static void read_records(const struct ring *r, uint64_t from, bool closed, struct dmesg *d)
{
	uint64_t id = first_id(r, from), n = ((r->head - id) & ID_MASK) + 1;
	size_t cap = 0;
	bool seen = false;
	uint64_t last = 0;
	struct batch batch = { .n = 0 };

	d->next = from;
	for (; n; n--, id = (id + 1) & ID_MASK) {
		struct dmesg_record record = { 0 };

		switch (read_record(r, &batch, id, &d->text, &record)) {
		case READ:
			seen = true;
			last = MAX(last, record.seq);
			if (closed && record.open)
				n = 1;
			else
				add_new(d, &cap, &record, from);
			break;
		case PENDING:
			if (closed)
				n = 1;
			break;
		case EMPTY:
			break;
		case GONE:
		case AGAIN:
			d->lost++;
			break;
		}
	}
	d->restarted = from && (!seen || last + 1 < from);
}

struct err *dmesg_read(const struct kernel *k, uint64_t from, bool closed, struct dmesg *ret)
{
	static const enum kernel_fact facts[] = {
		FACT_LOG_RING,     FACT_RING_COUNT_BITS, FACT_RING_DESCS,     FACT_RING_INFOS,     FACT_RING_HEAD_ID,
		FACT_RING_TAIL_ID, FACT_RING_SIZE_BITS,  FACT_RING_DATA,      FACT_DESC,           FACT_DESC_STATE,
		FACT_DESC_BEGIN,   FACT_DESC_NEXT,       FACT_DESC_COMMITTED, FACT_DESC_FINALIZED, FACT_INFO,
		FACT_INFO_SEQ,     FACT_INFO_TIME,       FACT_INFO_TEXT_LEN,  FACT_INFO_FACILITY,  FACT_INFO_LEVEL,
	};
	struct ring r = { .k = k };
	struct dmesg d = DMESG_INIT;

	TRY(need(k, "the kernel's log", facts, ARRAY_SIZE(facts)));
	TRY(open_ring(&r));
	read_records(&r, from, closed, &d);
	*ret = d;
	return NULL;
}
