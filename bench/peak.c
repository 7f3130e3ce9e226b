/*
 * Runs a program and looks at its memory whenever it enters or leaves a system call, and when it ends: prints the most that it
 * had to itself, in KB. usage: peak COMMAND...
 *
 * "private" is what the kernel counts as Private_Clean and Private_Dirty: pages that nobody else has mapped, those of mapped
 * files among them, which the kernel can take back. "anonymous" is what it can't.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static long field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtol(at + strlen(name), NULL, 10) : 0;
}

static void look(int fd, long *peak, long *anonymous)
{
	char text[4096];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	long now;

	if (n <= 0)
		return;
	text[n] = '\0';
	now = field(text, "Private_Clean:") + field(text, "Private_Dirty:");
	if (now > *peak)
		*peak = now;
	now = field(text, "Anonymous:");
	if (now > *anonymous)
		*anonymous = now;
}

static int follow(pid_t pid)
{
	long peak = 0, anonymous = 0;
	char path[64];
	int status, fd;

	waitpid(pid, &status, 0);
	ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXIT);
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(path);
		return 1;
	}
	for (;;) {
		int signal = 0;

		if (WIFEXITED(status) || WIFSIGNALED(status))
			break;
		look(fd, &peak, &anonymous);
		if (WIFSTOPPED(status) && WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != (SIGTRAP | 0x80))
			signal = WSTOPSIG(status);
		if (ptrace(PTRACE_SYSCALL, pid, 0, signal) < 0 || waitpid(pid, &status, 0) < 0)
			break;
	}
	close(fd);
	fprintf(stderr, "private %ld anonymous %ld\n", peak, anonymous);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc < 2) {
		fprintf(stderr, "usage: peak COMMAND...\n");
		return 2;
	}
	pid = fork();
	if (pid < 0) {
		perror("fork");
		return 1;
	}
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	return follow(pid);
}
