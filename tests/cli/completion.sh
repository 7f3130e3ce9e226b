#!/bin/sh
# What bash, zsh and fish complete, by the scripts that ktb makes, in these shells.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CONFIG_HOME="$tmp/config" XDG_RUNTIME_DIR="$tmp/run" XDG_CACHE_HOME="$tmp/cache" HOME="$tmp/home"
mkdir -p "$tmp/bin" "$tmp/work/folder" "$tmp/home"
mkdir -m 700 "$tmp/run"
cd "$tmp/work" || exit 1
: >'a file.config'

# The program, with two VMs running.
cat >"$tmp/bin/ktb" <<END
#!/bin/sh
[ "\$1" != list ] || { printf 'NAME   STATUS\none    running\nother  paused\n'; exit; }
exec '$KTB' "\$@"
END
chmod +x "$tmp/bin/ktb"
PATH=$tmp/bin:$PATH

# The real list of none is fine for it as well.
expect_equal 'ktb list --quiet of no VM is empty' "$("$KTB" list --quiet)" ''

for shell in bash zsh fish; do
	run "$KTB" completion "$shell"
	expect_status "$shell: the script is made" 0
	printf '%s\n' "$stdout" >"$tmp/completion.$shell"
	if command -v "$shell" >/dev/null; then
		run "$shell" -n "$tmp/completion.$shell"
		expect_status "$shell: it is one" 0
		expect_equal "$shell: without a word" "$stderr" ''
	fi
	"$KTB" help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z]*\) .*/\1/p' >"$tmp/names"
	while read -r name; do
		grep -q "\<$name\>" "$tmp/completion.$shell" || not_ok "$shell: knows $name"
	done <"$tmp/names"
done
run "$KTB" completion
expect_status 'no shell' 2
run "$KTB" completion csh
expect_status 'another shell' 2
expect_error 'is told which there are' 'bash, zsh or fish'

# in_bash WORD...: the completions of the last word.
in_bash()
{
	bash -c '
	. "$0"
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	_ktb "$1"
	printf "%s\n" "${COMPREPLY[@]}"
	' "$tmp/completion.bash" "$@" | sort | tr '\n' ' ' | sed 's/^ *//; s/ $//'
}

expect_equal 'bash: commands' "$(in_bash ktb st)" 'stop'
expect_equal 'bash: all commands' "$(in_bash ktb '' | tr ' ' '\n' | grep -vc '^-')" "$(wc -l <"$tmp/names")"
expect_equal 'bash: options' "$(in_bash ktb build --so)" '--source'
expect_equal 'bash: only those of the command' "$(in_bash ktb list --a)" ''
expect_equal 'bash: words of a choice' "$(in_bash ktb vm --accel '')" 'auto kvm tcg'
expect_equal 'bash: with =' "$(in_bash ktb vm --accel = t)" 'tcg'
expect_equal 'bash: right behind =' "$(in_bash ktb vm --on-panic =)" 'exit pause reboot'
expect_equal 'bash: by the short flag' "$(in_bash ktb build -b d)" 'defconfig'
expect_equal 'bash: VMs' "$(in_bash ktb stop o)" 'one other'
expect_equal 'bash: a second one' "$(in_bash ktb stop one ot)" 'other'
expect_equal 'bash: VMs behind --name' "$(in_bash ktb gdb --name '')" 'one other'
expect_equal 'bash: not where one is started' "$(in_bash ktb vm --name '')" ''
expect_equal 'bash: files' "$(in_bash ktb build --fragment 'a')" 'a file.config'
expect_equal 'bash: files behind --' "$(in_bash ktb gdb -- fold)" 'folder'
expect_equal 'bash: words of an argument' "$(in_bash ktb config '')" 'edit explain'
expect_equal 'bash: topics of help' "$(in_bash ktb help kt)" 'ktb.conf'

# A real Tab.
term_start "exec bash --norc --noprofile"
term_send ". '$tmp/completion.bash'; PS1='> '; clear" Enter
term_wait 10 "^> *\$" || not_ok "bash: a prompt" "$(term_screen)"
term_send 'ktb conf' Tab 'exp' Tab
expect 'bash: Tab on the command line' term_wait 10 '^> ktb config explain *$'
term_send C-u 'ktb build --fragment a' Tab
expect 'bash: a file with a space' term_wait 10 'a\\ file\.config'
term_stop

if command -v zsh >/dev/null; then
	mkdir "$tmp/functions"
	cp "$tmp/completion.zsh" "$tmp/functions/_ktb"
	cat >"$tmp/home/.zshrc" <<-END
		PROMPT='> ' HISTFILE=
		fpath=('$tmp/functions' \$fpath)
		autoload -Uz compinit && compinit -u -D
		clear
	END
	term_start "ZDOTDIR='$HOME' exec zsh"
	term_wait 20 '^> ' || not_ok 'zsh: a prompt' "$(term_screen)"
	term_send 'ktb conf' Tab 'exp' Tab
	expect 'zsh: commands and words' term_wait 10 '^> ktb config explain *$'
	term_send C-u 'ktb vm --acc' Tab 't' Tab
	expect 'zsh: an option and its value' term_wait 10 '^> ktb vm --accel=tcg *$'
	term_send C-u 'ktb stop ot' Tab
	expect 'zsh: VMs' term_wait 10 '^> ktb stop other *$'
	term_send C-u 'ktb build --fragment a' Tab
	expect 'zsh: files' term_wait 10 'a\\ file\.config'
	term_send C-u 'ktb build --' Tab
	expect 'zsh: options with what they do' term_wait 10 '--ccache .*-- use ccache where it is'
	term_stop
	# The other way: source <(ktb completion zsh).
	run env ZDOTDIR="$tmp/home" zsh -ic ". '$tmp/completion.zsh'; print \$_comps[ktb]"
	expect_match 'zsh: it can be sourced' '_ktb$'
else
	skip 'zsh' 'it is not installed'
fi

# in_fish LINE: the completions of its last word.
in_fish()
{
	fish --no-config -c "source '$tmp/completion.fish'; complete -C '$1'" | cut -f 1 | sort | tr '\n' ' ' |
		sed 's/ $//'
}

if command -v fish >/dev/null; then
	expect_equal 'fish: commands' "$(in_fish 'ktb st')" 'stop'
	expect_equal 'fish: options' "$(in_fish 'ktb build --so')" '--source'
	expect_equal 'fish: only those of the command' "$(in_fish 'ktb list --a')" ''
	expect_equal 'fish: words of a choice' "$(in_fish 'ktb vm --accel ')" 'auto kvm tcg'
	expect_equal 'fish: VMs' "$(in_fish 'ktb stop o')" 'one other'
	expect_equal 'fish: VMs behind --name' "$(in_fish 'ktb gdb --name ')" 'one other'
	expect_equal 'fish: files' "$(in_fish 'ktb build --fragment a')" 'a file.config'
	expect_equal 'fish: words of an argument' "$(in_fish 'ktb config ')" 'edit explain'
	expect_equal 'fish: topics of help' "$(in_fish 'ktb help kt')" 'ktb.conf'
else
	skip 'fish' 'it is not installed'
fi

finish
