/*
 * In a guest: calls getppid() as often as it is told. usage: calls TIMES
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	for (long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1; n > 0; n--)
		syscall(SYS_getppid);
	return 0;
}
