#include <stdint.h>
#include <stdlib.h>

#include "kbuild/build_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct build_step step;

	free(build_log_first_error((const char *)data, size));
	build_log_disk_full((const char *)data, size);
	if (build_step_parse((const char *)data, size, &step) &&
	    (step.target + step.target_len != (const char *)data + size || step.action_len < 1))
		abort();
	return 0;
}
