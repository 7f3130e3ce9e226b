#include "cmd/inspect_cpus.h"

#include "kernel/cpu.h"
#include "supervisor/control.h"

void inspect_cpus_deinit(struct inspect_cpus *c)
{
	free(c->cpus);
	*c = (struct inspect_cpus)INSPECT_CPUS_INIT;
}

struct err *inspect_cpus_read(const struct inspect *in, struct inspect_cpus *ret)
{
	ret->n = cpu_count(in->kernel);
	ret->cpus = xcalloc(ret->n, sizeof(*ret->cpus));
	return NULL;
}
