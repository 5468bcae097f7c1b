"""The file that tells tests, tools and people where the stack is."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .paths import Stack


def write(stack: Stack, values: Mapping[str, str]) -> None:
    """Writes the file whole or not at all; only its owner may read it, since it holds an administrator's key."""
    stack.state.mkdir(parents=True, exist_ok=True)
    temporary = stack.stack_env.with_name("stack.env.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in sorted(values.items()))
    temporary.replace(stack.stack_env)


def read(stack: Stack) -> dict[str, str]:
    """Reads the file; empty when no stack is up."""
    try:
        lines = stack.stack_env.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)
