"""Names for what the template puts out: `EventsQueueUrl` is `EVENTS_QUEUE_URL` in stack.env."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Other spellings of the queues' names, since both orders of the words suggest themselves.
_ALIASES = (
    (re.compile(r"^(EVENTS|REFRESH|RECOVERY|SYNC)_DLQ_URL$"), (r"\1_QUEUE_DLQ_URL",)),
    (re.compile(r"^SYNC_(HIGH|LOW)_QUEUE_URL$"), (r"SYNC_QUEUE_\1_URL", r"SYNC_QUEUE_URL_\1")),
    (re.compile(r"^SYNC_(HIGH|LOW)_DLQ_URL$"), (r"SYNC_QUEUE_\1_DLQ_URL", r"SYNC_QUEUE_DLQ_URL_\1")),
)


def environment_name(output: str) -> str:
    """Returns the name in capitals: words are told apart by their first letters."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", output).upper()


def outputs_environment(outputs: Mapping[str, str]) -> dict[str, str]:
    """Returns every output under its name in capitals and its other spellings."""
    environment = {}
    for output, value in outputs.items():
        name = environment_name(output)
        environment[name] = value
        for pattern, spellings in _ALIASES:
            if pattern.match(name):
                environment.update({pattern.sub(spelling, name): value for spelling in spellings})
    return environment
