# As the kernel's: takes what is in scripts/gdb beside it.
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/scripts/gdb")
import linux.hello
