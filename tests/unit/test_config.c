/*
 * ktb.conf and the command line, against the table of options.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"
#include "config/config.h"

static struct err *parse(struct config *c, const char *text)
{
	return config_parse(c, "/etc/x/ktb.conf", text, strlen(text));
}

static void assert_says(struct err *e, const char *message)
{
	assert_non_null(e);
	assert_int_equal(err_code(e), ERR_USAGE);
	assert_string_equal(err_message(e), message);
	err_destroy(e);
}

static void assert_refused(const char *text, const char *message)
{
	_cleanup_(config_destroy) struct config *c = config_create();

	assert_says(parse(c, text), message);
}

static void begins_with_the_defaults(void **state)
{
	_cleanup_(config_destroy) struct config *c = config_create();
	size_t n = 1;

	(void)state;
	assert_int_equal(config_number(c, OPT_VM_MEMORY), 2048 * MIB);
	assert_int_equal(config_number(c, OPT_VM_CPUS), 2);
	assert_string_equal(config_string(c, OPT_KERNEL_BASE), "tiny");
	assert_null(config_string(c, OPT_KERNEL_SOURCE));
	assert_true(config_bool(c, OPT_KERNEL_CCACHE));
	assert_false(config_bool(c, OPT_VM_WAIT));
	assert_int_equal(config_list(c, OPT_VM_APPEND)->n, 0);
	assert_null(config_origin(c, OPT_VM_MEMORY));
	config_kconfig(c, &n);
	assert_int_equal(n, 0);
}

static void each_option_is_fit_for_use(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPTIONS_N; i++) {
		char flag[OPTION_FLAG_MAX];

		option_flag(&options[i], flag);
		assert_in_range(strlen(flag), strlen(options[i].name), OPTION_FLAG_MAX - 2);
		assert_null(strchr(flag, '_'));
		assert_true(options[i].commands != 0);
		assert_true(*options[i].help);
		for (size_t j = 0; j < i; j++) {
			bool alone = !(options[i].commands & options[j].commands);
			char other[OPTION_FLAG_MAX];

			/* Two commands may mean different things by one flag; in a file the section tells them apart. */
			option_flag(&options[j], other);
			if (!alone)
				assert_string_not_equal(flag, other);
			if (*options[i].section && streq(options[i].section, options[j].section))
				assert_string_not_equal(options[i].name, options[j].name);
			if (options[i].short_flag && !alone)
				assert_int_not_equal(options[i].short_flag, options[j].short_flag);
		}
	}
}

/* --init is one thing to ktb vm, and another to ktb gdb. */
static void each_command_has_its_flag(void **state)
{
	static const struct {
		enum command_id command;
		enum option_id id, other;
	} cases[] = { { COMMAND_VM, OPT_VM_INIT, OPT_GDB_INIT }, { COMMAND_GDB, OPT_GDB_INIT, OPT_VM_INIT } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(config_destroy) struct config *c = config_create();
		_cleanup_(strv_deinit) struct strv positional = STRV_INIT, rest = STRV_INIT;
		char *const argv[] = { (char *)"--init", (char *)"/x" };
		bool help;

		assert_null(config_parse_args(c, cases[i].command, 2, argv, &positional, &rest, &help));
		assert_string_equal(config_string(c, cases[i].id), "/x");
		assert_null(config_string(c, cases[i].other));
	}
}

static void reads_each_type(void **state)
{
	_cleanup_(config_destroy) struct config *c = config_create();

	(void)state;
	assert_null(parse(c, "# comment\n"
			     "[kernel]\n"
			     "source = ../linux\n"
			     "base=defconfig ; why not\n"
			     "fragment = a.config /b.config\n"
			     "fragment = 'c d'\n"
			     "ccache = no\n"
			     "\r\n"
			     "[vm]\r\n"
			     "memory = 4G\r\n"
			     "cpus = 3\n"
			     "accel = tcg\n"
			     "cmdline = console=ttyS0 quiet\n"
			     "append = \"a b\" c\n"
			     "[output]\n"
			     "json = yes"));
	assert_string_equal(config_string(c, OPT_KERNEL_SOURCE), "/etc/x/../linux");
	assert_string_equal(config_string(c, OPT_KERNEL_BASE), "defconfig");
	assert_int_equal(config_list(c, OPT_KERNEL_FRAGMENTS)->n, 3);
	assert_string_equal(config_list(c, OPT_KERNEL_FRAGMENTS)->v[0], "/etc/x/a.config");
	assert_string_equal(config_list(c, OPT_KERNEL_FRAGMENTS)->v[1], "/b.config");
	assert_string_equal(config_list(c, OPT_KERNEL_FRAGMENTS)->v[2], "/etc/x/c d");
	assert_false(config_bool(c, OPT_KERNEL_CCACHE));
	assert_int_equal(config_number(c, OPT_VM_MEMORY), 4096 * MIB);
	assert_int_equal(config_number(c, OPT_VM_CPUS), 3);
	assert_string_equal(config_string(c, OPT_VM_ACCEL), "tcg");
	assert_string_equal(config_string(c, OPT_VM_CMDLINE), "console=ttyS0 quiet");
	assert_int_equal(config_list(c, OPT_VM_APPEND)->n, 2);
	assert_string_equal(config_list(c, OPT_VM_APPEND)->v[0], "a b");
	assert_true(config_bool(c, OPT_OUTPUT_JSON));
	assert_string_equal(config_origin(c, OPT_VM_CPUS), "/etc/x/ktb.conf:11");
	assert_null(config_origin(c, OPT_VM_PORT));
}

static void reads_kernel_options(void **state)
{
	_cleanup_(config_destroy) struct config *c = config_create();
	const struct config_kconfig *k;
	size_t n = 0;

	(void)state;
	assert_null(parse(c, "[kconfig]\nKASAN = y\nCONFIG_NR_CPUS=8\nLOCALVERSION = \"-x y\"\n"));
	k = config_kconfig(c, &n);
	assert_int_equal(n, 3);
	assert_string_equal(k[0].name, "KASAN");
	assert_string_equal(k[0].value, "y");
	assert_string_equal(k[0].file, "/etc/x/ktb.conf");
	assert_int_equal(k[0].line, 2);
	assert_string_equal(k[1].name, "NR_CPUS");
	assert_string_equal(k[1].value, "8");
	assert_string_equal(k[2].value, "\"-x y\"");
	assert_int_equal(k[2].line, 4);
	config_destroy(c);
	c = config_create();
	assert_null(parse(c, "[kconfig]\nKASAN = y # because\nX = \"a # b\"\n# Y = y\nZ=a#b\n"));
	k = config_kconfig(c, &n);
	assert_int_equal(n, 3);
	assert_string_equal(k[0].value, "y");
	assert_string_equal(k[1].value, "\"a # b\"");
	assert_string_equal(k[2].value, "a#b");
	assert_refused("[kconfig]\nA-B = y\n", "/etc/x/ktb.conf:2: 'A-B' is not the name of a kernel option");
	assert_refused("[kconfig]\nKASAN =\n", "/etc/x/ktb.conf:2: KASAN has no value: y, m, n, a number or a string");
}

static void indented_lines_continue_the_value(void **state)
{
	_cleanup_(config_destroy) struct config *c = config_create();

	(void)state;
	assert_null(parse(c, "[vm]\n"
			     "cmdline = console=ttyS0\n"
			     "    loglevel=7 quiet\n"
			     "\t; not part of it\n"
			     "\n"
			     "\tpanic=-1\n"
			     "append = a\n"
			     "  b 'c d'\n"));
	assert_string_equal(config_string(c, OPT_VM_CMDLINE), "console=ttyS0 loglevel=7 quiet panic=-1");
	assert_int_equal(config_list(c, OPT_VM_APPEND)->n, 3);
	assert_string_equal(config_list(c, OPT_VM_APPEND)->v[2], "c d");
	assert_refused("[vm]\ncpus = 2\n  3\n",
		       "/etc/x/ktb.conf:3: an indented line continues the value above, but cpus takes one line");
	assert_refused("[kconfig]\nKASAN = y\n  x\n",
		       "/etc/x/ktb.conf:3: an indented line continues the value above, but KASAN takes one line");
}

static void indented_settings_are_settings(void **state)
{
	_cleanup_(config_destroy) struct config *c = config_create();
	size_t n = 0;

	(void)state;
	assert_null(parse(c, "  [vm]\n"
			     "\tcmdline = console=ttyS0\n"
			     "\tmemory = 1G\n"
			     "\tcpus=3\n"
			     "  [kconfig]\n"
			     "\tKASAN = y\n"
			     "\tKCSAN=n\n"));
	assert_string_equal(config_string(c, OPT_VM_CMDLINE), "console=ttyS0");
	assert_int_equal(config_number(c, OPT_VM_MEMORY), 1024 * MIB);
	assert_int_equal(config_number(c, OPT_VM_CPUS), 3);
	config_kconfig(c, &n);
	assert_int_equal(n, 2);
}

static void says_what_is_wrong_and_where(void **state)
{
	(void)state;
	assert_refused("[vm]\n\nmemroy = 1G\n",
		       "/etc/x/ktb.conf:3: no option 'memroy' in [vm]; did you mean 'memory' in [vm]?");
	assert_refused("[kernel]\nmemory = 1G\n",
		       "/etc/x/ktb.conf:2: no option 'memory' in [kernel]; did you mean 'memory' in [vm]?");
	assert_refused("[vmm]\ncpus = 1\n", "/etc/x/ktb.conf:1: no section [vmm]; did you mean [vm]?");
	assert_refused("[vm]\n\n[kconfg]\n", "/etc/x/ktb.conf:3: no section [kconfg]; did you mean [kconfig]?");
	assert_refused("[]\n", "/etc/x/ktb.conf:1: no section []; did you mean [vm]?");
	assert_refused("[machines]\n", "/etc/x/ktb.conf:1: no section [machines]; ktb help ktb.conf lists them all");
	assert_refused("[vm]\nprint_command = yes\n",
		       "/etc/x/ktb.conf:2: no option 'print_command' in [vm]; ktb help ktb.conf lists them all");
	assert_refused("[vm]\nabcdefghijkl = 1\n",
		       "/etc/x/ktb.conf:2: no option 'abcdefghijkl' in [vm]; ktb help ktb.conf lists them all");
	assert_refused("cpus = 1\n", "/etc/x/ktb.conf:1: 'cpus' stands before any [section]; did you mean [vm]?");
	assert_refused("[vm]\nmemory = lots\n",
		       "/etc/x/ktb.conf:2: memory: 'lots' is not a size (a number with K, M, G or T behind it)");
	assert_refused("[vm]\ncpus = two\n", "/etc/x/ktb.conf:2: cpus: 'two' is not a number");
	assert_refused("[vm]\ncpus = 99999999999\n",
		       "/etc/x/ktb.conf:2: cpus: 99999999999 is too large (at most 2147483647)");
	assert_refused("[vm]\nkaslr = maybe\n", "/etc/x/ktb.conf:2: kaslr: 'maybe' is neither yes nor no");
	assert_refused("[vm]\naccel = xen\n", "/etc/x/ktb.conf:2: accel: 'xen' is not one of auto|kvm|tcg");
	assert_refused("[vm]\naccel = kv\n", "/etc/x/ktb.conf:2: accel: 'kv' is not one of auto|kvm|tcg");
	assert_refused("[vm]\nappend = 'a\n", "/etc/x/ktb.conf:2: append: a ' is opened and never closed");
	assert_refused("[vm]\ncpus\n", "/etc/x/ktb.conf:2: expected [section] or name = value");
	assert_refused("[vm\n", "/etc/x/ktb.conf:1: expected [section] or name = value");
}

static void the_first_error_counts(void **state)
{
	(void)state;
	assert_refused("[vm]\ncpus = x\nmemory = y\n", "/etc/x/ktb.conf:2: cpus: 'x' is not a number");
	assert_refused("[vm]\ncpus\nmemory = y\n", "/etc/x/ktb.conf:2: expected [section] or name = value");
}

static void what_was_there_stays_when_a_value_is_bad(void **state)
{
	_cleanup_(config_destroy) struct config *c = config_create();

	(void)state;
	assert_null(parse(c, "[vm]\ncpus = 3\n"));
	err_ignore(parse(c, "[vm]\ncpus = x\n"));
	assert_int_equal(config_number(c, OPT_VM_CPUS), 3);
	assert_string_equal(config_origin(c, OPT_VM_CPUS), "/etc/x/ktb.conf:2");
}

static void survives_what_is_no_text(void **state)
{
	_cleanup_(config_destroy) struct config *c = config_create();
	_cleanup_(free) char *long_line = xasprintf("[vm]\ncmdline = %01000d\n", 0);

	(void)state;
	assert_says(config_parse(c, "x", "[vm]\nname = a\0b\n", 16), "x:2: there is a NUL byte in the line");
	err_ignore(parse(c, long_line));
	assert_null(config_parse(c, "x", "", 0));
	assert_null(parse(c, "\n\n"));
	assert_null(parse(c, "\xef\xbb\xbf[vm]\ncpus = 4\n"));
	assert_int_equal(config_number(c, OPT_VM_CPUS), 4);
}

static struct err *parse_args(struct config *c, enum command_id command, const char *line, struct strv *positional,
			      struct strv *rest, bool *ret_help)
{
	_cleanup_(strv_deinit) struct strv args = STRV_INIT;
	struct err *e = strv_split_quoted(&args, line);

	assert_null(e);
	return config_parse_args(c, command, (int)args.n, args.v, positional, rest, ret_help);
}

static void assert_args_refused(enum command_id command, const char *line, const char *message)
{
	_cleanup_(config_destroy) struct config *c = config_create();
	_cleanup_(strv_deinit) struct strv positional = STRV_INIT, rest = STRV_INIT;
	bool help;

	assert_says(parse_args(c, command, line, &positional, &rest, &help), message);
}

static void takes_arguments(void **state)
{
	_cleanup_(config_destroy) struct config *c = config_create();
	_cleanup_(strv_deinit) struct strv positional = STRV_INIT, rest = STRV_INIT;
	_cleanup_(free) char *cwd = getcwd(NULL, 0), *source = xasprintf("%s/linux", cwd);
	const struct config_kconfig *k;
	bool help = true;
	size_t n = 0;

	(void)state;
	assert_null(parse_args(c, COMMAND_VM,
			       "first --memory 1G --cpus=4 -wp4321 -a x -a 'y z' --source linux --kaslr=no --kgdb-wait "
			       "--kconfig KASAN=y --kconfig=CONFIG_X=\"a b\" - second -- --third -x",
			       &positional, &rest, &help));
	assert_false(help);
	assert_int_equal(config_number(c, OPT_VM_MEMORY), 1024 * MIB);
	assert_int_equal(config_number(c, OPT_VM_CPUS), 4);
	assert_true(config_bool(c, OPT_VM_WAIT));
	assert_true(config_bool(c, OPT_VM_KGDB_WAIT));
	assert_false(config_bool(c, OPT_VM_KASLR));
	assert_string_equal(config_string(c, OPT_VM_PORT), "4321");
	assert_int_equal(config_list(c, OPT_VM_APPEND)->n, 2);
	assert_string_equal(config_list(c, OPT_VM_APPEND)->v[1], "y z");
	assert_string_equal(config_string(c, OPT_KERNEL_SOURCE), source);
	assert_string_equal(config_origin(c, OPT_VM_CPUS), "command line");
	k = config_kconfig(c, &n);
	assert_int_equal(n, 2);
	assert_string_equal(k[1].name, "X");
	assert_string_equal(k[1].value, "a b");
	assert_int_equal(k[1].line, 0);
	assert_int_equal(positional.n, 3);
	assert_string_equal(positional.v[1], "-");
	assert_int_equal(rest.n, 2);
	assert_string_equal(rest.v[0], "--third");
	assert_null(parse_args(c, COMMAND_VM, "--help", &positional, &rest, &help));
	assert_true(help);
	assert_null(parse_args(c, COMMAND_STOP, "-h", &positional, &rest, &help));
	assert_true(help);
}

static void refuses_arguments(void **state)
{
	(void)state;
	assert_args_refused(COMMAND_VM, "--memroy 1G", "unknown option --memroy; did you mean --memory?");
	assert_args_refused(COMMAND_VM, "--memroy=1G", "unknown option --memroy; did you mean --memory?");
	assert_args_refused(COMMAND_VM, "--abcdefghij", "unknown option --abcdefghij");
	assert_args_refused(COMMAND_VM, "-Z", "unknown option -Z");
	assert_args_refused(COMMAND_VM, "-wZ", "unknown option -Z");
	assert_args_refused(COMMAND_LIST, "--memory 1G", "--memory means nothing to this command");
	assert_args_refused(COMMAND_LIST, "--force", "--force means nothing to this command");
	assert_args_refused(COMMAND_LIST, "--kconfig A=y", "unknown option --kconfig");
	assert_args_refused(COMMAND_VM, "--memory", "--memory needs a value: SIZE");
	assert_args_refused(COMMAND_VM, "-m", "-m needs a value: SIZE");
	assert_args_refused(COMMAND_VM, "--kconfig", "--kconfig needs a value");
	assert_args_refused(COMMAND_VM, "--kconfig KASAN", "--kconfig wants NAME=VALUE, not 'KASAN'");
	assert_args_refused(COMMAND_VM, "--cpus x", "--cpus: 'x' is not a number");
	assert_args_refused(COMMAND_VM, "-c x", "-c: 'x' is not a number");
	assert_args_refused(COMMAND_VM, "--wait=x", "--wait: 'x' is neither yes nor no");
	assert_args_refused(COMMAND_VM, "--accel=xen", "--accel: 'xen' is not one of auto|kvm|tcg");
}

static void a_name_means_what_its_command_says(void **state)
{
	_cleanup_(config_destroy) struct config *c = config_create();
	_cleanup_(strv_deinit) struct strv positional = STRV_INIT, rest = STRV_INIT;
	bool help;

	(void)state;
	assert_null(parse_args(c, COMMAND_STOP, "--all", &positional, &rest, &help));
	assert_true(config_bool(c, OPT_VM_ALL));
	assert_false(config_bool(c, OPT_CLEAN_ALL));
	assert_null(parse_args(c, COMMAND_CLEAN, "--all", &positional, &rest, &help));
	assert_true(config_bool(c, OPT_CLEAN_ALL));
}

static void assert_same(const struct config *a, const struct config *b)
{
	for (size_t i = 0; i < OPTIONS_N; i++) {
		enum option_id id = (enum option_id)i;
		const char *text_a = config_string(a, id), *text_b = config_string(b, id);

		assert_int_equal(config_list(a, id)->n, config_list(b, id)->n);
		assert_int_equal(config_number(a, id), config_number(b, id));
		assert_string_equal(text_a ? text_a : "", text_b ? text_b : "");
	}
}

/* Takes the # away in front of each setting; *ret_n of them. */
static char *uncomment(const char *text, size_t *ret_n)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	*ret_n = 0;
	while (*text) {
		size_t n = strcspn(text, "\n"), name = strspn(text + 2, "abcdefghijklmnopqrstuvwxyz_0123456789");

		if (text[0] == '#' && name && strncmp(text + 2 + name, " =", 2) == 0) {
			text += 2;
			n -= 2;
			*ret_n += 1;
		}
		buf_append(&b, text, n + 1);
		text += n + 1;
	}
	return buf_steal(&b);
}

static void the_template_means_the_defaults(void **state)
{
	_cleanup_(config_destroy) struct config *defaults = config_create(), *c = config_create();
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	_cleanup_(free) char *active = NULL;
	size_t n, in_files = 0;

	(void)state;
	config_template(NULL, &b);
	assert_null(config_parse(c, "/x/ktb.conf", buf_str(&b), b.len));
	assert_same(c, defaults);
	for (size_t i = 0; i < OPTIONS_N; i++) {
		assert_null(config_origin(c, (enum option_id)i));
		in_files += *options[i].section != '\0';
	}
	active = uncomment(buf_str(&b), &n);
	assert_int_equal(n, in_files);
	assert_null(config_parse(c, "/x/ktb.conf", active, strlen(active)));
	assert_same(c, defaults);
	assert_non_null(config_origin(c, OPT_OUTPUT_VERBOSE));
	buf_clear(&b);
	config_template("../linux", &b);
	assert_null(config_parse(c, "/x/ktb.conf", buf_str(&b), b.len));
	assert_string_equal(config_string(c, OPT_KERNEL_SOURCE), "/x/../linux");
}

static void sets_one_value(void **state)
{
	_cleanup_(config_destroy) struct config *c = config_create();

	(void)state;
	assert_null(config_set(c, OPT_VM_NAME, "other"));
	assert_string_equal(config_string(c, OPT_VM_NAME), "other");
	assert_null(config_set(c, OPT_VM_NAME, ""));
	assert_null(config_string(c, OPT_VM_NAME));
	assert_says(config_set(c, OPT_VM_CPUS, "x"), "--cpus: 'x' is not a number");
}

static void hands_arguments_on(void **state)
{
	char *argv[] = { "-m", "4G",         "--break=x y", "-qw", "--append",
			 "a",  "--append=b", "--kconfig",   "A=y", "--port=auto" };
	_cleanup_(config_destroy) struct config *c = config_create();
	_cleanup_(strv_deinit) struct strv positional = STRV_INIT, rest = STRV_INIT, vm = STRV_INIT, gdb = STRV_INIT;
	_cleanup_(free) char *to_vm = NULL, *to_gdb = NULL;
	bool help;

	(void)state;
	assert_null(config_parse_args(c, COMMAND_UP, (int)ARRAY_SIZE(argv), argv, &positional, &rest, &help));
	/* What is set otherwise was not given. */
	assert_null(config_set(c, OPT_VM_CPUS, "3"));
	config_args_for(c, COMMAND_VM, &vm);
	config_args_for(c, COMMAND_GDB, &gdb);
	to_vm = strv_join(&vm, " ");
	to_gdb = strv_join(&gdb, " ");
	assert_string_equal(to_vm,
			    "--memory=4G --quiet=yes --wait=yes --append=a --append=b --kconfig=A=y --port=auto");
	assert_string_equal(to_gdb, "--break=x y --quiet=yes");
}

static void write_text(const char *folder, const char *name, const char *text)
{
	_cleanup_(free) char *path = xasprintf("%s/%s", folder, name);

	assert_null(write_file_atomic(path, text, strlen(text), 0600));
}

static void finds_and_loads_files(void **state)
{
	char folder[] = "/tmp/ktb-test-config.XXXXXX";
	_cleanup_(config_destroy) struct config *c = config_create();
	_cleanup_(free) char *cwd = getcwd(NULL, 0), *project = NULL, *deep = NULL, *user = NULL, *found = NULL;
	_cleanup_(free) char *fragment = NULL;

	(void)state;
	assert_non_null(mkdtemp(folder));
	project = xasprintf("%s/project", folder);
	deep = xasprintf("%s/a/b", project);
	user = xasprintf("%s/ktb", folder);
	assert_null(mkdir_parents(deep, 0700));
	assert_null(mkdir_parents(user, 0700));
	write_text(user, "ktb.conf", "[vm]\ncpus = 7\nmemory = 7G\n");
	write_text(project, "ktb.conf", "[vm]\nmemory = 3G\n[kernel]\nfragment = x.config\n");
	setenv("XDG_CONFIG_HOME", folder, 1);
	assert_int_equal(chdir(deep), 0);
	found = config_find(deep);
	assert_non_null(found);
	assert_true(has_suffix(found, "/project/ktb.conf"));
	assert_null(config_load(c));
	assert_int_equal(config_number(c, OPT_VM_CPUS), 7);
	assert_int_equal(config_number(c, OPT_VM_MEMORY), 3072 * MIB);
	fragment = xasprintf("%s/x.config", project);
	assert_string_equal(config_list(c, OPT_KERNEL_FRAGMENTS)->v[0], fragment);
	/* In its own folder the user's file isn't read twice. */
	write_text(user, "ktb.conf", "[vm]\nappend = once\n");
	assert_int_equal(chdir(user), 0);
	config_destroy(c);
	c = config_create();
	assert_null(config_load(c));
	assert_int_equal(config_list(c, OPT_VM_APPEND)->n, 1);
	assert_int_equal(chdir(cwd), 0);
	assert_null(config_find("/nonexistent/folder"));
	err_ignore(remove_tree(folder));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_with_the_defaults),
		cmocka_unit_test(each_option_is_fit_for_use),
		cmocka_unit_test(each_command_has_its_flag),
		cmocka_unit_test(reads_each_type),
		cmocka_unit_test(reads_kernel_options),
		cmocka_unit_test(indented_lines_continue_the_value),
		cmocka_unit_test(indented_settings_are_settings),
		cmocka_unit_test(says_what_is_wrong_and_where),
		cmocka_unit_test(the_first_error_counts),
		cmocka_unit_test(what_was_there_stays_when_a_value_is_bad),
		cmocka_unit_test(survives_what_is_no_text),
		cmocka_unit_test(takes_arguments),
		cmocka_unit_test(refuses_arguments),
		cmocka_unit_test(a_name_means_what_its_command_says),
		cmocka_unit_test(the_template_means_the_defaults),
		cmocka_unit_test(sets_one_value),
		cmocka_unit_test(hands_arguments_on),
		cmocka_unit_test(finds_and_loads_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
