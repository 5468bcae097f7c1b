"""Finds the one Python version that LocalStack 4.14.0 runs on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .errors import StackError

VERSION = (3, 13)
MISSING = """Python 3.13 is missing; LocalStack 4.14.0 runs on no other version. Any of these provides it:
    apt-get install python3.13 python3.13-venv     (Debian 13, Ubuntu 25.04 and later)
    pyenv install 3.13
    uv python install 3.13
    dnf install python3.13
It is found on the PATH, in pyenv and by uv."""

# A venv needs ensurepip, which Debian keeps in a package of its own.
_PROBE = "import sys, ensurepip, venv; print(sys.version_info[0], sys.version_info[1])"


def find_python() -> Path:
    """Returns a Python 3.13 that can make virtual environments."""
    for candidate in _candidates():
        if _is_usable(candidate):
            return candidate
    raise StackError(MISSING)


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("python3.13")
    if on_path:
        yield Path(on_path)
    if sys.version_info[:2] == VERSION:
        yield Path(sys.executable)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/3.13*/bin/python3.13"), reverse=True)
    if shutil.which("uv"):
        found = subprocess.run(["uv", "python", "find", "3.13"], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            yield Path(found.stdout.strip())


def _is_usable(candidate: Path) -> bool:
    """Tries it: pyenv puts a `python3.13` on the PATH that only prints an error."""
    try:
        result = subprocess.run(
            [str(candidate), "-c", _PROBE], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.stdout.split() == [str(part) for part in VERSION]
