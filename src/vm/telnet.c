#include "vm/telnet.h"

enum { SE = 240, BRK = 243, SB = 250, WILL = 251, WONT = 252, DO = 253, DONT = 254, IAC = 255 };
enum { BINARY = 0, ECHO = 1, GO_AHEAD = 3 };
enum { NO, ASKED, YES };

static void put(struct buf *b, int verb, int option)
{
	buf_putc(b, (char)IAC);
	buf_putc(b, (char)verb);
	buf_putc(b, (char)option);
}

void telnet_begin(struct telnet *t, struct buf *ret)
{
	t->ours[BINARY] = t->theirs[BINARY] = t->theirs[GO_AHEAD] = ASKED;
	put(ret, WILL, BINARY);
	put(ret, DO, BINARY);
	put(ret, DO, GO_AHEAD);
}

static bool is_welcome(uint8_t option, bool is_theirs)
{
	return option == BINARY || option == GO_AHEAD || (option == ECHO && is_theirs);
}

/* Only what changes something is answered: two who answer each other's answers would never end. */
static void negotiate(struct telnet *t, uint8_t option, struct buf *answer)
{
	bool is_theirs = t->verb == WILL || t->verb == WONT, on = t->verb == WILL || t->verb == DO;
	int yes = is_theirs ? DO : WILL, no = is_theirs ? DONT : WONT;
	uint8_t *state;

	if (!is_welcome(option, is_theirs)) {
		if (on)
			put(answer, no, option);
		return;
	}
	state = is_theirs ? &t->theirs[option] : &t->ours[option];
	if (on && *state == NO)
		put(answer, yes, option);
	else if (!on && *state == YES)
		put(answer, no, option);
	*state = on ? YES : NO;
}

static void feed_data(struct telnet *t, uint8_t c, struct buf *ret)
{
	bool behind_cr = t->state == TELNET_CR;

	t->state = TELNET_DATA;
	if (c == IAC) {
		t->state = TELNET_COMMAND;
		return;
	}
	if (behind_cr && c == '\0' && t->theirs[BINARY] != YES)
		return;
	if (c == '\r')
		t->state = TELNET_CR;
	buf_putc(ret, (char)c);
}

static void feed_command(struct telnet *t, uint8_t c, struct buf *ret)
{
	t->state = TELNET_DATA;
	if (c >= WILL && c <= DONT) {
		t->verb = c;
		t->state = TELNET_OPTION;
	} else if (c == SB) {
		t->state = TELNET_SUB;
	} else if (c == IAC) {
		buf_putc(ret, (char)IAC);
	} else if (c < SE) {
		buf_putc(ret, (char)IAC);
		feed_data(t, c, ret);
	}
}

void telnet_feed(struct telnet *t, const char *bytes, size_t len, struct buf *ret, struct buf *ret_answer)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)bytes[i];

		switch (t->state) {
		case TELNET_DATA:
		case TELNET_CR:
			feed_data(t, c, ret);
			break;
		case TELNET_COMMAND:
			feed_command(t, c, ret);
			break;
		case TELNET_OPTION:
			t->state = TELNET_DATA;
			negotiate(t, c, ret_answer);
			break;
		case TELNET_SUB:
			if (c == IAC)
				t->state = TELNET_SUB_IAC;
			break;
		case TELNET_SUB_IAC:
			t->state = c == SE ? TELNET_DATA : TELNET_SUB;
			break;
		}
	}
}

void telnet_put(const struct telnet *t, const char *bytes, size_t len, struct buf *ret)
{
	for (size_t i = 0; i < len; i++) {
		if ((uint8_t)bytes[i] == IAC)
			buf_putc(ret, (char)IAC);
		buf_putc(ret, bytes[i]);
		if (bytes[i] == '\r' && t->ours[BINARY] != YES)
			buf_putc(ret, '\0');
	}
}

void telnet_put_break(struct buf *ret)
{
	buf_putc(ret, (char)IAC);
	buf_putc(ret, (char)BRK);
}
