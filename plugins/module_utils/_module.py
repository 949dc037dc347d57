# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module here does the same way: options, the connection, and how errors and plans become results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ._core.errors import DeclarationError
from ._core.labels import DEFAULT_OWNER
from ._core.plan import Plan
from ._engine import client
from ._engine.errors import EngineError, NoQuorum, NotAManager
from ._host.errors import HostError

ENGINE_OPTIONS: dict[str, Any] = {"docker_host": {"type": "str", "default": client.DEFAULT_SOCKET}}
OWNER_OPTION: dict[str, Any] = {"owner": {"type": "str", "default": DEFAULT_OWNER}}

_MENDS = {
    NotAManager: "Run it on a manager (playbooks/find_manager.yml chooses one).",
    NoQuorum: "A majority of the managers must be up before the swarm can be read or changed.",
}


def run(module: AnsibleModule, work: Callable[[AnsibleModule, client.Engine], dict[str, Any]]) -> None:
    """Connect, do the work, and leave with its result or with an error that names the mend.

    ``work`` gets the module and a connected engine and returns the module's result.
    """
    if client.IMPORT_ERROR is not None:
        module.fail_json(
            msg="%s This runs on a manager, where the role docker_engine installs it."
            % missing_required_lib("docker", url="https://docker-py.readthedocs.io/"),
            exception=str(client.IMPORT_ERROR),
        )
    finish(module, lambda: work(module, client.connect(module.params["docker_host"])))


def finish(module: AnsibleModule, work: Callable[[], dict[str, Any]]) -> None:
    """Do the work without the SDK, and leave with its result or with an error that names the mend."""
    with failures(module):
        result = work()
    module.exit_json(**_warned(module, result))


def fail(module: AnsibleModule, message: str, result: dict[str, Any]) -> None:
    """Leave with a failure, and with what was done all the same (``result_of``)."""
    module.fail_json(msg=message, **_warned(module, result))


def _warned(module: AnsibleModule, result: dict[str, Any]) -> dict[str, Any]:
    """The result without its warnings, which are shown (Ansible takes none out of results any more)."""
    for warning in result.get("warnings", ()):
        module.warn(warning)
    return {key: value for key, value in result.items() if key != "warnings"}


@contextmanager
def failures(module: AnsibleModule) -> Iterator[None]:
    """Turn errors of planners, host and engine into the module's failure, naming the mend where there is one."""
    try:
        yield
    except DeclarationError as error:
        module.fail_json(msg=str(error), problems=list(error.problems))
    except HostError as error:
        module.fail_json(msg=str(error), error=type(error).__name__)
    except EngineError as error:
        mend = _MENDS.get(type(error), "")
        module.fail_json(msg=("%s %s" % (error, mend)).strip(), error=type(error).__name__)


def result_of(plan: Plan, **values: Any) -> dict[str, Any]:
    """The result that every planning module returns: changed, diff and plan from the one plan, and its warnings."""
    result: dict[str, Any] = {"changed": bool(plan), "diff": plan.diff(), "plan": plan.as_list(), **values}
    if plan.warnings:
        result["warnings"] = list(plan.warnings)
    return result
