# Makes a Kconfig that knows the options of the fragments it reads: awk -f kconfig.awk share/kconfig/*.config
match($0, /^(# )?CONFIG_[A-Za-z0-9_]+[ =]/) {
	name = $0
	sub(/^(# )?CONFIG_/, "", name)
	value = name
	sub(/[ =].*/, "", name)
	sub(/^[A-Za-z0-9_]+[ =]/, "", value)
	if (name in seen)
		next
	seen[name] = 1
	type = value ~ /^"/ ? "string" : value ~ /^0x/ ? "hex" : value ~ /^[0-9]/ ? "int" : "tristate"
	printf "config %s\n\t%s \"%s\"\n%s\n", name, type, name, name == "MODULES" ? "\tmodules\n" : ""
}
