"""Rust programs below the checkout, with a `cargo` that only pretends."""

from __future__ import annotations

from pathlib import Path

import pytest
from ledgerbridge_local import cargo_tools
from ledgerbridge_local.errors import StackError

CARGO = """#!/bin/sh
echo "$@" >> "{calls}"
while [ $# -gt 0 ]; do
    if [ "$1" = --root ]; then root=$2; fi
    shift
done
mkdir -p "$root/bin" "$CARGO_TARGET_DIR"
{ending}
echo program > "$root/bin/dynoxide"
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cargo_tools, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "cache"


def pretend(tmp_path: Path, ending: str = "") -> Path:
    """Puts the `cargo` in its place and returns the file with its calls."""
    calls = tmp_path / "calls"
    cargo = tmp_path / "cargo"
    cargo.write_text(CARGO.format(calls=calls, ending=ending))
    cargo.chmod(0o755)
    return calls


def test_the_engine_is_built_once_locked_and_pinned(tmp_path: Path, cache: Path) -> None:
    calls = pretend(tmp_path)

    first, second = cargo_tools.prepare_engine(), cargo_tools.prepare_engine()

    assert first == second == cargo_tools.engine_path()
    assert first.read_text() == "program\n"
    (call,) = calls.read_text().splitlines()
    assert call.startswith("install dynoxide-rs --version 3.2.0 --locked --root ")
    assert call.endswith("--no-default-features --features native-sqlite,http-server,cli")
    assert not list(cache.glob("*.target"))


def test_a_failed_build_is_never_taken_for_the_engine(tmp_path: Path, cache: Path) -> None:
    pretend(tmp_path, 'echo half > "$root/bin/dynoxide"; echo no linker; exit 101')

    with pytest.raises(StackError, match="(?s)exit code 101.*no linker"):
        cargo_tools.prepare_engine()

    assert not cargo_tools.engine_path().exists()
    pretend(tmp_path)
    assert cargo_tools.prepare_engine().read_text() == "program\n"
