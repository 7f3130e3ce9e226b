/*
 * In a guest: makes tasks that sleep. usage: tasks PROCESSES THREADS; prints "tasks are up" and waits.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *sleep_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

int main(int argc, char **argv)
{
	long processes = argc > 1 ? strtol(argv[1], NULL, 10) : 0, threads = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
	pthread_attr_t attr;
	pthread_t thread;

	for (long i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("fork");
			return 1;
		}
		if (!pid)
			sleep_for_ever(NULL);
	}
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16384);
	for (long i = 0; i < threads; i++) {
		if (pthread_create(&thread, &attr, sleep_for_ever, NULL)) {
			fprintf(stderr, "no thread %ld\n", i);
			return 1;
		}
	}
	puts("tasks are up");
	fflush(stdout);
	sleep_for_ever(NULL);
}
