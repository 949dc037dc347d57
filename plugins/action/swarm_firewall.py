# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of swarm_firewall.

It refuses what would lock the controller out before a module is sent, and confirms new rules over a new connection: the
one over which they were loaded is established, and proves nothing.
"""

from __future__ import annotations

import ipaddress
import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall import model
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall.allows import allows
from ansible_collections.flotilla.swarm.plugins.plugin_utils import new_connection, ssh_login

MODULE = "flotilla.swarm.swarm_firewall"
WINDOWS = (15, 3600)
"""Seconds: enough to connect anew, and not so long that a host that is locked out is given up."""
MARGIN = 5.0
"""Seconds before the old rules come back in which no attempt to connect is begun any more."""

ARGUMENTS: dict[str, Any] = {
    "state": {"type": "str", "default": "present", "choices": ["present", "validated", "confirmed", "absent"]},
    "manager": {"type": "bool", "default": False},
    "data_path_port": {"type": "int", "default": model.DATA_PATH_PORT},
    "encrypted": {"type": "bool", "default": False},
    "routing": {"type": "bool", "default": False},
    "alongside": {"type": "bool", "default": False},
    "window": {"type": "int", "default": 45},
    "confirm_address": {"type": "str", "default": ""},
    "confirm_port": {"type": "int", "default": 22},
    # What is in these is judged by the core, which names all that is wrong at once.
    "members": {"type": "raw"},
    "encrypted_vnis": {"type": "raw"},
    "admin_networks": {"type": "raw"},
    "admin_ports": {"type": "raw"},
    "open": {"type": "raw"},
    "custom_rules": {"type": "raw"},
    "reached_at": {"type": "list", "elements": "str", "default": []},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Options are the module's."""

    TRANSFERS_FILES = False
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(argument_spec=ARGUMENTS)
        found: dict[str, Any] = {}
        if arguments["state"] in ("present", "validated"):
            problems, found["reached_at"] = self._looked(arguments)
            if problems:
                message = "The firewall can't be as declared, and nothing was changed:%s"
                lines = "".join("\n- %s" % problem for problem in problems)
                return {**result, "failed": True, "msg": message % lines, "problems": problems}
        result.update(self._execute(task_vars, **found))
        if arguments["state"] == "validated" and not result.get("failed"):
            result["msg"] = "The declaration holds, the controller is let in, and nothing on the host is in the way"
        if result.get("pending") and arguments["state"] == "present":
            self._confirm(arguments, task_vars, result)
        return result

    def _looked(self, arguments: dict[str, Any]) -> tuple[list[str], list[str]]:
        """What is wrong, and by which addresses of the host it is reached where nothing is."""
        problems, rules = _declared(arguments)
        if problems or rules is None:
            return problems, []
        over_ssh = ssh_login.is_over_ssh(self._connection)
        login = ssh_login.ask(self._low_level_execute_command) if over_ssh else ssh_login.Login()
        return self._lock_outs(rules, arguments, login), _reached_at(arguments, login)

    def _lock_outs(self, rules: model.HostRules, arguments: dict[str, Any], login: ssh_login.Login) -> list[str]:
        """Why this machine could not connect any more; to itself it speaks by the loopback, which is never closed.

        An SSH connection that the host sees come from itself came by a jump or a tunnel that ends there. What could be
        closed is the jump's own connection, and nothing is known of that.
        """
        address = arguments["confirm_address"]
        why = "with the connection %s" % self._connection.transport
        if login.source and login.source != login.own:
            return _lock_out(rules, login.source, login.port)
        if login.source:
            why = "the connection comes from the host itself (%s), by a jump or a tunnel, so" % login.source
        if not address:
            return [
                "confirm_address: %s only an address that this controller can connect to shows whether the host can "
                "still be reached: give one of the host's, in swarm_firewall_confirm_address" % why
            ]
        try:
            source = new_connection.source_address(address)
        except OSError as error:
            return ["confirm_address: this controller has no way to %s (%s)" % (address, error)]
        return [] if source == address else _lock_out(rules, source, arguments["confirm_port"])

    def _execute(self, task_vars: dict[str, Any] | None, **changed: Any) -> dict[str, Any]:
        arguments = {**self._task.args, **changed}
        done: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        return done

    def _confirm(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None, result: dict[str, Any]) -> None:
        """Open new connections; the result is a failure where they don't come about in time."""
        end = time.monotonic() + arguments["window"]
        reason = None
        if arguments["confirm_address"]:
            reason = new_connection.open_until(arguments["confirm_address"], arguments["confirm_port"], end - MARGIN)
        confirmed: dict[str, Any] = {}
        if reason is None:
            confirmed, reason = self._confirm_anew(task_vars, end - MARGIN)
        if reason is not None:
            seconds = max(0, round(end - time.monotonic())) + 1
            result.update(failed=True, msg=_UNCONFIRMED % (reason, seconds))
        elif confirmed.get("failed"):
            result.update(failed=True, msg=confirmed.get("msg", "the rules could not be kept"))
        else:
            result["pending"] = False

    def _confirm_anew(self, task_vars: dict[str, Any] | None, deadline: float) -> tuple[dict[str, Any], str | None]:
        """What the module says to state=confirmed over a new connection, or why none came about."""
        while True:
            try:
                if ssh_login.is_over_ssh(self._connection):
                    self._connection.reset()
                return self._execute(task_vars, state="confirmed"), None
            except AnsibleConnectionFailure as error:
                reason = str(error)
            if time.monotonic() >= deadline:
                return {}, reason
            time.sleep(new_connection.PAUSE)


_UNCONFIRMED = (
    "The new rules let no new connection from the controller in (%s), so they are not kept: the old ones come back by "
    "themselves within %d s. See to admin_networks, admin_ports and custom_rules"
)


def _declared(arguments: dict[str, Any]) -> tuple[list[str], model.HostRules | None]:
    """What is wrong with the declaration, and the rules where they can be read."""
    problems = []
    low, high = WINDOWS
    if not low <= arguments["window"] <= high:
        problems.append("window: %d is not from %d to %d seconds" % (arguments["window"], low, high))
    try:
        return problems, model.parse(arguments)
    except DeclarationError as error:
        return [*problems, *error.problems], None


def _reached_at(arguments: dict[str, Any], login: ssh_login.Login) -> list[str]:
    """The host's addresses by which this machine reaches it; the end of a tunnel is none."""
    own = [login.own] if login.source != login.own else []
    try:
        confirm = [str(ipaddress.ip_address(arguments["confirm_address"]))]
    except ValueError:
        # With SSH it may be a name.
        confirm = []
    return list(dict.fromkeys([*arguments["reached_at"], *own, *confirm]))


def _lock_out(rules: model.HostRules, source: str, port: int) -> list[str]:
    """Why this machine could not connect any more; empty when it can."""
    if allows(rules, source, "tcp", port):
        return []
    if any(first <= port <= last for first, last in rules.admin_ports):
        return ["admin_networks: this controller comes from %s, which none of them holds: add its network" % source]
    return ["admin_ports: this controller comes in by port %d, which is not among them: add it" % port]
