/*
 * Fuzzes ktb.conf: any bytes are a configuration or an error with a line, and never more.
 */
#include <stdint.h>
#include <stdlib.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(config_destroy) struct config *c = config_create();
	_cleanup_(err_destroy) struct err *e = config_parse(c, "/x/ktb.conf", (const char *)data, size);
	const struct config_kconfig *kconfig;
	size_t n;

	if (e) {
		check(err_code(e) == ERR_USAGE);
		check(skip_prefix(err_message(e), "/x/ktb.conf:") != NULL);
	}
	kconfig = config_kconfig(c, &n);
	for (size_t i = 0; i < n; i++)
		check(*kconfig[i].name && kconfig[i].line > 0);
	for (size_t i = 0; i < OPTIONS_N; i++) {
		const struct strv *list = config_list(c, (enum option_id)i);

		for (size_t j = 0; j < list->n; j++)
			check(list->v[j] != NULL);
		if (options[i].type == OPTION_TYPE_PATH && config_string(c, (enum option_id)i))
			check(*config_string(c, (enum option_id)i) != '\0');
	}
	return 0;
}
