/*
 * Fuzzes the command line: the first byte chooses the command, NULs end the words.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

enum { WORDS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(config_destroy) struct config *c = config_create();
	_cleanup_(strv_deinit) struct strv positional = STRV_INIT, rest = STRV_INIT;
	_cleanup_(free) char *text = xmalloc(size + 1);
	_cleanup_(err_destroy) struct err *e = NULL;
	char *argv[WORDS_MAX + 1];
	bool help;
	int argc = 0;

	if (!size)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (char *word = text + 1; word < text + size && argc < WORDS_MAX; word += strlen(word) + 1)
		argv[argc++] = word;
	argv[argc] = NULL;
	e = config_parse_args(c, (enum command_id)(*data % (COMMAND_VERSION + 1)), argc, argv, &positional, &rest,
			      &help);
	if ((e && err_code(e) != ERR_USAGE) || positional.n + rest.n > (size_t)argc)
		abort();
	return 0;
}
