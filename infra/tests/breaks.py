"""All breaks, by the part of the template that they break."""

from __future__ import annotations

from access_breaks import ACCESS_BREAKS
from breaking import Break
from gateway_breaks import GATEWAY_BREAKS
from runtime_breaks import RUNTIME_BREAKS
from storage_breaks import STORAGE_BREAKS

BREAKS: list[Break] = [*ACCESS_BREAKS, *RUNTIME_BREAKS, *STORAGE_BREAKS, *GATEWAY_BREAKS]

__all__ = ["BREAKS", "Break"]
