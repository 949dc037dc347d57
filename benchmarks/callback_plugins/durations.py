# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long each task took, from where the strategy starts it to its result: all loop items, templating and connection
included, the start of ansible-playbook not.

One line ``task<TAB>seconds<TAB>changed`` (True or False) a host's result goes to the file named by DURATIONS_FILE.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: durations
type: aggregate
short_description: Write down how long each task took
description: Appends a line for each task's result on a host to the file that DURATIONS_FILE names.
"""


class CallbackModule(CallbackBase):
    """Meant for plays with one host: a task's time begins once, for all hosts."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "durations"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._file = Path(os.environ["DURATIONS_FILE"])
        self._begin = 0.0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002  # Ansible's signature
        self._begin = time.monotonic()

    def v2_runner_on_ok(self, result: Any) -> None:
        seconds = time.monotonic() - self._begin
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(f"{result.task.get_name()}\t{seconds:.3f}\t{bool(result.result.get('changed'))}\n")
