/*
 * Theory of operation. LLDB takes one address of each file, so it gets copies in which each section has its address.
 *
 * LLDB loads what is new in a list before it unloads what is gone, and then knows nothing any more of what begins where that
 * began. So it gets what stays first, and all when it asks again, which it is told to do at once. An empty list it pays no heed to.
 */
#include <inttypes.h>

#include "base/util.h"
#include "target/linux_modules_private.h"

/* The element of a copy that has its sections at these addresses. */
static struct err *make_copy(struct linux_target *l, const struct known *k, const uint64_t *addresses, char **ret)
{
	_cleanup_(free) char *path = NULL;
	struct buf xml = BUF_INIT;
	uint64_t base;

	TRY(l->params.place_module(l->params.user, k->path, addresses, k->sections.n, &path, &base));
	linux_library_begin(path, &xml);
	buf_printf(&xml, "<section address=\"0x%" PRIx64 "\"/></library>\n", base);
	*ret = buf_steal(&xml);
	return NULL;
}

char *linux_placed_element(struct linux_target *l, const struct known *k, const struct module *m)
{
	_cleanup_(free) uint64_t *addresses = xcalloc(k->sections.n + 1, sizeof(*addresses));
	struct linux_modules *s = l->modules;
	struct err *e = NULL;
	char *xml = NULL;

	for (size_t i = 0; i < k->sections.n; i++)
		addresses[i] = linux_take_hole(&s->hole, k->sections.v[i].size);
	if (!s->nowhere)
		e = make_copy(l, k, addresses, &s->nowhere);
	for (size_t i = 0; i < k->sections.n; i++) {
		uint64_t address = linux_section_address(&k->sections.v[i], &k->places[i], m);

		addresses[i] = address ? address : addresses[i];
	}
	if (!e)
		e = make_copy(l, k, addresses, &xml);
	if (e)
		linux_modules_note(s, "module %s has no symbols here: %s", m->name, err_message(e));
	err_ignore(e);
	return xml;
}

void linux_put_placed(struct linux_modules *s, struct buf *ret)
{
	_cleanup_(buf_deinit) struct buf all = BUF_INIT, stays = BUF_INIT;
	const struct buf *list = &all;

	for (size_t i = 0; i < s->n; i++) {
		const char *xml = s->v[i].xml;

		buf_puts(&all, xml ? xml : "");
		buf_puts(&stays, xml && s->has && strstr(s->has, xml) ? xml : "");
	}
	if (s->has && stays.len < strlen(s->has) && stays.len < all.len)
		list = &stays;
	free(s->has);
	s->has = xstrdup(buf_str(list));
	buf_printf(ret, "<library-list>%s</library-list>", list->len ? s->has : s->nowhere ? s->nowhere : "");
}
