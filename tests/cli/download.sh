#!/bin/sh
# A kernel's source by its address: downloaded, resumed, checked, kept. The server is tests/data/http-server.py, the kernel
# one in miniature.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

export XDG_CACHE_HOME="$tmp/cache" HOME="$tmp/home" XDG_CONFIG_HOME="$tmp/home/.config" CCACHE_DISABLE=1
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
mkdir -p "$HOME" "$tmp/work" "$tmp/www"
cd "$tmp/work" || exit 1

# --- A kernel and a server -----------------------------------------------------------------------------------------

cp -r "$root/tests/data/fake-kernel" "$tmp/linux-fake"
rm "$tmp/linux-fake/kconfig.awk"
awk -f "$root/tests/data/fake-kernel/kconfig.awk" "$root"/share/kconfig/*.config >"$tmp/linux-fake/Kconfig"
# What can't be compressed, so that there is something to be interrupted.
head -c 200000 /dev/urandom >"$tmp/linux-fake/ballast"
tar -C "$tmp" -czf "$tmp/www/linux-fake.tar.gz" linux-fake
head -c 100000 /dev/urandom >"$tmp/www/linux-other.tar.gz"
sum=$(sha256sum "$tmp/www/linux-fake.tar.gz" | cut -d ' ' -f 1)
size=$(stat -c %s "$tmp/www/linux-fake.tar.gz")

python3 "$root/tests/data/http-server.py" "$tmp/www" &
server=$!
at_exit "kill $server 2>/dev/null"
wait_for 20 test -e "$tmp/www/port" || not_ok 'the server of this test runs'
url=http://127.0.0.1:$(cat "$tmp/www/port")

# build WAY ARGS...
build()
{
	_way=$1
	shift
	run "$KTB" build --source "$url/$_way/linux-fake.tar.gz" "$@"
}

part=$tmp/cache/ktb/download/$sum/linux-fake.tar.gz.part
whole=$tmp/cache/ktb/download/$sum/linux-fake.tar.gz

# The server's log of the last build.
requests()
{
	cat "$tmp/www/log" 2>/dev/null
}

forget()
{
	rm -rf "$tmp/cache/ktb" "$tmp/www/log"
}

# A part of N bytes, as an interrupted download leaves it.
leave_part()
{
	forget
	mkdir -p "$(dirname "$part")"
	head -c "$1" "$tmp/www/${2:-linux-fake.tar.gz}" >"$part"
}

expect_whole()
{
	expect_status "$1: works" 0
	expect "$1: the file is complete and kept" cmp -s "$whole" "$tmp/www/linux-fake.tar.gz"
	expect "$1: no part is left" [ ! -e "$part" ]
}

# --- What it needs -------------------------------------------------------------------------------------------------

build ranges
expect_status 'without a digest: a usage error' 2
expect_error 'it says what is missing' 'sha256'
build ranges --sha256 123
expect_status 'with a digest that is none: a usage error' 2
run "$KTB" build --source "$url/ranges/" --sha256 "$sum"
expect_status 'an address without a name: a usage error' 2
run "$KTB" build --source "$url/ranges/linux.html" --sha256 "$sum"
expect_status 'an address that is no tarball: a usage error' 2
expect 'nothing was asked of the server for all that' [ -z "$(requests)" ]

# --- What only looks -----------------------------------------------------------------------------------------------

run "$KTB" doctor --json --accel tcg --port auto --source "$url/ranges/linux-fake.tar.gz" --sha256 "$sum"
expect_match 'the doctor says that it is not downloaded' 'not built yet, and its source is not downloaded yet'
run "$KTB" shell --source "$url/ranges/linux-fake.tar.gz" --sha256 "$sum" -- true
expect_status 'a shell needs no source' 0
expect_error 'and says that there is no kernel' 'not built yet'
expect 'neither asks the server' [ -z "$(requests)" ]
expect 'neither makes anything' [ ! -e "$tmp/cache/ktb/download" ]

# --- A download ----------------------------------------------------------------------------------------------------

build ranges --sha256 "$sum"
expect_whole 'a download'
expect_match 'the kernel is built of it' '^vmlinux .*/vmlinux$'
expect_error 'it says what it does' "downloading $url"
rm -f "$tmp/www/log"
build ranges --sha256 "$(echo "$sum" | tr a-f A-F)"
expect_status 'the second time: works' 0
expect 'the second time the server is not asked' [ -z "$(requests)" ]
rm -rf "$tmp/cache/ktb/download"
build ranges --sha256 "$sum"
expect_status 'once it is built, the tarball may go' 0
expect 'and is not asked for again' [ -z "$(requests)" ]
run "$KTB" doctor --json --accel tcg --port auto --source "$url/ranges/linux-fake.tar.gz" --sha256 "$sum"
expect 'nor does the doctor miss it' [ -z "$(printf '%s\n' "$stdout" | grep 'not downloaded yet')" ]

# Until it is unpacked, nobody who cleans the cache takes it away.
forget
mkdir "$tmp/bin"
real_tar=$(command -v tar)
cat >"$tmp/bin/tar" <<-END
	#!/bin/sh
	"$KTB" clean --all >"$tmp/clean.out" 2>&1
	ls "$(dirname "$whole")" >"$tmp/during"
	exec "$real_tar" "\$@"
	END
chmod +x "$tmp/bin/tar"
run env PATH="$tmp/bin:$PATH" "$KTB" build --source "$url/ranges/linux-fake.tar.gz" --sha256 "$sum"
expect_whole 'while it is unpacked, ktb clean leaves it'
expect 'it was there all the time' grep -q linux-fake "$tmp/during"
expect 'which ktb clean said' grep -q 'kept: download' "$tmp/clean.out"

forget
build to/to/ranges --sha256 "$sum"
expect_whole 'by way of redirections'
forget
run "$KTB" build --source "$url/ranges/linux-fake.tar.gz?mirror=1#x" --sha256 "$sum"
expect_whole 'an address with a question in it'

# ktb.conf, where a relative path would be one to the file's folder.
forget
printf '[kernel]\nsource = %s\nsha256 = %s\n' "$url/ranges/linux-fake.tar.gz" "$sum" >ktb.conf
run "$KTB" build
expect_whole 'from ktb.conf'
rm ktb.conf

# --- Interrupted ---------------------------------------------------------------------------------------------------

forget
build short --sha256 "$sum"
expect_status 'a connection that breaks: fails' 1
expect_error 'it says that what came is kept' 'the next try goes on'
expect_equal 'half of it is there' "$(stat -c %s "$part")" $((size / 2))
rm -f "$tmp/www/log"
build ranges --sha256 "$sum"
expect_whole 'the next try'
expect_equal 'it asked for the rest' "$(requests)" "/ranges/linux-fake.tar.gz bytes=$((size / 2))-"

leave_part 5000
build plain --sha256 "$sum"
expect_whole 'a server without ranges'

leave_part "$size"
build ranges --sha256 "$sum"
expect_whole 'a part that is complete'

leave_part 5000 linux-other.tar.gz
build ranges --sha256 "$sum"
expect_whole 'a part of another file'
expect_error 'it says so' 'of another file'

# A signal leaves what came, and no process.
forget
"$KTB" build --source "$url/stall/linux-fake.tar.gz" --sha256 "$sum" 2>/dev/null &
pid=$!
expect 'some of it comes' wait_for 20 test -s "$part"
kill -INT $pid 2>/dev/null
kill -TERM $pid 2>/dev/null
wait $pid
expect 'ended by a signal' [ $? -gt 128 ]
expect_equal 'what came is there' "$(stat -c %s "$part")" 1000
build ranges --sha256 "$sum"
expect_whole 'after a signal'

# --- What goes wrong -----------------------------------------------------------------------------------------------

forget
run "$KTB" build --source "$url/ranges/linux-other.tar.gz" --sha256 "$sum"
expect_status 'another file: fails' 1
expect_error 'another file: the digest that was asked for is shown' "asked for: +$sum"
expect_error 'another file: its own is shown' "SHA-256: $(sha256sum "$tmp/www/linux-other.tar.gz" | cut -d ' ' -f 1)"
expect 'another file: it is removed' [ -z "$(find "$tmp/cache/ktb/download" -name '*linux*')" ]

run "$KTB" build --source "$url/ranges/linux-none.tar.gz" --sha256 "$sum"
expect_status 'a file that the server does not have: fails' 1
expect_error 'it says so' 'status 404'
build file --sha256 "$sum"
expect_status 'a redirection to a file of this machine: fails' 1
expect 'nothing was taken from there' [ ! -s "$part" ]
run "$KTB" build --source "$url/loop/linux-fake.tar.gz" --sha256 "$sum"
expect_status 'a redirection that leads nowhere: fails' 1
run "$KTB" build --source "https://127.0.0.1:$(cat "$tmp/www/port")/ranges/linux-fake.tar.gz" --sha256 "$sum"
expect_status 'https where there is none: fails' 1

kill $server
wait $server 2>/dev/null
build ranges --sha256 "$sum"
expect_status 'no server: fails' 1
expect_error 'no server: it says where it looked' "download $url"

finish
