"""The functions' settings: what the template gives, the local defaults, and the lines of ENV_FILE."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from . import record as records
from .aws import Aws
from .console import say
from .deploy import STACK_NAME
from .errors import StackError
from .paths import Stack

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_environment_file(path: Path) -> dict[str, str]:
    """Reads `KEY=VALUE` lines; a value reaches literally to the end of its line, and `#` starts a comment line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"ENV_FILE {path} cannot be read: {error}") from None
    settings: dict[str, str] = {}
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator or not NAME.fullmatch(name):
            # The line may be half of a secret, so it is not shown.
            raise StackError(f"{path}:{number}: a line must be KEY=VALUE, with a KEY of letters, digits and _")
        if name in settings:
            raise StackError(f"{path}:{number}: {name} stands in the file twice")
        settings[name] = value
    return settings


def apply(stack: Stack, aws: Aws, overrides: Mapping[str, str]) -> None:
    """Lays settings over every function's template environment, and takes away those of an earlier `up`."""
    record = records.load(stack)
    changes = {}
    for name, function in sorted(aws.function_resources(STACK_NAME).items()):
        current = aws.function_environment(function)
        if current not in record.applied_environments.get(name, []):
            # Not what was made here, so a deployment made it.
            record.template_environments[name] = current
        wanted = {**record.template_environments[name], **overrides}
        record.applied_environments[name] = [current, wanted]
        if wanted != current:
            changes[function] = wanted
    records.save(stack, record)
    for function, wanted in changes.items():
        aws.set_function_environment(function, wanted)
    for function in changes:
        aws.wait_until_updated(function)
    for environments in record.applied_environments.values():
        del environments[:-1]
    records.save(stack, record)
    if changes:
        say(f"applied the local settings to {len(changes)} functions")
