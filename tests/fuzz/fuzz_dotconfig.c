/*
 * Fuzzes .config files. What a line says must be said again by the line that is written for it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "kbuild/dotconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static struct err *write_and_read(struct dotconfig_line *l, int number, void *user)
{
	_cleanup_(dotconfig_line_deinit) struct dotconfig_line again = { 0 };
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	(void)user;
	check(number > 0 && dotconfig_valid_name(l->name, strlen(l->name)));
	dotconfig_write_line(&b, l->name, l->kind, l->value);
	check(b.len && b.data[b.len - 1] == '\n' && !dotconfig_parse_line(b.data, b.len - 1, &again));
	check(streq(l->name, again.name) && streq(l->value, again.value) && l->kind == again.kind);
	return NULL;
}

static struct err *look_up(struct dotconfig_line *l, int number, void *user)
{
	(void)number;
	check(dotconfig_get(user, l->name) != NULL);
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(dotconfig_destroy) struct dotconfig *c = NULL;
	const char *text = size ? (const char *)data : "";
	struct err *e = dotconfig_parse("fuzz", text, size, &c);

	if (e) {
		check(err_code(e) == ERR_BAD_DATA && !c);
		err_destroy(e);
		return 0;
	}
	check(!dotconfig_for_each("fuzz", text, size, write_and_read, NULL));
	check(!dotconfig_for_each("fuzz", text, size, look_up, c));
	return 0;
}
