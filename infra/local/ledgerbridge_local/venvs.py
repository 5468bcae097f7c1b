"""Virtual environments below the checkout, one for each lock file."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from .commands import run_logged
from .console import say
from .paths import CACHE, REQUIREMENTS

# Written last, so an environment without it was never finished.
COMPLETE = ".complete"


def venv_path(name: str) -> Path:
    """Returns where the environment of a lock file is; another lock file means another place."""
    digest = hashlib.sha256((REQUIREMENTS / f"{name}.txt").read_bytes()).hexdigest()[:12]
    return CACHE / f"venv-{name}-{digest}"


def is_complete(name: str) -> bool:
    """Whether the environment can be used."""
    return (venv_path(name) / COMPLETE).exists()


def prepare_venv(name: str, python: Path) -> Path:
    """Installs the packages of a lock file, exactly those, and returns the environment's directory."""
    venv = venv_path(name)
    if is_complete(name):
        return venv
    say(f"installing Python packages: {name} (about a minute, once)")
    shutil.rmtree(venv, ignore_errors=True)
    log = CACHE / f"venv-{name}.log"
    run_logged(f"creating the {name} environment", [python, "-m", "venv", venv], log)
    run_logged(
        f"installing {name}",
        [venv / "bin" / "python", "-m", "pip", "install", "--require-hashes", "--no-deps", "--progress-bar", "off",
         "--requirement", REQUIREMENTS / f"{name}.txt"],
        log,
    )
    (venv / COMPLETE).touch()
    return venv
