# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads as whom Ansible logs in on a host: with one command over the connection, without privilege escalation."""

from __future__ import annotations

import re
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.flotilla.swarm.plugins.plugin_utils import ssh_login

# Directories of a domain know users as DOMAIN\name and name@domain.
USER = re.compile(r"[A-Za-z_][\w.@\\-]*\$?")


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """It has no options."""

    TRANSFERS_FILES = False
    _supports_async = False
    _VALID_ARGS = frozenset(())

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update({"changed": False, "over_ssh": False, "user": "", "login": "key", "address": "", "addresses": []})
        over_ssh = ssh_login.is_over_ssh(self._connection)
        if not over_ssh and not ssh_login.is_local(self._connection):
            return result
        # Not as the user that tasks become: it is the login that must stay possible.
        login = ssh_login.ask(self._low_level_execute_command)
        if not over_ssh and not login.source:
            return result
        user = USER.fullmatch(login.user)
        if not user:
            raise AnsibleError("the host does not say as whom Ansible logs in: %s" % login.error)
        result.update(
            {
                "over_ssh": True,
                "user": user[0],
                "login": "password" if over_ssh and self._uses_password() else "key",
                "address": login.source,
                # Where Ansible itself runs, others see it come from here too, and nothing is forwarded.
                "addresses": list(login.addresses) if over_ssh else [],
            }
        )
        return result

    def _uses_password(self) -> bool:
        try:
            return bool(self._connection.get_option("password"))
        except KeyError:
            return bool(self._play_context.password)
