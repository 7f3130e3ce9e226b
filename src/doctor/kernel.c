#include <errno.h>
#include <limits.h>

#include "base/buildid.h"
#include "base/fs.h"
#include "base/util.h"
#include "debuginfo/symbols.h"
#include "doctor/check.h"

enum { UNMET_SHOWN = 5 };

/* False: it is one that ktb builds. */
static bool say_foreign(struct doctor *d)
{
	const struct doctor_foreign *f;
	struct err *e = inspect_foreign(d, &f);

	if (e) {
		say_error(d, DOCTOR_PROBLEM, e, "the VM won't start",
			  "correct vm.kernel, vm.vmlinux or vm.modules (--kernel, --vmlinux, --modules)");
		return true;
	}
	if (f->kernel)
		say(d, DOCTOR_OK,
		    xasprintf("%s, built elsewhere (%s)", f->release ? f->release : "of a release it doesn't name",
			      f->kernel),
		    NULL, NULL);
	return f->kernel != NULL;
}

struct err *check_kernel(struct doctor *d)
{
	const struct kbuild_inspection *i;
	struct err *e;

	if (say_foreign(d))
		return NULL;
	e = inspect_kernel(d, &i);
	if (e)
		say_error(d, DOCTOR_PROBLEM, e, "the kernel that is asked for can't be built",
			  "correct the options or ktb.conf, or install what is missing");
	else if (i->complete)
		say(d, DOCTOR_OK, xasprintf("%s, built %s (%s)", i->kernel.release, i->kernel.date, i->kernel.vmlinux),
		    NULL, NULL);
	else if (i->wrong)
		say(d, DOCTOR_WARNING, xasprintf("built once, and no longer good: %s", i->wrong),
		    xstrdup("the next ktb vm builds it again before it boots"), xstrdup("ktb build"));
	else
		say(d, DOCTOR_WARNING,
		    xstrdup(i->to_download ? "not built yet, and its source is not downloaded yet"
			    : i->begun     ? "a build of it was begun, and is not finished"
					   : "not built yet"),
		    xasprintf("the next ktb vm %s it before it boots, which takes minutes",
			      i->to_download ? "downloads and builds" : "builds"),
		    xstrdup("ktb build"));
	return NULL;
}

struct err *check_build_id(struct doctor *d)
{
	const struct kbuild_inspection *i;
	_cleanup_(free) char *id = NULL;
	struct err *e;

	if (is_foreign(d, true))
		return NULL;
	TRY(inspect_kernel(d, &i));
	e = build_id_read(i->kernel.vmlinux, &id);
	if (e)
		say_error(d, DOCTOR_PROBLEM, e, "symbols and kernel can't be known to belong together",
			  "build it again: remove its manifest.json, then ktb build");
	else if (!streq(id, i->kernel.build_id))
		say(d, DOCTOR_PROBLEM,
		    xasprintf("%s has %s, its manifest says %s", i->kernel.vmlinux, id, i->kernel.build_id),
		    xstrdup("the file was replaced behind ktb's back"),
		    xstrdup("build it again: remove its manifest.json, then ktb build"));
	else
		say(d, DOCTOR_OK, steal(&id), NULL, NULL);
	return NULL;
}

/* What of a vmlinux a debugger needs. False: something is missing, and was said. */
static struct err *look_at_symbols(struct doctor *d, const char *vmlinux, const char *remedy, char **ret_found)
{
	_cleanup_(symbols_destroy) struct symbols *s = NULL;

	*ret_found = NULL;
	TRY(symbols_open(vmlinux, &s));
	if (!symbols_functions_n(s))
		say(d, DOCTOR_PROBLEM, xasprintf("%s has no symbols: it was stripped, or is no vmlinux", vmlinux),
		    xstrdup("GDB can name no function"), xstrdup(remedy));
	else if (!symbols_has_debug_info(s))
		say(d, DOCTOR_PROBLEM, xasprintf("%s has symbols, and no debug information", vmlinux),
		    xstrdup("GDB knows functions, but no lines, types and variables"), xstrdup(remedy));
	else
		*ret_found = xasprintf("%zu functions, with lines and types", symbols_functions_n(s));
	return NULL;
}

struct err *check_debug_info(struct doctor *d)
{
	static const char elsewhere[] = "name a vmlinux that has it, of the same build, with --vmlinux";
	static const char here[] =
		"take what turns DEBUG_INFO off out of [kconfig] and fragments (--allow-dropped hides it)";
	const struct doctor_foreign *f;
	const struct kbuild_inspection *i;
	char *found;

	TRY(inspect_foreign(d, &f));
	if (f->kernel && !f->vmlinux) {
		say_text(d, DOCTOR_SKIPPED, "no vmlinux is named (--vmlinux)", NULL, NULL);
		return NULL;
	}
	if (f->kernel) {
		TRY(look_at_symbols(d, f->vmlinux, elsewhere, &found));
	} else {
		TRY(inspect_kernel(d, &i));
		TRY(look_at_symbols(d, i->kernel.vmlinux, here, &found));
	}
	if (found)
		say(d, DOCTOR_OK, found, NULL, NULL);
	return NULL;
}

struct err *check_scripts(struct doctor *d)
{
	static const char meaning[] = "GDB has no lx-* commands; all else works";
	const struct kbuild_inspection *i;
	char real[PATH_MAX];

	if (is_foreign(d, true))
		return NULL;
	TRY(inspect_kernel(d, &i));
	if (!realpath(i->kernel.gdb_script, real))
		say(d, DOCTOR_WARNING, xasprintf("%s leads nowhere: %s", i->kernel.gdb_script, strerrordesc_np(errno)),
		    xstrdup(meaning), xstrdup("was the source moved or removed? ktb build brings it back"));
	else if (!is_directory(i->kernel.source_tree))
		say(d, DOCTOR_WARNING, xasprintf("the source %s is gone", i->kernel.source_tree),
		    xstrdup("GDB shows no lines of source"), xstrdup("put it back, or build from where it is now"));
	else
		say_text(d, DOCTOR_OK, i->kernel.gdb_script, NULL, NULL);
	return NULL;
}

/* Of one from elsewhere: what the VM needs. */
static void say_lacks(struct doctor *d, const struct doctor_foreign *f)
{
	if (!f->vmlinux)
		say_text(d, DOCTOR_SKIPPED, "no vmlinux is named (--vmlinux)", NULL, NULL);
	else if (!f->lacks.n)
		say_text(d, DOCTOR_OK, "the kernel has what the VM needs", NULL, NULL);
	for (size_t i = 0; i < f->lacks.n; i++)
		say(d, DOCTOR_WARNING, xasprintf("the kernel lacks %s", f->lacks.v[i]),
		    xstrdup("the VM is made of what such kernels have; this one can't use all of it"),
		    xstrdup("name its modules with --modules, or build one that has it"));
}

struct err *check_options(struct doctor *d)
{
	const struct doctor_foreign *f;
	const struct kbuild_inspection *i;
	_cleanup_(buf_deinit) struct buf names = BUF_INIT;

	TRY(inspect_foreign(d, &f));
	if (f->kernel) {
		say_lacks(d, f);
		return NULL;
	}
	TRY(inspect_kernel(d, &i));
	for (size_t n = 0; n < i->unmet.n && n < UNMET_SHOWN; n++)
		buf_printf(&names, "%s%s", n ? ", " : "", i->unmet.v[n]);
	if (i->unmet.n > UNMET_SHOWN)
		buf_puts(&names, ", ...");
	if (!i->unmet.n)
		say(d, DOCTOR_OK, xasprintf("the kernel has all %zu that are asked for", i->asked), NULL, NULL);
	else if (!i->kernel.dropped)
		say(d, DOCTOR_OK,
		    xasprintf("the kernel has those that are asked for; of %zu, %zu gave way to others: %s", i->asked,
			      i->unmet.n, buf_str(&names)),
		    NULL, NULL);
	else
		say(d, DOCTOR_WARNING,
		    xasprintf("%llu of %zu that are asked for are not in the kernel: %s",
			      (unsigned long long)i->kernel.dropped, i->asked, buf_str(&names)),
		    xstrdup("it was built with allow_dropped; what they would do is missing"),
		    xstrdup("ktb build --allow-dropped=no says what each of them needs"));
	return NULL;
}
