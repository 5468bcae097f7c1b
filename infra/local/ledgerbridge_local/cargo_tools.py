"""Rust programs that the stack needs, built from the crate registry below the checkout."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .commands import run_logged
from .console import say
from .paths import CACHE

ENGINE_VERSION = "3.2.0"
NEXTEST_VERSION = "0.9.143"


def prepare_engine() -> Path:
    """Returns the program that stores the data behind LocalStack's DynamoDB."""
    return _install(
        "dynoxide-rs", ENGINE_VERSION, "dynoxide",
        ["--no-default-features", "--features", "native-sqlite,http-server,cli"],
    )


def engine_path() -> Path:
    """Returns where `prepare_engine` puts it."""
    return _root("dynoxide", ENGINE_VERSION) / "bin" / "dynoxide"


def prepare_nextest() -> Path | None:
    """Returns the directory to put on the PATH for `cargo nextest`; `None` when the machine has it."""
    present = subprocess.run(["cargo", "nextest", "--version"], capture_output=True, check=False)
    if present.returncode == 0:
        return None
    return _install("cargo-nextest", NEXTEST_VERSION, "cargo-nextest", []).parent


def _root(program: str, version: str) -> Path:
    return CACHE / f"{program}-{version}"


def _install(crate: str, version: str, program: str, options: Sequence[str]) -> Path:
    root = _root(program, version)
    binary = root / "bin" / program
    if binary.exists():
        return binary
    say(f"building {crate} {version} (a few minutes, once)")
    unfinished = root.with_name(f"{root.name}.unfinished")
    target = root.with_name(f"{root.name}.target")
    run_logged(
        f"building {crate}",
        ["cargo", "install", crate, "--version", version, "--locked", "--root", unfinished, *options],
        CACHE / f"{program}.log",
        {"CARGO_TARGET_DIR": str(target)},
    )
    shutil.rmtree(root, ignore_errors=True)
    unfinished.rename(root)
    shutil.rmtree(target, ignore_errors=True)
    return binary
