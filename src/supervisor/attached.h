/*
 * What `ktb attach` is instead of the supervisor: a kernel at the other end of a serial line, which was started by somebody else.
 * One loop has the line, shares it between console and debugger (supervisor/line.h), listens on the debug port and answers the
 * control socket, so that other commands find it as they find a VM. Of the machine there is nothing but the line: no memory, no
 * registers but what KGDB tells.
 */
#pragma once

#include "supervisor/debugport.h"
#include "supervisor/rundir.h"
#include "vm/serial_line.h"
#include "vm/terminal.h"

struct attached_params {
	const struct serial_params *serial;
	bool has_break; /* it works on this line */
	bool has_port;
	uint16_t port; /* 0: a free one */
	debugport_serve serve;
	void *serve_user;
	struct terminal *terminal;
	const char *name_option; /* see struct supervisor_params */
	const struct rundir *rundir;
	struct vm_record *record; /* port, pid and start are filled in here, and it is written */
	/* Called once, when the line is open and the record written. line: its name. */
	void (*started)(const struct vm_record *record, const char *line, void *user);
	void *user;
};

/*
 * Until it is left or the line ends. *ret_status: 0, or 128 + the number of the signal that ended it. ERR_CLOSED: the line was
 * closed by the other side. The errors of serial_line_create() and debugport_create().
 */
struct err *attached_run(const struct attached_params *params, int *ret_status) err_must_check;
