/*
 * KGDB as a target, where of the guest nothing is to be seen but the line: how it is found, whatever state it is in; which bytes
 * of the line are told to be the console's; breakpoints, and who stopped.
 */
#include "fake_kgdb.h"

#include <errno.h>
#include <signal.h>

#include "target/kgdb.h"

struct test {
	struct fake *fake;
	pid_t pid;
	int fd;
	bool has_break;
	struct target *t;
	struct buf unclear, text; /* what came and wasn't told of; what was told to be the console's */
	bool stands;
	uint64_t active, kdb_mode; /* where the kernel's variables are; 0: not known */
	unsigned int changes;      /* of memory that were told of */
	bool sees;                 /* the kernel's memory */
};

static ssize_t read_line(void *user, void *ret, size_t len)
{
	struct test *t = user;
	ssize_t n = recv(t->fd, ret, len, MSG_DONTWAIT);

	if (n > 0)
		buf_append(&t->unclear, ret, (size_t)n);
	return n;
}

static ssize_t write_line(void *user, const void *bytes, size_t len)
{
	struct test *t = user;

	return send(t->fd, bytes, len, MSG_NOSIGNAL);
}

static struct err *send_break(void *user, const char *bytes, size_t len)
{
	struct test *t = user;
	const char byte = (char)FAKE_BREAK;

	if (!t->has_break)
		return err_create(ERR_UNSUPPORTED, "this line has no BREAK");
	if (write_line(t, &byte, 1) != 1 || write_line(t, bytes, len) != (ssize_t)len)
		return err_create(ERR_CLOSED, "the line was closed");
	return NULL;
}

static void tell(void *user, bool is_packet, size_t len)
{
	struct test *t = user;

	assert_true(len <= t->unclear.len);
	if (!is_packet)
		buf_append(&t->text, t->unclear.data, len);
	buf_consume(&t->unclear, len);
}

static void stands(void *user, bool is_so)
{
	((struct test *)user)->stands = is_so;
}

static uint64_t variable(void *user, enum kgdb_variable which)
{
	const struct test *t = user;

	return which == KGDB_VARIABLE_ACTIVE ? t->active : t->kdb_mode;
}

static void changed(void *user)
{
	((struct test *)user)->changes++;
}

static bool has_left(void *user)
{
	return ((const struct test *)user)->fake->leaves;
}

static int no_cpu(void *user)
{
	const struct test *t = user;

	return t->fake->state == FAKE_RUNS ? KGDB_NO_CPU : (int)t->fake->stopped_cpu;
}

static int set_up(void **state)
{
	struct test *t = xcalloc(1, sizeof(*t));

	t->fake = mmap(NULL, sizeof(*t->fake), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(t->fake != MAP_FAILED);
	t->fake->has_kgdb = t->fake->has_kdb = true;
	t->fake->pc[0] = 0x1100;
	t->fake->pc[1] = 0x1200;
	t->fd = -1;
	t->has_break = true;
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct test *t = *state;
	int status;

	target_destroy(t->t);
	close(t->fd);
	if (t->pid) {
		waitpid(t->pid, &status, 0);
		assert_int_equal(status, 0);
	}
	munmap(t->fake, sizeof(*t->fake));
	buf_deinit(&t->unclear);
	buf_deinit(&t->text);
	free(t);
	return 0;
}

/* The kernel begins, in the state that the fake has. */
static void begin(struct test *t)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (t->pid == 0) {
		close(pair[0]);
		fake_run(t->fake, pair[1]);
	}
	close(pair[1]);
	t->fd = pair[0];
}

static struct err *attach(struct test *t)
{
	const struct kgdb_params params = { .line = { .fd = t->fd,
						      .read = read_line,
						      .write = write_line,
						      .send_break = send_break,
						      .tell = tell,
						      .stands = stands,
						      .user = t },
					    .active_cpu = t->sees ? no_cpu : NULL,
					    .has_left = has_left,
					    .variable = variable,
					    .changed = changed,
					    .user = t };

	return kgdb_target_create(&params, &t->t);
}

static void succeed(struct err *e)
{
	if (e)
		fail_msg("%s", err_message(e));
}

static void fails(struct err *e, enum err_code code, const char *text)
{
	assert_non_null(e);
	if (err_code(e) != code || !strstr(err_message(e), text))
		fail_msg("%s", err_message(e));
	err_destroy(e);
}

static void has_text(const struct test *t, const char *text)
{
	if (!strstr(buf_str(&t->text), text))
		fail_msg("'%s' isn't in '%s'", text, buf_str(&t->text));
}

static void has_program_counter(struct test *t, uint32_t thread, uint64_t pc)
{
	uint64_t is;

	succeed(target_program_counter(t->t, thread, &is));
	assert_int_equal(is, pc);
}

/* Until it stops. */
static struct target_event next_stop(struct test *t)
{
	struct target_event e = TARGET_EVENT_INIT;

	while (e.kind == TARGET_EVENT_NONE) {
		struct pollfd p = { .fd = target_fd(t->t), .events = POLLIN };

		assert_true(poll(&p, 1, target_timeout_ms(t->t) >= 0 ? target_timeout_ms(t->t) : 60000) >= 0);
		succeed(target_next_event(t->t, &e));
	}
	return e;
}

/* What was written last is read by a process of its own. */
static void until(struct test *t, bool (*condition)(const volatile struct fake *f))
{
	uint64_t end = now_ns() + 20 * NSEC_PER_SEC;

	while (!condition(t->fake) && now_ns() < end)
		usleep(1000);
	assert_true(condition(t->fake));
}

static bool runs(const volatile struct fake *f)
{
	return f->state == FAKE_RUNS;
}

/* What was typed to its shell. */
static bool was_taken_back(const volatile struct fake *f)
{
	return f->typed_n && f->typed[f->typed_n - 1] == '\x15';
}

/* --- It is found --- */

static void a_kernel_that_runs_is_stopped_by_break(void **state)
{
	struct test *t = *state;
	struct target_threads threads = TARGET_THREADS_INIT;

	begin(t);
	succeed(attach(t));
	assert_true(t->stands);
	assert_int_equal(t->fake->state, FAKE_KGDB);
	assert_int_equal(t->fake->breaks, 1);
	assert_string_equal(t->fake->typed, "");
	has_text(t, "sysrq: DEBUG\n\nEntering kdb");
	succeed(target_threads(t->t, &threads));
	assert_int_equal(threads.n, FAKE_CPUS);
	has_program_counter(t, 1, 0x1100);
	has_program_counter(t, 2, 0x1200);
	target_threads_deinit(&threads);
}

static void so_is_one_without_kdb(void **state)
{
	struct test *t = *state;

	t->fake->has_kdb = false;
	begin(t);
	succeed(attach(t));
	has_program_counter(t, 1, 0x1100);
	succeed(target_detach(t->t));
	until(t, runs);
	assert_int_equal(t->fake->continues, 1);
}

/* The g behind the BREAK is what is typed there. */
static void one_that_stands_in_kdb_is_found_there(void **state)
{
	struct test *t = *state;

	t->fake->state = FAKE_KDB;
	begin(t);
	succeed(attach(t));
	has_program_counter(t, 1, 0x1100);
	assert_int_equal(t->fake->continues, 0);
}

static void nothing_is_sent_but_a_question_on_a_line_without_break(void **state)
{
	struct test *t = *state;

	t->has_break = false;
	t->fake->state = FAKE_KDB;
	begin(t);
	succeed(attach(t));
	has_program_counter(t, 1, 0x1100);
	assert_int_equal(t->fake->breaks, 0);
}

static void without_break_a_kernel_that_runs_is_not_stopped(void **state)
{
	struct test *t = *state;

	t->has_break = false;
	begin(t);
	fails(attach(t), ERR_UNSUPPORTED,
	      "doesn't stand in kdb or KGDB, or nobody is at the other end: this line has no BREAK");
	until(t, was_taken_back);
	assert_false(t->stands);
}

/* Whoever was there before died while it wrote. */
static void a_stub_in_the_midst_of_a_packet_is_found(void **state)
{
	struct test *t = *state;

	t->fake->state = FAKE_KGDB;
	begin(t);
	assert_int_equal(write_line(t, "$m1000,4", 8), 8);
	succeed(attach(t));
	has_program_counter(t, 1, 0x1100);
}

static void a_client_that_dies_is_followed_by_another(void **state)
{
	struct test *t = *state;

	begin(t);
	succeed(attach(t));
	succeed(target_insert(t->t, TARGET_BREAK_SOFTWARE, 0x1180, 1));
	assert_int_equal(write_line(t, "$g#6", 4), 4);
	target_destroy(steal(&t->t));
	buf_clear(&t->unclear);
	succeed(attach(t));
	has_program_counter(t, 2, 0x1200);
}

static void nobody_at_the_other_end_is_said(void **state)
{
	struct test *t = *state;

	t->fake->is_deaf = true;
	begin(t);
	fails(attach(t), ERR_TIMEOUT, "nobody is at the other end");
}

static void a_kernel_without_kgdb_is_told_by_what_it_says(void **state)
{
	struct test *t = *state;

	t->fake->has_kgdb = false;
	begin(t);
	fails(attach(t), ERR_TIMEOUT, "it has no KGDB");
	has_text(t, "sysrq: HELP");
	until(t, was_taken_back);
}

static void a_line_that_ends_is_told(void **state)
{
	struct test *t = *state;

	begin(t);
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	t->pid = 0;
	fails(attach(t), ERR_CLOSED, "closed");
}

/* --- The line --- */

static void a_damaged_packet_is_asked_for_again(void **state)
{
	struct test *t = *state;
	uint8_t bytes[4];
	size_t n;

	begin(t);
	memcpy(t->fake->memory, "\x01\x02\x03\x04", 4);
	succeed(attach(t));
	t->fake->corrupts_next = true;
	succeed(target_read_memory(t->t, 1, FAKE_MEMORY, bytes, sizeof(bytes), &n));
	assert_int_equal(n, sizeof(bytes));
	assert_memory_equal(bytes, "\x01\x02\x03\x04", 4);
	fails(target_read_memory(t->t, 1, 0x10, bytes, sizeof(bytes), &n), ERR_FAULT, "");
}

/* As through a network that waits for acknowledgments: first a $ alone. */
static void a_packet_may_come_in_parts(void **state)
{
	struct test *t = *state;
	uint8_t bytes[4];
	size_t n;

	begin(t);
	memcpy(t->fake->memory, "\x01\x02\x03\x04", 4);
	succeed(attach(t));
	t->fake->splits_next = true;
	succeed(target_read_memory(t->t, 1, FAKE_MEMORY, bytes, sizeof(bytes), &n));
	assert_memory_equal(bytes, "\x01\x02\x03\x04", 4);
}

/* It can't be seen whether it has stopped: so it is asked, and what looks like an answer is not taken for one. */
static void text_that_looks_like_a_stop_is_text(void **state)
{
	static const char says[] = "see $T05thread:01;#07 and $OK#9a +$S05#b8 $g#67 - all text\n";
	struct test *t = *state;
	struct target_event e = TARGET_EVENT_INIT;
	uint64_t end = now_ns() + 60 * NSEC_PER_SEC;

	t->fake->says = says;
	begin(t);
	succeed(attach(t));
	buf_clear(&t->text);
	succeed(target_resume(t->t, &(struct target_resume){ 0 }));
	while (t->text.len < sizeof(says) - 1 && now_ns() < end) {
		struct pollfd p = { .fd = target_fd(t->t), .events = POLLIN };

		poll(&p, 1, target_timeout_ms(t->t) >= 0 ? target_timeout_ms(t->t) : 1000);
		succeed(target_next_event(t->t, &e));
		assert_int_equal(e.kind, TARGET_EVENT_NONE);
	}
	assert_string_equal(buf_str(&t->text), says);
	succeed(target_interrupt(t->t));
	e = next_stop(t);
	assert_int_equal(e.kind, TARGET_EVENT_STOP);
	has_program_counter(t, 1, 0x1100);
	target_event_deinit(&e);
}

static void a_flood_in_front_of_a_stop_is_not_lost(void **state)
{
	enum { FLOOD = 48 * 218454 }; /* 10 MiB */
	struct test *t = *state;
	struct target_event e;

	t->fake->floods = FLOOD;
	begin(t);
	succeed(attach(t));
	buf_clear(&t->text);
	succeed(target_resume(t->t, &(struct target_resume){ 0 }));
	e = next_stop(t);
	assert_int_equal(e.kind, TARGET_EVENT_STOP);
	assert_int_equal(t->text.len, FLOOD);
	assert_memory_equal(t->text.data + FLOOD - 6, "text.\n", 6);
	target_event_deinit(&e);
}

/* --- Stops --- */

static void a_breakpoint_is_where_it_was_put(void **state)
{
	struct test *t = *state;
	struct target_event e;

	t->fake->hits = true;
	begin(t);
	succeed(attach(t));
	succeed(target_insert(t->t, TARGET_BREAK_SOFTWARE, 0x1180, 1));
	succeed(target_resume(t->t, &(struct target_resume){ 0 }));
	e = next_stop(t);
	assert_int_equal(e.reason, TARGET_REASON_BREAKPOINT);
	has_program_counter(t, 1, 0x1180);
	assert_int_equal(t->fake->pc[0], 0x1180);
	t->fake->hits = false;
	succeed(target_remove(t->t, TARGET_BREAK_SOFTWARE, 0x1180, 1));
	succeed(target_detach(t->t));
	assert_false(t->stands);
	target_destroy(steal(&t->t));
	until(t, runs);
	assert_int_equal(t->fake->breakpoints[0], 0);
	assert_int_equal(t->fake->continues, 2);
	target_event_deinit(&e);
}

static void the_cpu_that_stopped_is_known_by_its_stack(void **state)
{
	struct test *t = *state;

	t->fake->stopped_cpu = 1;
	begin(t);
	succeed(attach(t));
	assert_int_equal(target_stopped_thread(t->t), 2);
	fails(target_resume(t->t, &(struct target_resume){ .step = 1 }), ERR_UNSUPPORTED, "thread 2");
}

static void an_interrupt_without_break_is_none(void **state)
{
	struct test *t = *state;
	struct target_event e = TARGET_EVENT_INIT;

	t->has_break = false;
	t->fake->state = FAKE_KDB;
	begin(t);
	succeed(attach(t));
	succeed(target_resume(t->t, &(struct target_resume){ 0 }));
	succeed(target_interrupt(t->t));
	succeed(target_next_event(t->t, &e));
	assert_int_equal(e.kind, TARGET_EVENT_NONE);
}

static void detached_it_waits_for_kdb_again(void **state)
{
	struct test *t = *state;

	for (int i = 1; i <= 3; i++) {
		if (i == 1)
			begin(t);
		succeed(attach(t));
		succeed(target_detach(t->t));
		target_destroy(steal(&t->t));
		buf_clear(&t->unclear);
		until(t, runs);
		assert_int_equal(t->fake->continues, i);
		assert_int_equal(t->fake->breaks, i);
	}
	assert_int_equal(t->fake->state, FAKE_RUNS);
}

static void the_cpu_that_stopped_is_known_by_a_variable(void **state)
{
	struct test *t = *state;

	t->active = FAKE_MEMORY + 0x10;
	t->fake->memory[0x10] = 1;
	begin(t);
	succeed(attach(t));
	assert_int_equal(target_stopped_thread(t->t), 2);
	succeed(target_detach(t->t));
}

static void detached_by_a_variable_it_runs_at_once(void **state)
{
	struct test *t = *state;

	t->kdb_mode = FAKE_MEMORY + 0x20;
	begin(t);
	succeed(attach(t));
	succeed(target_detach(t->t));
	until(t, runs);
	assert_int_equal(t->fake->memory[0x20], 1);
	assert_null(strstr(buf_str(&t->text), "go"));
}

static void changes_of_memory_are_told(void **state)
{
	struct test *t = *state;
	struct target_event e = TARGET_EVENT_INIT;
	unsigned int before;
	uint8_t byte = 1;

	begin(t);
	succeed(attach(t));
	before = t->changes;
	succeed(kgdb_read_line(t->t, FAKE_MEMORY, &byte, 1));
	assert_int_equal(t->changes, before);
	succeed(target_write_memory(t->t, 1, FAKE_MEMORY, &byte, 1));
	assert_int_equal(t->changes, before + 1);
	succeed(target_resume(t->t, &(struct target_resume){ .step = target_stopped_thread(t->t) }));
	assert_int_equal(t->changes, before + 2);
	while (e.kind == TARGET_EVENT_NONE)
		succeed(target_next_event(t->t, &e));
	assert_int_equal(t->changes, before + 3);
	succeed(target_detach(t->t));
}

static void registers_are_had_by_the_kernels_number(void **state)
{
	struct test *t = *state;
	struct cpu_registers r;

	begin(t);
	succeed(attach(t));
	succeed(kgdb_cpu_registers(t->t, 1, &r));
	assert_int_equal(r.r.values[REGISTER_RIP], 0x1200);
	assert_int_equal(r.r.values[REGISTER_RSP], 0x2000);
	fails(kgdb_cpu_registers(t->t, 2, &r), ERR_NOT_FOUND, "no CPU 2");
	succeed(target_detach(t->t));
}

static void one_that_reboots_says_so_and_is_gone(void **state)
{
	struct test *t = *state;
	_cleanup_(target_event_deinit) struct target_event e = TARGET_EVENT_INIT;

	t->fake->says = "$W01#b8reboot: Restarting system\n";
	t->fake->leaves = true;
	t->sees = true;
	begin(t);
	succeed(attach(t));
	succeed(target_resume(t->t, &(struct target_resume){ 0 }));
	while (e.kind == TARGET_EVENT_NONE)
		succeed(target_next_event(t->t, &e));
	assert_int_equal(e.kind, TARGET_EVENT_EXITED);
	assert_non_null(strstr(e.message, "reboots"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_kernel_that_runs_is_stopped_by_break),
		TEST(so_is_one_without_kdb),
		TEST(one_that_stands_in_kdb_is_found_there),
		TEST(nothing_is_sent_but_a_question_on_a_line_without_break),
		TEST(without_break_a_kernel_that_runs_is_not_stopped),
		TEST(a_stub_in_the_midst_of_a_packet_is_found),
		TEST(a_client_that_dies_is_followed_by_another),
		TEST(nobody_at_the_other_end_is_said),
		TEST(a_kernel_without_kgdb_is_told_by_what_it_says),
		TEST(a_line_that_ends_is_told),
		TEST(a_damaged_packet_is_asked_for_again),
		TEST(a_packet_may_come_in_parts),
		TEST(text_that_looks_like_a_stop_is_text),
		TEST(a_flood_in_front_of_a_stop_is_not_lost),
		TEST(a_breakpoint_is_where_it_was_put),
		TEST(the_cpu_that_stopped_is_known_by_its_stack),
		TEST(an_interrupt_without_break_is_none),
		TEST(detached_it_waits_for_kdb_again),
		TEST(the_cpu_that_stopped_is_known_by_a_variable),
		TEST(detached_by_a_variable_it_runs_at_once),
		TEST(changes_of_memory_are_told),
		TEST(registers_are_had_by_the_kernels_number),
		TEST(one_that_reboots_says_so_and_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
