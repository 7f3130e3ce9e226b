#include "base/hmp.h"
#include "base/util.h"
#include "target/qemu_private.h"

struct err *qemu_monitor(struct target *t, uint32_t thread, const char *line, target_output output, void *user)
{
	_cleanup_(buf_deinit) struct buf request = BUF_INIT, reply = BUF_INIT;
	_cleanup_(free) char *refusal = hmp_is_harmless(line) ? NULL : hmp_refusal(line);
	struct qemu_target *q = qemu_target(t);

	(void)thread;
	if (refusal)
		return err_create(ERR_USAGE, "%s", refusal);
	/* The stub would say nothing of it, and take the next question for the wish to stop. */
	if (hmp_is_command(line, "cont") || hmp_is_command(line, "c"))
		return err_create(ERR_USAGE, "QEMU's cont would have the guest run behind the debugger's back; use the "
					     "debugger's own continue");
	buf_puts(&request, "qRcmd,");
	rsp_put_hex_text(&request, line + strspn(line, " "));
	/* It may have changed registers, and which CPU is meant. */
	qemu_forget_registers(q);
	q->selected = 0;
	TRY(rsp_client_call_output(q->stub, request.data, request.len, QEMU_TIMEOUT_MS, output, user, &reply));
	TRY(rsp_reply_error(reply.data, reply.len, ERR_BAD_DATA));
	/* The stub has no word for it while the machine stands. */
	q->resetting = q->resetting || hmp_is_command(line, "system_reset");
	return NULL;
}
