# For GDB: hands gdbserver many expressions, as agent expressions, and writes what agent_eval needs to evaluate the same ones.
#
# usage: gdb -x agent_expr.py PROGRAM, with PORT, FOLDER and SEED in the environment. FOLDER gets
#
#	registers	NUMBER VALUE, a line for each
#	memory.ADDRESS	the bytes there
#	expressions	NUMBER: TEXT, a line for each that GDB could compile
#	values		NUMBER: what GDB itself says
#	stops		where conditions were true
#	log		packets
#
# and gdbserver prints what it says.
import os
import random
import re

import gdb

folder = os.environ["FOLDER"]
random.seed(int(os.environ["SEED"]))
SPACING = 4  # bytes from one breakpoint to the next
PLACES = 8192 // SPACING


def run(command):
    return gdb.execute(command, to_string=True)


atoms = """s8 s8_min u8 s16 u16 s32 u32 s64 u64 zero one yes letter pointer null &first &second text &table[1]
first.tiny first.x first.y first.next first.next->tiny first.next->x first.next->array[2] first.array[1]
first.bits_signed first.bits_unsigned first.one first.wide_signed first.wide_unsigned second.bits_signed second.wide_signed
second.wide_unsigned pointer->x pointer->next->y pointer->next->bits_unsigned *pointer->next->array *text text[3]
table[0][1] table[1][2] *(table[1]+1) first.name[2] (int)first.colour (int)second.colour
argument small large in_register other on_stack[0] on_stack[1] deep &on_stack[2]
$rax $rcx $rsi $r8 $r15 $rsp $rbp $eflags $cs $tv
0 1 -1 2 7 255 65536 0x7fffffff 0x80000000 0xffffffff 0x123456789abcdef -9223372036854775807 'a'
(char)u32 (signed char)u8 (short)s64 (unsigned short)s32 (int)u64 (unsigned int)s64 (long)s8 (unsigned long)s8 (unsigned char)s16
*(int*)&s64 *(unsigned char*)&s32 *(short*)((char*)&u64+3) sizeof(first) sizeof(long)""".split("\n")
atoms = [a for line in atoms for a in re.split(r" (?![^(]*\))", line.strip()) if a]
numbers = [a for a in atoms if not a.startswith(("&", "pointer", "null", "text", "first.next")) or "->" in a]
shifts = ["0", "1", "5", "31", "one", "table[0][2]"]
divisors = ["1", "7", "-3", "u8", "s16", "first.tiny", "second.array[3]", "u32", "s64"]


def compound(depth):
    """An expression of random shape, without what C leaves open."""
    if depth == 0 or random.random() < 0.15:
        return random.choice(numbers)
    a, b = compound(depth - 1), compound(depth - 1)
    kind = random.randrange(12)
    if kind < 5:
        return "(%s %s %s)" % (a, random.choice("+ - * & | ^".split()), b)
    if kind < 7:
        return "(%s %s %s)" % (a, random.choice("== != < > <= >=".split()), b)
    if kind == 7:
        return "(%s %s %s)" % (a, random.choice(["&&", "||"]), b)
    if kind == 8:
        return "(%s%s)" % (random.choice(["-", "~", "!"]), a)
    if kind == 9:
        return "(%s %s %s)" % (a, random.choice(["/", "%"]), random.choice(divisors))
    if kind == 10:
        return "(%s %s %s)" % (a, random.choice(["<<", ">>"]), random.choice(shifts))
    return "(%s ? %s : %s)" % (a, b, compound(depth - 1))


def compiles(expression):
    """GDB sends what it can't compile without a word, as no command at all; the row would be held at it for ever."""
    try:
        return run("maint agent-eval " + expression)
    except gdb.error:
        return False


def write(name, lines):
    with open(os.path.join(folder, name), "w") as f:
        f.writelines(line + "\n" for line in lines)


def dump():
    """All that an expression can see, as it is at the row's beginning."""
    values = [line.split()[1] for line in run("info registers").splitlines()][:24]
    write("registers", ["%d %s" % pair for pair in enumerate(values)])
    low, high = (int(gdb.parse_and_eval("(long)bounds[%d]" % i)) for i in range(2))
    stack = int(gdb.parse_and_eval("(long)$sp")) & ~0xFFF
    for begin, end in ((low, (high | 0xFFF) + 1), (stack, stack + 0x1000)):
        run("dump binary memory %s/memory.%x 0x%x 0x%x" % (folder, begin, begin, end))


def own_value(expression):
    try:
        return "%x" % (int(gdb.parse_and_eval("(long)(%s)" % expression)) & (1 << 64) - 1)
    except gdb.error as e:
        return "error: %s" % e


def plan():
    expressions = list(dict.fromkeys(numbers + atoms))
    while len(expressions) < 600:
        expressions.append(compound(random.randrange(1, 5)))
    return [e for e in expressions if compiles(e)]


def place(number):
    assert number < PLACES
    return "*(&row_begin+%d)" % (number * SPACING)


def try_conditions(expressions):
    """
    Where the process stops, they were true; it runs to the place behind the last. They come first, and are few: gdbserver
    takes its time for each stop, the more so the more breakpoints there are.
    """
    for i, e in enumerate(expressions):
        run("break %s if %s" % (place(1 + i), e))
    run("break " + place(1 + len(expressions)))
    end = int(gdb.parse_and_eval("(long)" + place(1 + len(expressions))[1:]))
    lines = []
    while True:
        run("continue")
        pc = gdb.selected_frame().pc()
        if pc == end:
            break
        lines.append("stops at 0x%x" % pc)
    write("stops", lines)
    run("delete")


def print_values(expressions, first):
    """
    A breakpoint at each place: of several commands gdbserver 13 runs only the first, since it leaves no value. It runs them
    whatever a condition says.
    """
    commands = ['"%d: %%lx\\n",%s' % pair for pair in enumerate(expressions)] + FORMATS
    for i, command in enumerate(commands):
        run("dprintf %s,%s" % (place(first + i), command))
    run("continue")


FORMATS = [
    '"plain %% \\t\\"quoted\\" \\\\\\n"',
    '"%d|%5d|%-5d|%05d|%+d|% d|%.3d|%5.2d\\n",s8,s8,s8,s8,one,one,s8,one',
    '"%u|%x|%X|%o|%#x|%#o|%08x|%-8x|\\n",u32,u32,u32,u32,u32,u32,one,one',
    '"%ld|%lu|%lx|%lld|%llu|%llX|%zu|%zx\\n",s64,u64,u64,s64,u64,u64,u64,u64',
    '"%hd|%hu|%hx\\n",s32,s32,s32',
    '"%#x|%#o|%.0d|%#.5x|%#10x|%-#10x|%010d|%-010d|\\n",zero,zero,zero,u8,u8,u8,s16,s16',
    '"%c|%3c|%-3c|\\n",letter,letter,letter',
    '"%s|%12s|%-12s|%.4s|%8.2s|%.0s|\\n",text,text,text,text,text,text',
    '"%s|%.3s|%10s\\n",&first.name,&first.name,&second.name',
    '"%s|%8s\\n",null,null',
    '"%d %s %lx %c\\n",in_register,text,deep,small',
]

for setting in ("pagination off", "confirm off", "breakpoint pending off", "dprintf-style agent", "sysroot /"):
    run("set " + setting)
run("set remotelogfile %s/log" % folder)
run("set remotetimeout 60")
run("target remote 127.0.0.1:" + os.environ["PORT"])
run("set breakpoint condition-evaluation target")
run("tvariable $tv = 5")
run("maint packet QTDV:2:5:0:7476")  # GDB itself tells of it only when tracing starts; 1 is gdbserver's own
run("break *&row_begin")
run("continue")
run("delete")
dump()
expressions = plan()
write("values", ["%d: %s" % (i, own_value(e)) for i, e in enumerate(expressions)])
write("expressions", ["%d: %s" % pair for pair in enumerate(expressions)])
conditions = [e for e in expressions if "$tv" not in e][::10]
try_conditions(conditions)
print_values(expressions, len(conditions) + 3)
