/*
 * Fuzzes the interpreter of agent expressions. What a check lets pass can fail only as its header says, and what it refuses does
 * no harm when it is run all the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "server/agent_expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	size_t printed;
	int64_t variable;
};

/* Every other page is there. */
static bool read_memory(void *user, uint64_t address, void *ret, size_t len)
{
	(void)user;
	if (address >> 12 & 1)
		return false;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)ret)[i] = (uint8_t)((address + i) * 7);
	return true;
}

static bool read_register(void *user, unsigned int number, uint64_t *ret)
{
	(void)user;
	*ret = number * UINT64_C(0x123456789abcdef);
	return number < 256;
}

static bool get_variable(void *user, unsigned int number, int64_t *ret)
{
	*ret = ((struct seen *)user)->variable;
	return number < 256;
}

static bool set_variable(void *user, unsigned int number, int64_t value)
{
	((struct seen *)user)->variable = value;
	return number < 256;
}

static void output(void *user, const char *text, size_t len)
{
	_cleanup_(free) char *copy = xstrndup(text, len);
	struct seen *seen = user;

	if (!copy || !len)
		abort();
	seen->printed += len;
}

static bool may_fail_later(enum agent_result r)
{
	return r == AGENT_OK || r == AGENT_TOO_MANY_STEPS || r == AGENT_DIVISION_BY_ZERO || r == AGENT_FAULT ||
	       r == AGENT_BAD_REGISTER || r == AGENT_BAD_VARIABLE || r == AGENT_TOO_MUCH_OUTPUT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_deinit) struct buf text = BUF_INIT;
	struct agent_trouble refused = { 0 }, failed = { 0 };
	struct seen seen = { 0 };
	struct agent_env env = { .read_memory = read_memory,
				 .read_register = read_register,
				 .get_variable = get_variable,
				 .set_variable = set_variable,
				 .output = output,
				 .user = &seen,
				 .big_endian = size & 1 };
	uint64_t value = 0;
	enum agent_result checked = agent_check(data, size, true, &refused);
	enum agent_result ran = agent_run(data, size, &env, 1000, &value, &failed);

	if (checked == AGENT_OK && !may_fail_later(ran))
		abort();
	if ((checked != AGENT_OK && refused.at > size) || (ran != AGENT_OK && failed.at > AGENT_CODE_MAX))
		abort();
	if (seen.printed > AGENT_OUTPUT_MAX)
		abort();
	if (size <= 4096)
		agent_disassemble(data, size, &text);
	if (ran != AGENT_OK)
		agent_describe(ran, &failed, data, size, &text);
	return 0;
}
