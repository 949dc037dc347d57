# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of host_files: contents that are not to be logged lie in no other file on their way either."""

from __future__ import annotations

from ansible_collections.flotilla.swarm.plugins.plugin_utils.data_objects import DataObjectsAction


class ActionModule(DataObjectsAction):
    """Options are the module's. A task with ``no_log`` goes through the connection's standard input only."""

    MODULE = "flotilla.swarm.host_files"

    def _pipe(self) -> str | None:
        return super()._pipe() if self._task.no_log else None
