# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module as Ansible runs it, on an engine in memory."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import client
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine


class Runner:
    """Runs a module to its end and returns its result; ``output`` and ``words`` are everything that it printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.engine = MemoryEngine()
        self.output = ""
        self._capsys = capsys
        monkeypatch.setattr(client, "connect", lambda _socket: self.engine)

    @property
    def words(self) -> str:
        return " ".join(self.output.split())

    def run(self, module: ModuleType, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        with (
            patch_module_args({**options, "_ansible_check_mode": check_mode, "_ansible_diff": True}),
            pytest.raises(SystemExit),
        ):
            module.main()
        printed = self._capsys.readouterr()
        # In a process that has loaded the controller's side too, warnings are displayed beside the result, and wrapped.
        self.output = printed.out + printed.err
        result: dict[str, Any] = json.loads(printed.out)
        return result
