#include "cmd/guest_watch.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor/control.h"

enum {
	SILENCE_TICKS = 2, /* before the supervisor is asked */
	PING_TICKS = 8,    /* before the guest is asked for a sign of life */
	LOST_TICKS = 20,   /* before it is said that none came */
	ANSWER_TICKS = 30, /* for the agent to answer once init is up */
	UP_SAY_TICKS = 4,  /* before it is said that the guest isn't up yet */
	UP_TICKS = 240,    /* for it to be up */
	MOMENT_TRIES = 20,
	MOMENT_TRY_MS = 50,
};

static struct err *vm_ended(const struct guest_watch *w)
{
	return err_create(ERR_CLOSED, "VM '%s' has ended%s", w->vm->name,
			  w->begun ? ", and the command with it" : " before the command ran");
}

static const struct {
	const char *status;
	const char *text;
	const char *remedy;
} stopped[] = {
	{ "waiting", "is held at reset, and waits for a debugger", "Let it go on with continue in GDB (ktb gdb)" },
	{ "debug", "is stopped by a debugger", "Let it go on with continue in GDB" },
	{ "paused", "is paused", "Let it go on: continue in GDB, or cont in QEMU's monitor" },
	{ "panicked", "has panicked", "Look at it with ktb gdb, or end it with ktb stop" },
	{ "shutdown", "has reset itself again and again", "Look at its console, or end it with ktb stop" },
	{ "internal-error", "was given up by QEMU", "End it with ktb stop" },
};

/* The VM's state: an error if it can't be asked. *ret_stopped: why it doesn't run, an index; -1: it does. */
static struct err *look(struct guest_watch *w, int *ret_stopped)
{
	_cleanup_(close) int sock = -1;
	_cleanup_(free) char *status = NULL;
	struct err *e = rundir_connect(w->vm, "control.sock", &sock);
	struct control_guest guest = { 0 };

	if (!e)
		e = control_guest_status(sock, &status, &guest);
	/* Closed with our question unread it is a reset. */
	if (e && (err_code(e) == ERR_CLOSED || err_errno(e) == ECONNRESET || err_errno(e) == EPIPE)) {
		err_destroy(e);
		return vm_ended(w);
	}
	TRY(e);
	if (guest.up && !w->up)
		w->up_ticks = w->ticks;
	w->up = guest.up;
	w->own_init = guest.own_init;
	*ret_stopped = -1;
	for (size_t i = 0; i < ARRAY_SIZE(stopped); i++) {
		if (streq(status, stopped[i].status))
			*ret_stopped = (int)i;
	}
	w->stopped_looks = *ret_stopped < 0 ? 0 : w->stopped_looks + 1;
	return NULL;
}

static struct err *check_before(struct guest_watch *w)
{
	const char *name = w->vm->name;
	int why = -1;

	TRY(look(w, &why));
	/* Ours goes on where the other can't be run. */
	if (w->own_init && !w->up)
		return err_create(
			ERR_UNSUPPORTED,
			"VM '%s' has an init of its own, and what runs commands and takes files there comes with "
			"ktb's. Use its console (ktb console %s), or start it with a port that leads to its ssh "
			"(--forward auto:22)",
			name, name);
	if (w->stopped_looks > 1)
		return err_create(ERR_CLOSED, "VM '%s' %s, so nothing can be run in it. %s", name, stopped[why].text,
				  stopped[why].remedy);
	if (!w->up && w->ticks >= UP_TICKS)
		return err_create(
			ERR_TIMEOUT,
			"the guest's init was not there within %d seconds: the guest still boots, stands at the "
			"kdb prompt, or its kernel has no virtio console; see ktb console %s",
			UP_TICKS * GUEST_WATCH_TICK_MS / 1000, name);
	if (!w->up && w->ticks == UP_SAY_TICKS)
		log_info("waiting for the guest to be up");
	if (w->up && w->ticks >= w->up_ticks + ANSWER_TICKS)
		return err_create(ERR_TIMEOUT,
				  "the guest has not answered for %d seconds: it may stand at the kdb prompt (type go "
				  "there), or hang; see ktb console %s",
				  ANSWER_TICKS * GUEST_WATCH_TICK_MS / 1000, name);
	return NULL;
}

static void tell(struct guest_watch *w, const char *what, const char *remedy)
{
	if (w->told == what)
		return;
	w->told = what;
	log_warn("VM '%s' %s; the command waits. %s, or give it up with %s", w->vm->name, what, remedy, w->give_up);
}

static struct err *check_during(struct guest_watch *w, bool *ret_ping)
{
	unsigned int silence = w->ticks - w->heard_ticks;
	int why = -1;

	if (silence < SILENCE_TICKS)
		return NULL;
	if (silence >= PING_TICKS && !w->pinged)
		*ret_ping = w->pinged = true;
	TRY(look(w, &why));
	if (why >= 0 && streq(stopped[why].status, "panicked"))
		return err_create(ERR_CLOSED, "the guest panicked, and the command with it; see ktb console %s",
				  w->vm->name);
	if (w->stopped_looks > 1)
		tell(w, stopped[why].text, stopped[why].remedy);
	else if (why < 0 && silence >= LOST_TICKS)
		tell(w, "has not answered for some time", "It may stand at the kdb prompt, or hang: see ktb console");
	return NULL;
}

struct err *guest_watch_begin(struct guest_watch *w)
{
	for (int i = 0; i < MOMENT_TRIES; i++) {
		int why = -1;

		TRY(look(w, &why));
		if (why < 0 || !streq(stopped[why].status, "paused"))
			break;
		usleep(MOMENT_TRY_MS * 1000);
	}
	return check_before(w);
}

struct err *guest_watch_tick(struct guest_watch *w, bool *ret_ping)
{
	*ret_ping = false;
	w->ticks++;
	return w->begun ? check_during(w, ret_ping) : check_before(w);
}

void guest_watch_heard(struct guest_watch *w)
{
	w->heard_ticks = w->ticks;
	w->pinged = false;
	if (w->told && w->begun)
		log_info("the guest goes on");
	w->told = NULL;
}

struct err *guest_watch_broken(struct guest_watch *w)
{
	for (int i = 0; i < MOMENT_TRIES; i++) {
		int why = -1;

		TRY(look(w, &why));
		usleep(MOMENT_TRY_MS * 1000);
	}
	return err_create(ERR_CLOSED,
			  "the connection to the guest broke%s: it shuts down or restarts, or its agent died",
			  w->begun ? ", and the command was hung up" : "");
}
