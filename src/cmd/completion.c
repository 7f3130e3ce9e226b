/*
 * Scripts with which shells complete ktb's command line, made from the tables of commands and options. What only the
 * moment knows, the VMs that run, the scripts ask `ktb list`.
 */
#include <stdio.h>

#include "cmd/cmd.h"

/* What a word of the command line can be. */
enum word {
	WORD_NONE, /* nothing that could be completed */
	WORD_FILE,
	WORD_VM,
	WORD_COMMAND,
	WORD_LIST, /* of struct value's words */
};

struct value {
	enum word kind;
	char *words; /* with spaces between them; NULL: none */
	bool files;  /* files besides the words */
};

static void value_deinit(struct value *v)
{
	free(v->words);
}
DEFINE_CLEANUP_STORAGE(struct value, value_deinit);

/* The words in "tiny|defconfig|FILE" are the lower-case ones. */
static char *choice_words(const char *arg)
{
	_cleanup_(buf_deinit) struct buf b = BUF_INIT;

	while (*arg) {
		size_t n = strcspn(arg, "|");

		if (*arg < 'A' || *arg > 'Z')
			buf_printf(&b, "%s%.*s", b.len ? " " : "", (int)n, arg);
		arg += n + (arg[n] == '|');
	}
	return buf_steal(&b);
}

static struct value option_value(const struct option *o, enum command_id command)
{
	struct value v = { WORD_NONE, NULL, false };

	switch (o->type) {
	case OPTION_TYPE_CHOICE:
	case OPTION_TYPE_CHOICE_OR_PATH:
		v.kind = WORD_LIST;
		v.words = choice_words(o->arg);
		v.files = o->type == OPTION_TYPE_CHOICE_OR_PATH;
		break;
	case OPTION_TYPE_PATH:
	case OPTION_TYPE_PATH_OR_URL:
	case OPTION_TYPE_PATH_LIST:
	case OPTION_TYPE_PROGRAM:
		v.kind = WORD_FILE;
		break;
	case OPTION_TYPE_STRING:
	case OPTION_TYPE_LIST:
		/* Where a VM is started, its name is a new one. */
		if (o == &options[OPT_VM_NAME] && !(BOOTING & (1U << command)))
			v.kind = WORD_VM;
		else if (o == &options[OPT_INIT_KERNEL])
			v.kind = WORD_FILE;
		break;
	case OPTION_TYPE_NUMBER:
	case OPTION_TYPE_SIZE:
	case OPTION_TYPE_BOOL:
	default:
		break;
	}
	return v;
}

/* Of the arguments that are no options. */
static struct value argument_value(const struct command *c)
{
	struct value v = { WORD_NONE, NULL, false };

	if (!c->completes)
		v.kind = *c->args || c->takes_rest ? WORD_FILE : WORD_NONE;
	else if (streq(c->completes, COMPLETES_VMS))
		v.kind = WORD_VM;
	else if (streq(c->completes, COMPLETES_COMMANDS))
		v.kind = WORD_COMMAND;
	else
		v = (struct value){ WORD_LIST, xstrdup(c->completes), false };
	return v;
}

static bool takes(const struct command *c, const struct option *o)
{
	return o->commands & (1U << c->id);
}

/* --- bash --- */

static void bash_words(const struct value *v)
{
	switch (v->kind) {
	case WORD_FILE:
		fputs("_ktb_files", stdout);
		break;
	case WORD_VM:
		fputs("_ktb_words \"$(_ktb_vms \"$1\")\"", stdout);
		break;
	case WORD_COMMAND:
		fputs("_ktb_words \"$commands ktb.conf\"", stdout);
		break;
	case WORD_LIST:
		printf("_ktb_words '%s'%s", v->words, v->files ? "; _ktb_files" : "");
		break;
	case WORD_NONE:
	default:
		fputs(":", stdout);
		break;
	}
}

/* The values of an option, if it takes one. */
static void bash_option(const struct command *c, const struct option *o)
{
	_cleanup_(value_deinit) struct value v = option_value(o, c->id);
	char flag[OPTION_FLAG_MAX];

	if (o->type == OPTION_TYPE_BOOL || !takes(c, o))
		return;
	option_flag(o, flag);
	printf("\t\t--%s", flag);
	if (o->short_flag)
		printf(" | -%c", o->short_flag);
	fputs(") ", stdout);
	bash_words(&v);
	fputs("; return ;;\n", stdout);
}

static void bash_command(const struct command *c)
{
	_cleanup_(value_deinit) struct value v = argument_value(c);

	printf("\t%s)\n\t\tcase $prev in\n", c->name);
	for (size_t i = 0; i < OPTIONS_N; i++)
		bash_option(c, &options[i]);
	if (CONFIGURING & (1U << c->id))
		fputs("\t\t--kconfig) return ;;\n", stdout);
	fputs("\t\tesac\n\t\tif [[ $cur == -* ]]; then\n\t\t\t_ktb_words '", stdout);
	for (size_t i = 0; i < OPTIONS_N; i++) {
		char flag[OPTION_FLAG_MAX];

		option_flag(&options[i], flag);
		if (takes(c, &options[i]))
			printf("--%s ", flag);
	}
	fputs(CONFIGURING & (1U << c->id) ? "--kconfig --help'\n" : "--help'\n", stdout);
	fputs("\t\telse\n\t\t\t", stdout);
	bash_words(&v);
	fputs("\n\t\tfi\n\t\t;;\n", stdout);
}

static void print_bash(void)
{
	fputs("# bash completion for ktb; made by: ktb completion bash\n"
	      "\n"
	      "_ktb_words()\n"
	      "{\n"
	      "\tlocal word\n"
	      "\tfor word in $(compgen -W \"$1\" -- \"$cur\"); do\n"
	      "\t\tCOMPREPLY+=(\"$word\")\n"
	      "\tdone\n"
	      "}\n"
	      "\n"
	      "_ktb_files()\n"
	      "{\n"
	      "\tlocal file\n"
	      "\twhile IFS= read -r file; do\n"
	      "\t\tCOMPREPLY+=(\"$file\")\n"
	      "\tdone < <(compgen -f -- \"$cur\")\n"
	      "\tcompopt -o filenames 2>/dev/null\n"
	      "}\n"
	      "\n"
	      "_ktb_vms()\n"
	      "{\n"
	      "\t\"$1\" list --quiet 2>/dev/null | sed '1d; s/ .*//'\n"
	      "}\n"
	      "\n"
	      "_ktb()\n"
	      "{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} i\n"
	      "\tlocal commands='",
	      stdout);
	for (const struct command *const *c = all_commands; *c; c++)
		printf("%s%s", c == all_commands ? "" : " ", (*c)->name);
	fputs("'\n"
	      "\tCOMPREPLY=()\n"
	      "\tif ((COMP_CWORD == 1)); then\n"
	      "\t\t_ktb_words \"$commands --help --version\"\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\t# --option=value comes as three words.\n"
	      "\tif [[ $cur == = ]]; then\n"
	      "\t\tcur=\n"
	      "\telif [[ $prev == = ]]; then\n"
	      "\t\tprev=${COMP_WORDS[COMP_CWORD-2]}\n"
	      "\tfi\n"
	      "\tfor ((i = 2; i < COMP_CWORD; i++)); do\n"
	      "\t\tif [[ ${COMP_WORDS[i]} == -- ]]; then\n"
	      "\t\t\t_ktb_files\n"
	      "\t\t\treturn\n"
	      "\t\tfi\n"
	      "\tdone\n"
	      "\tcase ${COMP_WORDS[1]} in\n",
	      stdout);
	for (const struct command *const *c = all_commands; *c; c++)
		bash_command(*c);
	fputs("\tesac\n"
	      "}\n"
	      "\n"
	      "complete -F _ktb ktb\n",
	      stdout);
}

/* --- zsh --- */

/* Inside of single quotes, with a backslash before each of `special`. */
static void zsh_text(const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\'", stdout);
		else if (strchr(special, *text))
			fputc('\\', stdout);
		fputc(*text, stdout);
	}
}

static void zsh_action(const struct value *v)
{
	switch (v->kind) {
	case WORD_FILE:
		fputs("_files", stdout);
		break;
	case WORD_VM:
		fputs("_ktb_vms", stdout);
		break;
	case WORD_COMMAND:
		fputs("_ktb_topics", stdout);
		break;
	case WORD_LIST:
		if (v->files)
			printf("{_alternative \"words:word:(%s)\" \"files:file:_files\"}", v->words);
		else
			printf("(%s)", v->words);
		break;
	case WORD_NONE:
	default:
		fputs(" ", stdout);
		break;
	}
}

/* A specification for _arguments (zshcompsys(1)). */
static void zsh_option(const struct command *c, const struct option *o)
{
	_cleanup_(value_deinit) struct value v = option_value(o, c->id);
	bool has_value = o->type != OPTION_TYPE_BOOL;
	const char *sign = has_value ? "=" : "";
	char flag[OPTION_FLAG_MAX];

	option_flag(o, flag);
	fputs("\t\t\t", stdout);
	if (option_is_list(o->type))
		fputs("'*'", stdout);
	else if (o->short_flag)
		printf("'(-%c --%s)'", o->short_flag, flag);
	if (o->short_flag)
		printf("{-%c%s,--%s%s}", o->short_flag, has_value ? "+" : "", flag, sign);
	else
		printf("--%s%s", flag, sign);
	fputs("'[", stdout);
	zsh_text(o->help, "[]\\:");
	fputs("]", stdout);
	if (has_value) {
		fputs(":", stdout);
		zsh_text(v.kind == WORD_LIST ? "value" : o->arg, "\\:");
		fputs(":", stdout);
		zsh_action(&v);
	}
	fputs("' \\\n", stdout);
}

static void zsh_command(const struct command *c)
{
	_cleanup_(value_deinit) struct value v = argument_value(c);

	printf("\t%s)\n\t\t_arguments -s \\\n", c->name);
	for (size_t i = 0; i < OPTIONS_N; i++) {
		if (takes(c, &options[i]))
			zsh_option(c, &options[i]);
	}
	if (CONFIGURING & (1U << c->id))
		fputs("\t\t\t'*--kconfig=[kernel option to set]:NAME=VALUE: ' \\\n", stdout);
	fputs("\t\t\t'(-h --help)'{-h,--help}'[what ktb help says about the command]'", stdout);
	if (v.kind != WORD_NONE) {
		fputs(" \\\n\t\t\t'*:argument:", stdout);
		zsh_action(&v);
		fputs("'", stdout);
	}
	fputs("\n\t\t;;\n", stdout);
}

static void print_zsh(void)
{
	fputs("#compdef ktb\n"
	      "# zsh completion for ktb; made by: ktb completion zsh\n"
	      "\n"
	      "_ktb_vms()\n"
	      "{\n"
	      "\tlocal -a vms\n"
	      "\tvms=(${(f)\"$(_call_program vms $ktb_program list --quiet 2>/dev/null | sed '1d; s/ .*//')\"})\n"
	      "\tcompadd -a vms\n"
	      "}\n"
	      "\n"
	      "_ktb_topics()\n"
	      "{\n"
	      "\tcompadd ktb.conf",
	      stdout);
	for (const struct command *const *c = all_commands; *c; c++)
		printf(" %s", (*c)->name);
	fputs("\n"
	      "}\n"
	      "\n"
	      "_ktb()\n"
	      "{\n"
	      "\tlocal ktb_program=$words[1]\n"
	      "\tlocal -a commands\n"
	      "\tcommands=(\n",
	      stdout);
	for (const struct command *const *c = all_commands; *c; c++) {
		printf("\t\t'%s:", (*c)->name);
		zsh_text((*c)->summary, "\\:");
		fputs("'\n", stdout);
	}
	fputs("\t)\n"
	      "\tif ((CURRENT == 2)); then\n"
	      "\t\t_describe command commands\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tshift words\n"
	      "\t((CURRENT--))\n"
	      "\tcase $words[1] in\n",
	      stdout);
	for (const struct command *const *c = all_commands; *c; c++)
		zsh_command(*c);
	fputs("\tesac\n"
	      "}\n"
	      "\n"
	      "if [[ $funcstack[1] == _ktb ]]; then\n"
	      "\t_ktb \"$@\"\n"
	      "else\n"
	      "\tcompdef _ktb ktb\n"
	      "fi\n",
	      stdout);
}

/* --- fish --- */

static void fish_text(const char *text)
{
	fputc('\'', stdout);
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			fputc('\\', stdout);
		fputc(*text, stdout);
	}
	fputc('\'', stdout);
}

static void fish_value(const struct value *v)
{
	switch (v->kind) {
	case WORD_FILE:
		fputs(" -F", stdout);
		break;
	case WORD_VM:
		fputs(" -a '(__ktb_vms)'", stdout);
		break;
	case WORD_COMMAND:
		fputs(" -a '", stdout);
		for (const struct command *const *c = all_commands; *c; c++)
			printf("%s ", (*c)->name);
		fputs("ktb.conf'", stdout);
		break;
	case WORD_LIST:
		printf(" -a '%s'%s", v->words, v->files ? " -F" : "");
		break;
	case WORD_NONE:
	default:
		break;
	}
}

static void fish_command(const struct command *c)
{
	_cleanup_(value_deinit) struct value arguments = argument_value(c);

	printf("\ncomplete -c ktb -n __ktb_no_command -a %s -d ", c->name);
	fish_text(c->summary);
	fputs("\n", stdout);
	for (size_t i = 0; i < OPTIONS_N; i++) {
		_cleanup_(value_deinit) struct value v = option_value(&options[i], c->id);
		const struct option *o = &options[i];
		char flag[OPTION_FLAG_MAX];

		if (!takes(c, o))
			continue;
		option_flag(o, flag);
		printf("complete -c ktb -n '__ktb_command %s' -l %s", c->name, flag);
		if (o->short_flag)
			printf(" -s %c", o->short_flag);
		if (o->type != OPTION_TYPE_BOOL) {
			fputs(v.kind == WORD_FILE || v.files ? " -r" : " -x", stdout);
			fish_value(&v);
		}
		fputs(" -d ", stdout);
		fish_text(o->help);
		fputs("\n", stdout);
	}
	if (CONFIGURING & (1U << c->id))
		printf("complete -c ktb -n '__ktb_command %s' -l kconfig -x -d 'kernel option to set'\n", c->name);
	if (arguments.kind == WORD_NONE)
		return;
	printf("complete -c ktb -n '__ktb_command %s'", c->name);
	fish_value(&arguments);
	fputs("\n", stdout);
}

static void print_fish(void)
{
	fputs("# fish completion for ktb; made by: ktb completion fish\n"
	      "\n"
	      "function __ktb_no_command\n"
	      "\ttest (count (commandline -opc)) -eq 1\n"
	      "end\n"
	      "\n"
	      "function __ktb_command\n"
	      "\tset -l words (commandline -opc)\n"
	      "\ttest (count $words) -ge 2; and test $words[2] = $argv[1]\n"
	      "end\n"
	      "\n"
	      "function __ktb_vms\n"
	      "\tset -l words (commandline -opc)\n"
	      "\t$words[1] list --quiet 2>/dev/null | string match -rv '^NAME ' | string replace -r ' .*' ''\n"
	      "end\n"
	      "\n"
	      "complete -c ktb -f\n"
	      "complete -c ktb -l help -s h -d 'what there is to know'\n",
	      stdout);
	for (const struct command *const *c = all_commands; *c; c++)
		fish_command(*c);
}

static struct err *cmd_completion(struct config *cfg, const struct strv *positional, const struct strv *rest,
				  int *ret_status)
{
	const char *shell = positional->n == 1 ? positional->v[0] : "";

	(void)cfg;
	(void)rest;
	(void)ret_status;
	if (streq(shell, "bash"))
		print_bash();
	else if (streq(shell, "zsh"))
		print_zsh();
	else if (streq(shell, "fish"))
		print_fish();
	else
		return err_create(ERR_USAGE, "ktb completion takes the name of a shell: bash, zsh or fish");
	return NULL;
}

const struct command command_completion = {
	.id = COMMAND_COMPLETION,
	.name = "completion",
	.args = "bash|zsh|fish",
	.summary = "a script that completes ktb's command line in a shell",
	.description =
		"An installed ktb has these scripts where the shells look for them. Else: put the line of the example\n"
		"into ~/.bashrc (source <(ktb completion zsh) into ~/.zshrc, ktb completion fish | source into\n"
		"fish's config.fish).",
	.examples = "  source <(ktb completion bash)\n"
		    "  ktb completion fish",
	.completes = "bash zsh fish",
	.run = cmd_completion,
};
