#include "vm/keys.h"

enum { CTRL_A = 1 };

size_t keys_feed(struct keys *k, const char *bytes, size_t len, struct buf *out, enum keys_action *ret_action)
{
	*ret_action = KEYS_NONE;
	for (size_t i = 0; i < len; i++) {
		char c = bytes[i];

		if (!k->prefixed) {
			if (c == CTRL_A)
				k->prefixed = true;
			else
				buf_putc(out, c);
			continue;
		}
		k->prefixed = false;
		switch (c) {
		case 'x':
			*ret_action = KEYS_QUIT;
			return i + 1;
		case 'c':
			*ret_action = KEYS_MONITOR;
			return i + 1;
		case 'h':
			*ret_action = KEYS_HELP;
			return i + 1;
		case CTRL_A:
			buf_putc(out, CTRL_A);
			break;
		default:
			buf_putc(out, CTRL_A);
			buf_putc(out, c);
		}
	}
	return len;
}

const char *keys_help(bool detachable)
{
	return detachable ? "Ctrl-a x        leave this console; the VM runs on\n"
			    "Ctrl-a h        this help\n"
			    "Ctrl-a Ctrl-a   send Ctrl-a to the guest"
			  : "Ctrl-a x        end the VM\n"
			    "Ctrl-a c        QEMU's monitor, and back\n"
			    "Ctrl-a h        this help\n"
			    "Ctrl-a Ctrl-a   send Ctrl-a to the guest";
}
