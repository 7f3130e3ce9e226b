/*
 * The end of the VM.
 */
#pragma once

#include <sys/types.h>

enum ending {
	ENDING_NONE,
	ENDING_POWEROFF,
	ENDING_REBOOT,
	ENDING_HALT,
};

/*
 * Ends all processes, writes back what is dirty, lets the terminal's output drain, and powers off (reboots, halts).
 * Each of these waits is bounded. SIGCHLD and SIGTTOU must be blocked. shell is the shell's pid, 0 if it has ended; tty
 * may be -1.
 */
_Noreturn void shut_down(enum ending how, pid_t shell, int tty);
