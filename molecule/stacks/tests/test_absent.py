# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stack that is removed and deployed again at once: docker's own removal returns before it is one."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.lab_stacks import Own, Raw, left, succeeded


def test_removed_and_deployed_again_at_once(raw: Raw, own: Own, at_once: Callable[..., None]) -> None:
    def docker() -> None:
        raw.does("network.yml")
        raw.wait_until_running()
        (task,) = raw.running()
        raw.node.ask(f"docker stack rm {raw.name}")
        raw.does("network.yml")
        # The old task still runs, and keeps the old network on its node: the new one can't be made there.
        still = raw.node.ask(f"docker inspect --type task --format '{{{{.Status.State}}}}' {task['ID']}")
        assert still.strip() == "running"
        raw.wait("tasks are rejected", lambda: any(task["CurrentState"].startswith("Rejected") for task in raw.tasks()))
        assert any("invalid config for network" in task["Error"] for task in raw.tasks())

    def ours() -> None:
        own.does("network.yml")
        succeeded(own.node.module("swarm_stack", name=own.name, state="absent"))
        assert [what for what in left(own.node, own.name) if ".release." not in what] == []
        own.does("network.yml")
        assert [task["CurrentState"].split()[0] for task in own.tasks()] == ["Running"]

    at_once(docker, ours)
