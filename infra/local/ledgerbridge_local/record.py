"""What was deployed to the running LocalStack, so that `up` does again only what changed."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from .paths import Stack


@dataclass
class DeploymentRecord:
    """Fingerprints of what is deployed; it goes with the LocalStack that it describes."""

    # Of the template and its parameters; empty until it was deployed once.
    template: str = ""
    # Whether a deployment was begun.
    begun: bool = False
    # Of each function's program, by the function's logical name.
    code: dict[str, str] = field(default_factory=dict)
    # Whether code was sent past CloudFormation, which then does not know the present code.
    code_sent_directly: bool = False
    # The environment that the template gives each function, and those that were made of it: two while one replaces
    # the other, since an interruption may leave either.
    template_environments: dict[str, dict[str, str]] = field(default_factory=dict)
    applied_environments: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    @property
    def first_deployment_failed(self) -> bool:
        """Whether LocalStack holds half a stack, on which no second attempt succeeds."""
        return self.begun and not self.template


def load(stack: Stack) -> DeploymentRecord:
    """Reads the record; an empty one when nothing is deployed."""
    try:
        return DeploymentRecord(**json.loads(_file(stack).read_text()))
    except FileNotFoundError:
        return DeploymentRecord()


def save(stack: Stack, record: DeploymentRecord) -> None:
    """Writes the record, whole or not at all."""
    temporary = _file(stack).with_suffix(".new")
    temporary.write_text(json.dumps(dataclasses.asdict(record), indent=1))
    temporary.replace(_file(stack))


def _file(stack: Stack) -> Path:
    return stack.run / "deployed.json"
