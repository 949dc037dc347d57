# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of swarm_secrets."""

from __future__ import annotations

from ansible_collections.flotilla.swarm.plugins.module_utils._core.data_declaration import SECRET
from ansible_collections.flotilla.swarm.plugins.plugin_utils.data_objects import DataObjectsAction


class ActionModule(DataObjectsAction):
    """Options are the module's."""

    MODULE = "flotilla.swarm.swarm_secrets"
    KINDS = (SECRET,)
