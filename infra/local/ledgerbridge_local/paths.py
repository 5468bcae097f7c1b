"""Where things are: the checkout, what is installed below it, and the state of each stack."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import StackError

REPOSITORY = Path(__file__).resolve().parents[3]
LOCAL = REPOSITORY / "infra" / "local"
PLUGIN = LOCAL / "plugin"
REQUIREMENTS = LOCAL / "requirements"
TEMPLATE = REPOSITORY / "infra" / "template.yaml"
SAM_SETTINGS = REPOSITORY / "samconfig.toml"
BINARIES = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "debug"
CACHE = REPOSITORY / ".local" / "cache"

DEFAULT_PORT = 4566
# Tests get a stack of their own, so that they never disturb one that someone is working with.
TEST_PORT = 4666
SIMULATOR_PORT_OFFSET = 1000


@dataclass(frozen=True)
class Stack:
    """One local stack. The default port's state is in `.local`, every other's in `.local/stacks/<port>`."""

    port: int
    simulator_port: int
    docker: bool = False
    environment_file: Path | None = None

    @property
    def state(self) -> Path:
        """The directory of this stack."""
        local = REPOSITORY / ".local"
        return local if self.port == DEFAULT_PORT else local / "stacks" / str(self.port)

    @property
    def run(self) -> Path:
        """What belongs to the running processes, and goes with them."""
        return self.state / "run"

    @property
    def logs(self) -> Path:
        """What the processes write; kept after they end."""
        return self.state / "logs"

    @property
    def stack_env(self) -> Path:
        """The addresses and names of the running stack."""
        return self.state / "stack.env"

    @property
    def endpoint(self) -> str:
        """Where LocalStack answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def simulator_url(self) -> str:
        """Where the provider simulator answers."""
        return f"http://127.0.0.1:{self.simulator_port}"

    @property
    def commands_prefix(self) -> str:
        """What a person writes before `make` to mean this stack."""
        return "" if self.port == DEFAULT_PORT else f"LOCAL_PORT={self.port} "


def stack_from_environment(environment: Mapping[str, str], default_port: int = DEFAULT_PORT) -> Stack:
    """Reads LOCAL_PORT, SIMULATOR_PORT, LOCALSTACK and ENV_FILE."""
    port = _port(environment, "LOCAL_PORT", default_port)
    mode = environment.get("LOCALSTACK", "host")
    if mode not in ("host", "docker"):
        raise StackError(f"LOCALSTACK is `{mode}`; it may be `host` (the default) or `docker`")
    file = environment.get("ENV_FILE")
    return Stack(
        port=port,
        simulator_port=_port(environment, "SIMULATOR_PORT", port + SIMULATOR_PORT_OFFSET),
        docker=mode == "docker",
        environment_file=Path(file).resolve() if file else None,
    )


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:
        raise StackError(f"{name} is `{text}`; it must be a port from 1024 to 65535")
    return int(text)
