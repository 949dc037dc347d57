# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small values of a stack file in the form that the engine wants."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from .pace import seconds
from .references import mapping, sequence

_NANO = 10**9
_MOST = 2**63 - 1
"""The engine's integers have 64 bits."""
_AMOUNT = re.compile(r"\+?[0-9./]+(?:[eE][-+]?[0-9]{1,2})?")


def put(into: dict[str, Any], key: str, value: Any, make: Callable[[Any], Any]) -> None:
    """Set a key, but only where the file says something: the engine's default is not the same as an empty value."""
    if value is not None:
        into[key] = make(value)


def texts(values: Any) -> list[str]:
    return [str(value) for value in ([values] if isinstance(values, str) else sequence(values))]


def text(value: Any) -> str:
    """A scalar as the CLI writes it where it wants a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def strings(values: Any) -> dict[str, str]:
    return {str(key): text(value) for key, value in mapping(values).items()}


def nanoseconds(text: Any) -> int:
    return round(seconds(text) * _NANO)


def nano_cpus(text: Any) -> int:
    """A number of CPUs in billionths, exactly: 0.1 of one is 100000000 (docker/cli computes with big.Rat).

    Raises:
        ValueError: it is no number, has more than 9 decimals, or is too large.
    """
    written = str(text)
    if not _AMOUNT.fullmatch(written):
        raise ValueError(written)
    try:
        amount = Fraction(written) * _NANO
    except ZeroDivisionError:
        raise ValueError(written) from None
    if amount.denominator != 1 or amount > _MOST:
        raise ValueError(written)
    return int(amount)
