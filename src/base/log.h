/*
 * What the program says while it works: to stderr, one line each, "ktb: " in front. Results never come this way.
 */
#pragma once

enum log_level {
	LOG_LEVEL_QUIET, /* errors only */
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* The one global of the program. */
extern enum log_level log_level;

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * While the terminal is in raw mode a line must end with \r\n, and a line must begin at its first column. Whoever sets
 * raw mode says so here.
 */
void log_set_raw_terminal(int raw);

/*
 * Has somebody else write what is said: whole lines, each ended by a newline. For one whose standard error may be a
 * terminal that nobody reads, and who must not wait for it. NULL: to stderr again.
 */
void log_set_sink(void (*sink)(const char *text, void *data), void *data);
