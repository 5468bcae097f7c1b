"""The first administrator's key, made by the command line tool as on a real installation."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .aws import sdk_environment
from .commands import capture
from .console import say
from .errors import StackError
from .paths import BINARIES, Stack

KEY = re.compile(r"\blb_[A-Za-z0-9_-]+")


def create_admin_key(stack: Stack, outputs: Mapping[str, str]) -> str:
    """Makes a key with the role `admin` and returns it; it is shown this once."""
    say("making an administrator's key")
    printed = capture(
        [BINARIES / "ledgerbridge", "keys", "create", "--role", "admin", "--name", "local-admin", "--output", "env"],
        {**sdk_environment(stack.endpoint), **outputs, "ENVIRONMENT": "local"},
    )
    key = KEY.search(printed)
    if not key:
        raise StackError("`ledgerbridge keys create` printed no key")
    return key[0]
