"""Runs /program.py and reports. It is the first process in the sandbox, with the standard library
alone; what it writes is not trusted.

The proof that the tests ended is a random token. Half of it is a local variable, half waits unread
in a pipe until the program has run to its last line, so neither an exit code nor printed words
nor a guess pass a program that left early. The tests run in the program's own interpreter, as in
every harness of HumanEval and MBPP: a program that searches frames and open files on purpose, or
changes what its tests compare with, can still cheat about its score. It cannot leave the sandbox.
"""

import sys
from posix import _exit, read, write
from types import ModuleType

PATH = "/program.py"
TOKEN, REPORT = 3, 4
HALF = 32
LONGEST = 600


def describe(error: BaseException) -> str:
    """`F` (failed) or `M` (memory) and a line: kind of exception, message, line of the program."""
    if isinstance(error, MemoryError):
        return "M"
    line, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == PATH:
            line = step.tb_lineno
        step = step.tb_next
    where = f" (line {line})" if line else ""
    if isinstance(error, SystemExit):
        return f"Fleft by SystemExit before its tests had ended{where}"
    kind = type.__dict__["__name__"].__get__(type(error))
    try:
        message = f": {error}" if str(error) else ""
    except BaseException:
        message = ""
    return f"F{kind}{message[:LONGEST]}{where}"


def main() -> None:
    first_half = read(TOKEN, HALF)
    module = ModuleType("program")  # neither __main__ nor nameless: dataclasses look it up
    sys.modules["program"] = module
    try:
        with open(PATH, encoding="utf-8") as file:
            source = file.read()
        exec(compile(source, PATH, "exec", dont_inherit=True, optimize=0), module.__dict__)
    except BaseException as error:
        write(REPORT, describe(error).encode("utf-8", "replace"))
    else:
        write(REPORT, first_half + read(TOKEN, HALF))
    _exit(0)


main()
