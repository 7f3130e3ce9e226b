#include <inttypes.h>

#include "base/log.h"
#include "base/rows.h"
#include "cmd/module_files.h"

static const struct rows_column columns[] = {
	{ "NAME", "name", ROWS_TEXT },           { "SIZE", "size", ROWS_NUMBER }, { "USES", "uses", ROWS_NUMBER },
	{ "USED BY", "used_by", ROWS_TEXT },     { "STATE", "state", ROWS_TEXT }, { "TAINT", "taint", ROWS_TEXT },
	{ "ADDRESS", "address", ROWS_TEXT },     { NULL, "struct", ROWS_TEXT },   { NULL, "permanent", ROWS_TEXT },
	{ NULL, "build_id", ROWS_TEXT },         { NULL, "sections", ROWS_TEXT }, { NULL, "file_build_id", ROWS_TEXT },
	{ "LOADED", "file_matches", ROWS_TEXT }, { "FILE", "file", ROWS_TEXT },   { NULL, NULL, ROWS_TEXT },
};

static const struct rows_column section_columns[] = {
	{ NULL, "name", ROWS_TEXT },
	{ NULL, "address", ROWS_TEXT },
	{ NULL, NULL, ROWS_TEXT },
};

static const struct rows_column long_columns[] = {
	{ "MODULE", "module", ROWS_TEXT },
	{ "SECTION", "name", ROWS_TEXT },
	{ "ADDRESS", "address", ROWS_TEXT },
	{ NULL, NULL, ROWS_TEXT },
};

static void add_address(struct rows *rows, uint64_t address)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	rows_str(rows, text);
}

static void add_state(struct rows *rows, enum module_state state)
{
	switch (state) {
	case MODULE_STATE_LIVE:
		rows_str(rows, "live");
		return;
	case MODULE_STATE_COMING:
		rows_str(rows, "coming");
		return;
	case MODULE_STATE_GOING:
		rows_str(rows, "going");
		return;
	case MODULE_STATE_UNKNOWN:
		break;
	}
	rows_unknown(rows);
}

static void add_uses(struct rows *rows, const struct module *m)
{
	/* One that goes has given up even its own reference. */
	if (m->known & MODULE_KNOWS_USES)
		rows_u64(rows, m->uses > 0 ? (uint64_t)m->uses : 0);
	else
		rows_unknown(rows);
	if (m->known & MODULE_KNOWS_USERS)
		rows_list(rows, &m->users);
	else
		rows_unknown(rows);
}

static void add_taints(struct rows *rows, const struct module *m)
{
	char taints[MODULE_TAINTS_MAX + 1];

	module_taint_letters(m->taints, taints);
	if (!(m->known & MODULE_KNOWS_TAINTS))
		rows_unknown(rows);
	else
		rows_str(rows, *taints ? taints : NULL);
}

static void add_sections(struct rows *rows, const struct module *m, bool json)
{
	_cleanup_(rows_destroy) struct rows *sections = rows_create(section_columns, json);

	if (!(m->known & MODULE_KNOWS_SECTIONS)) {
		rows_unknown(rows);
		return;
	}
	for (size_t i = 0; i < m->sections_n; i++) {
		rows_begin(sections);
		rows_str(sections, m->sections[i].name);
		add_address(sections, m->sections[i].address);
	}
	rows_nested(rows, sections);
}

static void add_file(struct rows *rows, const struct module_file *f)
{
	rows_str(rows, f->build_id);
	switch (f->state) {
	case MODULE_FILE_SAME:
	case MODULE_FILE_OTHER:
		rows_bool(rows, f->state == MODULE_FILE_SAME);
		break;
	case MODULE_FILE_UNKNOWN:
		rows_unknown(rows);
		break;
	case MODULE_FILE_NONE:
		rows_str(rows, NULL);
		break;
	}
	rows_str(rows, f->path);
}

static void add_module(struct rows *rows, const struct module *m, const struct module_file *f, bool json)
{
	rows_begin(rows);
	rows_str(rows, m->name);
	rows_u64(rows, m->size);
	add_uses(rows, m);
	add_state(rows, m->state);
	add_taints(rows, m);
	if (m->areas_n)
		add_address(rows, m->areas[0].start);
	else
		rows_unknown(rows);
	add_address(rows, m->address);
	rows_bool(rows, m->permanent);
	rows_str(rows, *m->build_id ? m->build_id : NULL);
	add_sections(rows, m, json);
	add_file(rows, f);
}

static struct err *show_sections(const struct module_list *list)
{
	_cleanup_(rows_destroy) struct rows *rows = rows_create(long_columns, false);

	for (size_t i = 0; i < list->n; i++) {
		const struct module *m = &list->modules[i];

		for (size_t j = 0; j < m->sections_n; j++) {
			rows_begin(rows);
			rows_str(rows, m->name);
			rows_str(rows, m->sections[j].name);
			add_address(rows, m->sections[j].address);
		}
	}
	if (list->n)
		puts("");
	return rows_emit(rows, stdout);
}

static void warn(const struct module *m, const struct module_file *f)
{
	if (f->state == MODULE_FILE_OTHER)
		log_warn("%s is not the file that module %s was loaded from: its build ID is %s, the module's is %s; "
			 "load it again, or name the folder of the right one by --modules",
			 f->path, m->name, f->build_id, m->build_id);
}

static struct err *cmd_lsmod(struct config *cfg, const struct strv *positional, const struct strv *rest,
			     int *ret_status)
{
	bool json = config_bool(cfg, OPT_OUTPUT_JSON);
	_cleanup_(rows_destroy) struct rows *rows = rows_create(columns, json);
	_cleanup_(inspect_deinit) struct inspect in = INSPECT_INIT;
	_cleanup_(module_list_deinit) struct module_list list = MODULE_LIST_INIT;
	_cleanup_(module_files_destroy) struct module_files *files = NULL;

	(void)positional;
	(void)rest;
	(void)ret_status;
	TRY(inspect_open(cfg, &in));
	TRY(module_list_read(in.kernel, &list));
	TRY(module_files_open(cfg, &in, &files));
	for (size_t i = 0; i < list.n; i++) {
		_cleanup_(module_file_deinit) struct module_file file = { .state = MODULE_FILE_NONE };

		module_files_find(files, &list.modules[i], &file);
		add_module(rows, &list.modules[i], &file, json);
		warn(&list.modules[i], &file);
	}
	TRY(rows_emit(rows, stdout));
	if (config_bool(cfg, OPT_LSMOD_LONG) && !json)
		TRY(show_sections(&list));
	if (!list.complete)
		log_warn("the list of modules ends early: it changed whenever it was read, or is damaged; try --stop");
	return NULL;
}

const struct command command_lsmod = {
	.id = COMMAND_LSMOD,
	.name = "lsmod",
	.args = "",
	.summary = "the modules of a guest, and the files they came from",
	.description =
		"TAINT has the letters that the kernel prints, ADDRESS is where the code begins. LOADED says whether\n"
		"FILE, which was found on this machine, is the one that was loaded, by its build ID: no, if it was\n"
		"built again since, or if it is another one. Sections are shown with --long, and in JSON.",
	.examples = "  ktb lsmod\n"
		    "  ktb lsmod --long      # and the address of each section\n"
		    "  ktb lsmod --json",
	.run = cmd_lsmod,
};
