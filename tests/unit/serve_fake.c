/*
 * Serves the fake machine of fake_target.h to one client over TCP: for trying real debuggers on server/.
 *
 * usage: serve_fake [-t TRANSCRIPT] [-s]	prints the port on a line; -s: with a thread that sleeps
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/sock.h"
#include "rsp/transcript.h"
#include "server/session.h"

#include "fake_target.h"

struct tap {
	FILE *file;
	uint64_t start;
};

static void write_down(enum rsp_direction direction, enum rsp_event event, const char *payload, size_t len, void *user)
{
	const struct tap *tap = user;
	_cleanup_(buf_deinit) struct buf line = BUF_INIT;
	const struct rsp_record record = {
		.time_us = (now_ns() - tap->start) / 1000,
		.side = RSP_SIDE_CLIENT,
		.direction = direction,
		.event = event,
		.payload = payload,
		.len = len,
	};

	rsp_transcript_put(&line, &record);
	fwrite(buf_str(&line), 1, line.len, tap->file);
	fflush(tap->file);
}

static int listen_and_accept(void)
{
	uint16_t port;
	int fd, client, on = 1;
	struct err *e = sock_listen_loopback(0, &fd, &port);

	if (e)
		return -1;
	set_nonblock(fd, false);
	printf("%u\n", port);
	fflush(stdout);
	client = accept(fd, NULL, NULL);
	close(fd);
	if (client >= 0) {
		setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		set_nonblock(client, true);
	}
	return client;
}

int main(int argc, char **argv)
{
	_cleanup_(target_destroy) struct target *t = fake_target_create();
	_cleanup_(err_destroy) struct err *e = NULL;
	struct tap tap = { .file = NULL, .start = now_ns() };
	struct session_params params = { .greeting = "fake: welcome\n" };
	int option, client;

	while ((option = getopt(argc, argv, "st:")) != -1) {
		if (option == 's')
			fake_target(t)->sleeper = true;
		else if (option != 't' || !(tap.file = fopen(optarg, "w")))
			return 2;
	}
	if (tap.file) {
		params.tap = write_down;
		params.tap_user = &tap;
	}
	client = listen_and_accept();
	if (client < 0)
		return 2;
	e = session_run(client, -1, t, &params);
	close(client);
	if (tap.file)
		fclose(tap.file);
	fwrite(buf_str(&fake_target(t)->log), 1, fake_target(t)->log.len, stderr);
	if (e)
		fprintf(stderr, "%s\n", err_message(e));
	return e ? 1 : 0;
}
