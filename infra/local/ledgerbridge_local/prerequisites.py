"""What a machine must have before anything is installed below the checkout."""

from __future__ import annotations

import shutil
import sys

from .errors import StackError
from .paths import Stack

_PROGRAMS = (
    (("cargo",), "Rust: install it with rustup, 1.95 or later"),
    (("cc", "gcc", "clang"), "a C compiler: apt-get install build-essential (or gcc and binutils)"),
    (("strip",), "strip: apt-get install binutils"),
    (("make",), "make: apt-get install make"),
)


def check(stack: Stack) -> None:
    """Raises with everything that is missing at once."""
    missing = [what for programs, what in _PROGRAMS if not any(shutil.which(program) for program in programs)]
    if not sys.platform.startswith("linux") and not stack.docker:
        missing.append("Linux: the functions are Linux programs; elsewhere use LOCALSTACK=docker or a virtual machine")
    if stack.docker and not shutil.which("docker"):
        missing.append("docker, which LOCALSTACK=docker asks for")
    if missing:
        raise StackError("This machine lacks:\n" + "\n".join(f"    {item}" for item in missing))
