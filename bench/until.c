/*
 * until FILE SECONDS TEXT COMMAND...: runs a command until its output has TEXT, prints how long that took in seconds, and
 * ends it. All that it says, on stderr too, goes to FILE. For bench/: the same clock for everything that is compared.
 *
 * Exit status: 0 if TEXT came, 1 if the command ended without it, 124 if it took longer than SECONDS.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static pid_t start(char **argv, int *ret_in, int *ret_out)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe(in) < 0 || pipe(out) < 0) {
		perror("pipe");
		exit(2);
	}
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(in[1]);
		close(out[0]);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	*ret_in = in[1];
	*ret_out = out[0];
	return pid;
}

/* Reads until the text is there. The end of what was read is kept, for a text that comes in two pieces. */
static int wait_for(int fd, const char *text, double deadline, FILE *copy)
{
	static char bytes[1 << 20];
	size_t len = 0, keep = strlen(text);

	while (now() < deadline) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		size_t start;
		ssize_t n;

		if (poll(&pfd, 1, 100) <= 0)
			continue;
		n = read(fd, bytes + len, sizeof(bytes) - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 1;
		fwrite(bytes + len, 1, (size_t)n, copy);
		/* Only where it is new: some write a byte at a time. */
		start = len > keep ? len - keep : 0;
		len += (size_t)n;
		if (memmem(bytes + start, len - start, text, keep))
			return 0;
		if (len > sizeof(bytes) / 2) {
			memmove(bytes, bytes + len - keep, keep);
			len = keep;
		}
	}
	return 124;
}

int main(int argc, char **argv)
{
	FILE *copy = argc < 5 ? NULL : fopen(argv[1], "we");
	double begin, took;
	int in, out, result;
	pid_t pid;

	if (!copy) {
		fprintf(stderr, "usage: until FILE SECONDS TEXT COMMAND...\n");
		return 2;
	}
	begin = now();
	pid = start(argv + 4, &in, &out);
	result = wait_for(out, argv[3], begin + atof(argv[2]), copy);
	took = now() - begin;
	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	fclose(copy);
	if (result == 0)
		printf("%.3f\n", took);
	return result;
}
