/*
 * The bytes that are kept are those that are searched: a head, entries sorted by name, and the names. A checksum finds
 * accidents; beyond that nothing of it is believed but that it is of this build: names may lie anywhere within the bytes, and
 * whoever follows an entry looks whether what is described there has that name.
 */
#include "debuginfo/names.h"

#include "base/buildid.h"
#include "base/log.h"
#include "base/near.h"
#include "debuginfo/kept.h"
#include "debuginfo/names_private.h"

enum { FILE_MAX = 1 << 29 };

static const char magic[16] = "ktb names 3\n";

struct head {
	char magic[sizeof(magic)];
	char build_id[BUILD_ID_DIGITS_MAX + 8];
	uint64_t entries;
	uint64_t text;     /* bytes */
	uint64_t checksum; /* of all that follows */
};

/* --- Search --- */

static struct names_entry entry_at(const struct names *n, size_t i)
{
	struct names_entry e;

	memcpy(&e, n->bytes.data + n->entries + i * sizeof(e), sizeof(e));
	return e;
}

/* The text ends with a NUL, which names_parse() has seen. */
static const char *name_of(const struct names *n, const struct names_entry *e)
{
	return e->name < n->text_len ? n->bytes.data + n->text + e->name : "";
}

/* The first entry that is not before the name. */
static size_t lower_bound(const struct names *n, const char *name)
{
	size_t low = 0, high = n->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct names_entry e = entry_at(n, middle);

		if (strcmp(name_of(n, &e), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t names_find(const struct names *n, const char *name, unsigned int kinds, struct name_entry *ret, size_t max)
{
	size_t found = 0;

	for (size_t i = lower_bound(n, name); i < n->n; i++) {
		struct names_entry e = entry_at(n, i);

		if (!streq(name_of(n, &e), name))
			break;
		if (!(e.kind & kinds))
			continue;
		if (found < max)
			ret[found] = (struct name_entry){ e.kind, e.global, e.die, e.address };
		found++;
	}
	return found;
}

void names_near(const struct names *n, const char *name, unsigned int kinds, size_t max, struct strv *ret)
{
	struct near near;

	near_init(&near, name, max);
	for (size_t i = 0; i < n->n; i++) {
		struct names_entry e = entry_at(n, i);

		if (e.kind & kinds)
			near_offer(&near, name_of(n, &e), strlen(name_of(n, &e)));
	}
	near_take(&near, ret);
}

void names_destroy(struct names *n)
{
	if (!n)
		return;
	buf_deinit(&n->bytes);
	free(n);
}

/* --- Kept --- */

/* As FNV-1a, but of whole words: these are megabytes, and byte by byte would take longer than all else. */
static uint64_t checksum(const char *data, size_t len)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	while (len) {
		size_t n = MIN(len, sizeof(uint64_t));
		uint64_t word = 0;

		memcpy(&word, data, n);
		sum = (sum ^ word) * UINT64_C(0x100000001b3);
		sum ^= sum >> 32;
		data += n;
		len -= n;
	}
	return sum;
}

static struct head head_of(const char *build_id)
{
	struct head h = { .entries = 0 };

	memcpy(h.magic, magic, sizeof(magic));
	snprintf(h.build_id, sizeof(h.build_id), "%s", build_id);
	return h;
}

void names_seal(struct buf *b)
{
	struct head h;

	if (b->len < sizeof(h))
		return;
	memcpy(&h, b->data, sizeof(h));
	h.checksum = checksum(b->data + sizeof(h), b->len - sizeof(h));
	memcpy(b->data, &h, sizeof(h));
}

void names_format(const struct names *n, const char *build_id, struct buf *ret)
{
	struct head h = head_of(build_id);

	h.entries = n->n;
	h.text = n->text_len;
	buf_append(ret, &h, sizeof(h));
	buf_append(ret, n->bytes.data + n->entries, n->n * sizeof(struct names_entry));
	buf_append(ret, n->bytes.data + n->text, n->text_len);
	names_seal(ret);
}

struct err *names_parse(struct buf *b, const char *build_id, struct names **ret)
{
	const struct head expected = head_of(build_id);
	struct names *n;
	struct head h;
	size_t rest;

	if (b->len < sizeof(h))
		return err_create(ERR_BAD_DATA, "the kept index of names is cut off");
	memcpy(&h, b->data, sizeof(h));
	rest = b->len - sizeof(h);
	if (memcmp(h.magic, expected.magic, sizeof(h.magic)) != 0 ||
	    memcmp(h.build_id, expected.build_id, sizeof(h.build_id)) != 0)
		return err_create(ERR_BAD_DATA, "the kept index of names is another kernel's or program's");
	if (h.entries > rest / sizeof(struct names_entry) || h.text != rest - h.entries * sizeof(struct names_entry) ||
	    !h.text || b->data[b->len - 1] || h.checksum != checksum(b->data + sizeof(h), rest))
		return err_create(ERR_BAD_DATA, "the kept index of names is damaged");
	n = xcalloc(1, sizeof(*n));
	n->n = h.entries;
	n->entries = sizeof(h);
	n->text = sizeof(h) + h.entries * sizeof(struct names_entry);
	n->text_len = h.text;
	n->bytes = *b;
	*b = (struct buf)BUF_INIT;
	*ret = n;
	return NULL;
}

/* False: they have to be looked for again. */
static bool load_kept(const struct kept *kept, const char *build_id, struct names **ret)
{
	_cleanup_(buf_deinit) struct buf bytes = BUF_INIT;
	struct err *e;

	if (!kept_read(kept, FILE_MAX, &bytes))
		return false;
	e = names_parse(&bytes, build_id, ret);
	if (!e)
		return true;
	kept_is_unusable(kept, e);
	return false;
}

struct err *names_load(const char *build_id, const char *vmlinux, struct names **ret)
{
	_cleanup_(kept_deinit) struct kept kept = KEPT_INIT;
	_cleanup_(buf_deinit) struct buf bytes = BUF_INIT;

	TRY(kept_open(&kept, build_id, ".names"));
	if (load_kept(&kept, build_id, ret))
		return NULL;
	TRY(build_id_check(vmlinux, build_id));
	log_debug("looking where %s describes its variables and types", vmlinux);
	TRY(names_build(vmlinux, ret));
	names_format(*ret, build_id, &bytes);
	kept_write(&kept, bytes.data, bytes.len);
	return NULL;
}
