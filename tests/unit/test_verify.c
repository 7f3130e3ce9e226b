/*
 * What is said about requests that a configuration doesn't have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "kbuild/verify.h"

#include "kconfig_files.h"

static const char kconfig[] = "config MODULES\n\tbool \"modules\"\n\tmodules\n"                   /* 1 */
			      "config NET\n\ttristate \"net\"\n"                                  /* 4 */
			      "config EXPERT\n\tbool \"expert\"\n"                                /* 6 */
			      "config KGDB\n\tbool \"kgdb\"\n\tdepends on HAVE_KGDB\n"            /* 8 */
			      "config HAVE_KGDB\n\tbool\n"                                        /* 11 */
			      "config X86\n\tdef_bool y\n\tselect HAVE_KGDB if NET\n"             /* 13 */
			      "config KDB\n\tbool \"kdb\"\n\tdepends on KGDB && NET && EXPERT\n"  /* 16 */
			      "choice\n\tprompt \"Unwinder\"\n"                                   /* 19 */
			      "config ORC\n\tbool \"orc\"\n\tdepends on NET\n"                    /* 21 */
			      "config GUESS\n\tbool \"guess\"\n"                                  /* 24 */
			      "config POINTERS\n\tbool \"pointers\"\n\tselect WANT_POINTERS\n"    /* 26 */
			      "endchoice\n"                                                       /* 29 */
			      "config WANT_POINTERS\n\tbool\n"                                    /* 30 */
			      "config FRAME_POINTER\n\tbool \"fp\"\n"                             /* 32 */
			      "\tdepends on KGDB && (M68K || UML) || WANT_POINTERS\n"             /* 34 */
			      "config CRC\n\ttristate \"crc\"\n"                                  /* 35 */
			      "config EXT4\n\ttristate \"ext4\"\n\tselect CRC\n"                  /* 37 */
			      "config PRINTK\n\tbool \"printk\" if EXPERT\n\tdefault y\n"         /* 40 */
			      "config SHIFT\n\tint \"shift\"\n\trange 12 25\n\tdefault 17\n"      /* 43 */
			      "config START\n\thex \"start\"\n\tdefault 0x100\n"                  /* 47 */
			      "config VERSION\n\tstring \"version\"\n"                            /* 50 */
			      "config DERIVED\n\tdef_bool NET && EXPERT\n"                        /* 52 */
			      "config FLAG\n\tbool \"flag\"\n\tdepends on $(cc-option,-x)\n"      /* 54 */
			      "choice\n\tprompt \"Info\"\n"                                       /* 57 */
			      "config INFO_NONE\n\tbool \"none\"\n"                               /* 59 */
			      "config INFO4\n\tbool \"4\"\n\tselect INFO\n"                       /* 61 */
			      "config INFO5\n\tbool \"5\"\n\tselect INFO\n"                       /* 64 */
			      "endchoice\n"                                                       /* 67 */
			      "config INFO\n\tbool\n"                                             /* 68 */
			      "config NOBODY\n\tbool\n"                                           /* 70 */
			      "config WITHOUT\n\tbool \"without\"\n\tdepends on !NET\n"           /* 72 */
			      "config NOTIFY\n\tbool\n"                                           /* 75 */
			      "config WATCH_A\n\tbool \"a\"\n\tdepends on NET\n\tselect NOTIFY\n" /* 77 */
			      "config WATCH_B\n\tbool \"b\"\n\tselect NOTIFY\n"                   /* 81 */
			      "config WATCH_C\n\tbool \"c\"\n\tselect NOTIFY\n"                   /* 84 */
			      "config CONSOLE\n\tbool \"console\"\n\tdepends on EXT4=y\n"         /* 87 */
			      "config EITHER\n\tbool \"either\"\n\tdepends on NET || EXPERT\n"
			      "config RAID\n\tbool\n"                                                 /* 93 */
			      "config MD\n\tbool \"md\"\n\tdepends on NET && EXPERT\n\tselect RAID\n" /* 95 */
			      "config BTRFS\n\tbool \"b\"\n\tdepends on NET\n\tselect RAID\n"         /* 99 */
			      "config SUN\n\tbool \"b\"\n\tdepends on SPARC\n\tselect RAID\n";        /* 90 */

/* What every .config has unless a test says otherwise. */
#define DEFAULTS                                                                                                       \
	"CONFIG_X86=y\nCONFIG_GUESS=y\nCONFIG_INFO_NONE=y\nCONFIG_PRINTK=y\nCONFIG_SHIFT=17\nCONFIG_START=0x100\n"     \
	"CONFIG_VERSION=\"\"\n"

struct scene {
	struct fragment_set *requests;
	struct kconfig_verdict verdict;
};

static void add(struct fragment_set *s, enum fragment_layer layer, const char *file, const char *text)
{
	_cleanup_(err_destroy) struct err *e = fragment_set_parse(s, layer, false, file, text, strlen(text));

	if (e)
		fail_msg("%s", err_message(e));
}

/* Compares the requests with the .config. */
static void verify(struct scene *s, const char *config)
{
	struct kconfig_file files[] = { { "Kconfig", kconfig }, { NULL, NULL } };
	struct kconfig_reader reader = kconfig_reader_of(files);
	_cleanup_(dotconfig_destroy) struct dotconfig *c = NULL;

	assert_null(dotconfig_parse(".config", config, strlen(config), &c));
	kconfig_verify(s->requests, c, &reader, &s->verdict);
}

static void scene_init(struct scene *s)
{
	*s = (struct scene){ .requests = fragment_set_create() };
}

static void scene_deinit(struct scene *s)
{
	kconfig_verdict_deinit(&s->verdict);
	fragment_set_destroy(s->requests);
}

/* The text for one fragment, a.config, without its first line. */
static void says(const char *fragment, const char *config, enum kconfig_reason reason, const char *expected)
{
	static const char head[] = "1 option that was asked for is not in the kernel's configuration:\n";
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct scene s;

	scene_init(&s);
	add(s.requests, FRAGMENT_BUILTIN, "a.config", fragment);
	verify(&s, config);
	assert_int_equal(s.verdict.dropped.n, 1);
	kconfig_verdict_print(&s.verdict, &b);
	assert_non_null(skip_prefix(buf_str(&b), head));
	assert_string_equal(buf_str(&b) + strlen(head), expected);
	assert_string_equal(kconfig_reason_name(s.verdict.dropped.v[0].why.reason), kconfig_reason_name(reason));
	scene_deinit(&s);
}

static void accepts(const char *fragment, const char *config)
{
	struct scene s;

	scene_init(&s);
	add(s.requests, FRAGMENT_BUILTIN, "a.config", fragment);
	verify(&s, config);
	assert_int_equal(s.verdict.dropped.n, 0);
	assert_int_equal(s.verdict.overridden.n, 0);
	scene_deinit(&s);
}

static void accepts_what_is_there(void **state)
{
	(void)state;
	accepts("CONFIG_NET=m\n# CONFIG_GONE is not set\n# CONFIG_EXPERT is not set\nCONFIG_VERSION=\"-x\"\n",
		"CONFIG_NET=m\n# CONFIG_EXPERT is not set\nCONFIG_VERSION=\"-x\"\n");
	accepts("CONFIG_SHIFT=14\nCONFIG_START=100\n", "CONFIG_SHIFT=14\nCONFIG_START=0x100\n");
	accepts("CONFIG_START=0xAB\n", "CONFIG_START=0xab\n");
}

static void names_unmet_dependencies(void **state)
{
	(void)state;
	says("CONFIG_KDB=y\nCONFIG_EXPERT=y\n", DEFAULTS "CONFIG_NET=y\nCONFIG_EXPERT=y\nCONFIG_HAVE_KGDB=y\n",
	     KCONFIG_REASON_DEPENDENCY,
	     "  KDB=y, asked for in a.config:1, is n\n      defined at Kconfig:16\n      needs KGDB (=n): set KGDB=y");
	says("CONFIG_WITHOUT=y\nCONFIG_NET=y\n", DEFAULTS "CONFIG_NET=y\n", KCONFIG_REASON_DEPENDENCY,
	     "  WITHOUT=y, asked for in a.config:1, is n\n      defined at Kconfig:72\n"
	     "      needs !NET (=y), asked for in a.config:2");
}

static void follows_dependencies(void **state)
{
	(void)state;
	says("CONFIG_KDB=y\n", DEFAULTS, KCONFIG_REASON_DEPENDENCY,
	     "  KDB=y, asked for in a.config:1, is n\n      defined at Kconfig:16\n      needs KGDB (=n)\n"
	     "        needs HAVE_KGDB (=n)\n"
	     "          HAVE_KGDB has no prompt: only options that select it can set it: X86 (=y)\n"
	     "            X86 selects it only under a condition (Kconfig:15):\n"
	     "              needs NET (=n): set NET=y\n"
	     "      needs EXPERT (=n): set EXPERT=y");
	says("CONFIG_FRAME_POINTER=y\n", DEFAULTS, KCONFIG_REASON_DEPENDENCY,
	     "  FRAME_POINTER=y, asked for in a.config:1, is n\n      defined at Kconfig:32\n"
	     "      needs WANT_POINTERS (=n)\n"
	     "        WANT_POINTERS has no prompt: only options that select it can set it: POINTERS (=n)\n"
	     "          POINTERS is in the choice \"Unwinder\" (Kconfig:19), which GUESS holds: set POINTERS=y");
}

static void says_what_to_set(void **state)
{
	(void)state;
	says("CONFIG_NOTIFY=y\n", DEFAULTS, KCONFIG_REASON_NO_PROMPT,
	     "  NOTIFY=y, asked for in a.config:1, is n\n      defined at Kconfig:75\n"
	     "      has no prompt: only options that select it can set it: WATCH_A (=n), WATCH_B (=n), WATCH_C (=n)\n"
	     "        set one of WATCH_B=y, WATCH_C=y");
	says("CONFIG_RAID=y\n", DEFAULTS, KCONFIG_REASON_NO_PROMPT,
	     "  RAID=y, asked for in a.config:1, is n\n      defined at Kconfig:93\n"
	     "      has no prompt: only options that select it can set it: MD (=n), BTRFS (=n), SUN (=n)\n"
	     "        the nearest of them is BTRFS, and that\n          needs NET (=n): set NET=y");
	says("CONFIG_CONSOLE=y\n", DEFAULTS "CONFIG_MODULES=y\nCONFIG_EXT4=m\n", KCONFIG_REASON_DEPENDENCY,
	     "  CONSOLE=y, asked for in a.config:1, is n\n      defined at Kconfig:87\n"
	     "      needs EXT4 (=m) = y: set EXT4=y");
	says("CONFIG_EITHER=y\n", DEFAULTS, KCONFIG_REASON_DEPENDENCY,
	     "  EITHER=y, asked for in a.config:1, is n\n      defined at Kconfig:90\n"
	     "      needs NET (=n) || EXPERT (=n): set one of NET=y, EXPERT=y");
}

static void explains_choices(void **state)
{
	(void)state;
	says("CONFIG_POINTERS=y\nCONFIG_GUESS=y\n", DEFAULTS, KCONFIG_REASON_CHOICE,
	     "  POINTERS=y, asked for in a.config:1, is n\n      defined at Kconfig:26\n"
	     "      is in the choice \"Unwinder\" (Kconfig:19), which GUESS holds, asked for in a.config:2: take out "
	     "one of "
	     "the two");
	says("CONFIG_POINTERS=y\n", DEFAULTS, KCONFIG_REASON_CHOICE,
	     "  POINTERS=y, asked for in a.config:1, is n\n      defined at Kconfig:26\n"
	     "      is in the choice \"Unwinder\" (Kconfig:19), which GUESS holds: set POINTERS=y and GUESS=n");
	says("CONFIG_FRAME_POINTER=y\nCONFIG_GUESS=y\n", DEFAULTS, KCONFIG_REASON_DEPENDENCY,
	     "  FRAME_POINTER=y, asked for in a.config:1, is n\n      defined at Kconfig:32\n"
	     "      needs WANT_POINTERS (=n)\n"
	     "        WANT_POINTERS has no prompt: only options that select it can set it: POINTERS (=n)\n"
	     "          POINTERS is in the choice \"Unwinder\" (Kconfig:19), which GUESS holds, asked for in "
	     "a.config:2: ask "
	     "for POINTERS=y in its place");
	says("# CONFIG_GUESS is not set\n", DEFAULTS, KCONFIG_REASON_CHOICE,
	     "  GUESS=n, asked for in a.config:1, is y\n      defined at Kconfig:24\n"
	     "      is what the choice \"Unwinder\" (Kconfig:19) comes down to\n      set another member of it: "
	     "POINTERS");
	says("CONFIG_INFO=y\n", DEFAULTS, KCONFIG_REASON_NO_PROMPT,
	     "  INFO=y, asked for in a.config:1, is n\n      defined at Kconfig:68\n"
	     "      has no prompt: only options that select it can set it: INFO4 (=n), INFO5 (=n)\n"
	     "        set one of them; all are in the choice \"Info\" (Kconfig:57)");
}

static void explains_what_has_no_prompt(void **state)
{
	(void)state;
	says("CONFIG_DERIVED=y\n", DEFAULTS "CONFIG_NET=y\n", KCONFIG_REASON_NO_PROMPT,
	     "  DERIVED=y, asked for in a.config:1, is n\n      defined at Kconfig:52\n"
	     "      has no prompt: Kconfig works it out of other options, at Kconfig:53\n"
	     "        needs EXPERT (=n): set EXPERT=y");
	says("CONFIG_NOBODY=y\n", DEFAULTS, KCONFIG_REASON_NO_PROMPT,
	     "  NOBODY=y, asked for in a.config:1, is n\n      defined at Kconfig:70\n"
	     "      has no prompt, and nothing in this kernel sets it");
	says("# CONFIG_X86 is not set\n", DEFAULTS, KCONFIG_REASON_NO_PROMPT,
	     "  X86=n, asked for in a.config:1, is y\n      defined at Kconfig:13\n"
	     "      has no prompt, so it can't be set by hand\n      its value is the default at Kconfig:14");
}

static void explains_what_was_forced(void **state)
{
	(void)state;
	says("CONFIG_CRC=m\nCONFIG_EXT4=y\n", DEFAULTS "CONFIG_MODULES=y\nCONFIG_EXT4=y\nCONFIG_CRC=y\n",
	     KCONFIG_REASON_SELECTED,
	     "  CRC=m, asked for in a.config:1, is y\n      defined at Kconfig:35\n"
	     "      is selected by EXT4 (=y) at Kconfig:39, asked for in a.config:2");
	says("CONFIG_CRC=m\n", DEFAULTS "CONFIG_CRC=y\n", KCONFIG_REASON_DEPENDENCY,
	     "  CRC=m, asked for in a.config:1, is y\n      defined at Kconfig:35\n      m needs MODULES (=n)");
	says("# CONFIG_PRINTK is not set\n", DEFAULTS, KCONFIG_REASON_DEPENDENCY,
	     "  PRINTK=n, asked for in a.config:1, is y\n      defined at Kconfig:40\n"
	     "      is at its default (Kconfig:42), which can't be changed as things are: its prompt\n"
	     "        needs EXPERT (=n): set EXPERT=y");
}

static void explains_values(void **state)
{
	(void)state;
	says("CONFIG_SHIFT=99\n", DEFAULTS, KCONFIG_REASON_VALUE,
	     "  SHIFT=99, asked for in a.config:1, is 17\n      defined at Kconfig:43\n      must be from 12 to 25 "
	     "(Kconfig:45)");
	says("CONFIG_SHIFT=0x10\n", DEFAULTS, KCONFIG_REASON_VALUE,
	     "  SHIFT=0x10, asked for in a.config:1, is 17\n      defined at Kconfig:43\n      is an int: a decimal "
	     "number");
	says("CONFIG_VERSION=5\n", DEFAULTS, KCONFIG_REASON_VALUE,
	     "  VERSION=5, asked for in a.config:1, is \"\"\n      defined at Kconfig:50\n"
	     "      is a string: the value must be in double quotes");
	says("CONFIG_EXPERT=m\n", DEFAULTS, KCONFIG_REASON_VALUE,
	     "  EXPERT=m, asked for in a.config:1, is n\n      defined at Kconfig:6\n"
	     "      is a bool: y or n, it can't be a module");
}

static void admits_what_it_cannot_know(void **state)
{
	(void)state;
	says("CONFIG_FLAG=y\n", DEFAULTS, KCONFIG_REASON_DEPENDENCY,
	     "  FLAG=y, asked for in a.config:1, is n\n      defined at Kconfig:54\n"
	     "      depends on what the compiler and the other tools can do: $(cc-option,-x)");
	says("CONFIG_NET=y\n", DEFAULTS, KCONFIG_REASON_UNKNOWN,
	     "  NET=y, asked for in a.config:1, is n\n      defined at Kconfig:4\n"
	     "      the Kconfig files don't tell why; `make menuconfig` may, with a search for the name");
}

static void knows_near_names(void **state)
{
	(void)state;
	says("CONFIG_FRAME_POINTERS=y\n", DEFAULTS, KCONFIG_REASON_NO_SUCH_OPTION,
	     "  FRAME_POINTERS=y, asked for in a.config:1, doesn't exist\n"
	     "      this kernel has no such option; is one of these meant? FRAME_POINTER");
	says("CONFIG_UNKNOWN_THING=1\n", DEFAULTS, KCONFIG_REASON_NO_SUCH_OPTION,
	     "  UNKNOWN_THING=1, asked for in a.config:1, doesn't exist\n      this kernel has no such option");
}

static void forgives_unknown_names_if_told(void **state)
{
	static const char text[] = "CONFIG_GONE=y\nCONFIG_KGDB=y\n";
	struct scene s;

	(void)state;
	scene_init(&s);
	assert_null(fragment_set_parse(s.requests, FRAGMENT_BUILTIN, true, "compat.config", text, strlen(text)));
	verify(&s, DEFAULTS);
	assert_int_equal(s.verdict.dropped.n, 1);
	assert_string_equal(s.verdict.dropped.v[0].request->name, "KGDB");
	scene_deinit(&s);
}

static void is_overridden(const char *user, const char *config, const char *expected)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct scene s;

	scene_init(&s);
	add(s.requests, FRAGMENT_BUILTIN, "a.config",
	    "CONFIG_NET=y\nCONFIG_POINTERS=y\nCONFIG_FRAME_POINTER=y\n# CONFIG_CRC is not set\n");
	add(s.requests, FRAGMENT_USER, "mine.config", user);
	verify(&s, config);
	kconfig_verdict_print_overridden(&s.verdict, s.requests, &b);
	assert_string_equal(buf_str(&b), expected);
	assert_int_equal(s.verdict.dropped.n, 0);
	scene_deinit(&s);
}

static void lets_the_users_choice_stand(void **state)
{
	(void)state;
	is_overridden("CONFIG_ORC=y\n", "CONFIG_X86=y\nCONFIG_NET=y\nCONFIG_ORC=y\n",
		      "POINTERS=y of a.config:2 gives way to ORC=y of mine.config:1\n"
		      "FRAME_POINTER=y of a.config:3 gives way to ORC=y of mine.config:1\n");
	is_overridden("CONFIG_EXT4=y\n",
		      "CONFIG_NET=y\nCONFIG_POINTERS=y\nCONFIG_WANT_POINTERS=y\nCONFIG_FRAME_POINTER=y\nCONFIG_EXT4=y\n"
		      "CONFIG_CRC=y\n",
		      "CRC=n of a.config:4 gives way to EXT4=y of mine.config:1\n");
	is_overridden("# CONFIG_NET is not set\n",
		      "CONFIG_POINTERS=y\nCONFIG_WANT_POINTERS=y\nCONFIG_FRAME_POINTER=y\n",
		      "NET=y of a.config:1 gives way to NET=n of mine.config:1\n");
}

static void says_if_kconfig_cannot_be_read(void **state)
{
	struct kconfig_file files[] = { { "Kconfig", "nonsense\n" }, { NULL, NULL } };
	struct kconfig_reader reader = kconfig_reader_of(files);
	_cleanup_(dotconfig_destroy) struct dotconfig *c = NULL;
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;
	struct scene s;

	(void)state;
	scene_init(&s);
	add(s.requests, FRAGMENT_BUILTIN, "a.config", "CONFIG_A=y\nCONFIG_B=5\n");
	assert_null(dotconfig_parse(".config", "", 0, &c));
	kconfig_verify(s.requests, c, &reader, &s.verdict);
	kconfig_verdict_print(&s.verdict, &b);
	assert_string_equal(
		buf_str(&b),
		"2 options that were asked for are not in the kernel's configuration:\n"
		"  A=y, asked for in a.config:1, is n\n      why isn't known: Kconfig:1: 'nonsense' is no keyword\n"
		"  B=5, asked for in a.config:2, is not set\n"
		"      why isn't known: Kconfig:1: 'nonsense' is no keyword");
	scene_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_what_is_there),
		cmocka_unit_test(names_unmet_dependencies),
		cmocka_unit_test(follows_dependencies),
		cmocka_unit_test(says_what_to_set),
		cmocka_unit_test(explains_choices),
		cmocka_unit_test(explains_what_has_no_prompt),
		cmocka_unit_test(explains_what_was_forced),
		cmocka_unit_test(explains_values),
		cmocka_unit_test(admits_what_it_cannot_know),
		cmocka_unit_test(knows_near_names),
		cmocka_unit_test(forgives_unknown_names_if_told),
		cmocka_unit_test(lets_the_users_choice_stand),
		cmocka_unit_test(says_if_kconfig_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
