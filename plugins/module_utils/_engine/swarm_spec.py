# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is changed of a whole swarm, asked on one of its managers: autolock, join tokens, CA, unlock key."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from .._core.errors import DeclarationError
from .._core.recovery import keys
from .client import Json
from .errors import EngineError, StaleVersion
from .local import LocalEngine
from .wait import DeadlineExceeded, wait_until

_ATTEMPTS = 5
_FLAGS = {
    keys.TOKENS: ("rotateWorkerToken", "rotateManagerToken"),
    keys.UNLOCK_KEY: ("rotateManagerUnlockKey",),
}
"""What asks for it in the engine's API; a new CA is asked for in the spec."""


def set_autolock(engine: LocalEngine, wanted: bool) -> bool:
    """Switch autolock, if it is not as wanted; whether it was not. A new unlock key stays in the swarm."""

    def change(spec: Json) -> Json:
        return {**spec, "EncryptionConfig": {**(spec.get("EncryptionConfig") or {}), "AutoLockManagers": wanted}}

    if keys.locked(engine.swarm_inspect()) == wanted:
        return False
    _update(engine, change, "autolock could not be switched %s" % ("on" if wanted else "off"))
    return True


def rotate(path: str, wanted: Sequence[str], deadline: float, *, dry_run: bool) -> None:
    """Renew these of ``keys.KEYS``. The CA comes last: what leaked must not stay valid while nodes are waited for.

    Raises:
        DeclarationError: it can't be done now.
        EngineError: the engine refuses, or nodes have no new certificate in time.
    """
    engine = LocalEngine(path)
    problems = keys.problems(wanted, engine.swarm_inspect(), engine.nodes())
    if problems:
        raise DeclarationError(*problems)
    if dry_run:
        return
    asked = {flag: True for key in wanted for flag in _FLAGS.get(key, ())}
    if asked:
        _update(engine, lambda spec: spec, "the keys could not be renewed", **asked)
    if keys.CA in wanted:
        _update(engine, keys.with_new_ca, "the CA could not be renewed")
        _wait_for_certificates(engine, deadline)


def _update(engine: LocalEngine, change: Callable[[Json], Json], failure: str, **flags: bool) -> None:
    """Give the swarm the spec that this makes of its own.

    Its version moves with every node's certificate, so it is read again when it was overtaken.
    """
    for _attempt in range(_ATTEMPTS):
        swarm = engine.swarm_inspect()
        with contextlib.suppress(StaleVersion):
            engine.update_swarm(swarm["Version"]["Index"], change(swarm["Spec"]), **flags)
            return
    raise EngineError("%s: somebody else changes the swarm" % failure)


def _wait_for_certificates(engine: LocalEngine, deadline: float) -> None:
    def look() -> list[str] | None:
        swarm = engine.swarm_inspect()
        return keys.waiting(swarm, engine.nodes()) if swarm.get("RootRotationInProgress") else None

    try:
        wait_until(look, lambda left: left is None, deadline, 2.0)
    except DeadlineExceeded as late:
        raise EngineError(
            "the CA's rotation goes on, and waits after %g s for %s: bring them back, or remove them with "
            "playbooks/dr/node_failure.yml" % (deadline, ", ".join(late.last or ()) or "the managers")
        ) from late
