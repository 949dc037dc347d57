#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_backup_info
short_description: The snapshots that a backup repository holds
version_added: 0.1.0
description:
  - Asks the repository that a host is set up for, which need not be in a swarm any more.
  - A repository that does not answer, or that is not there, is an error.
extends_documentation_fragment:
  - flotilla.swarm.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
options:
  job:
    description: Only snapshots of this job.
    type: str
  cluster_id:
    description: Only snapshots of the swarm with this ID.
    type: str
  settings:
    description: The file that names the repository.
    type: path
    default: /etc/flotilla/backup/settings.json
seealso:
  - module: flotilla.swarm.swarm_backup
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Read which backups of the raft state there are
  flotilla.swarm.swarm_backup_info:
    job: raft
  register: backups
"""

RETURN = r"""
snapshots:
  description: The snapshots, the oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its ID in the repository.
      type: str
    time:
      description: When it was taken.
      type: str
    host:
      description: Inventory name of the node that took it.
      type: str
    job:
      description: Name of the job.
      type: str
    kind:
      description: Kind of the job.
      type: str
    swarm:
      description: ID of the swarm.
      type: str
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core.backup.settings import Settings
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.module_utils._host.restic import Restic


def read_settings(path: str) -> Settings:
    """What this host was set up with.

    Raises:
        HostError: it was not, or the file can't be read.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HostError(
            "%s is not there: set this host up with the role swarm_backup (tasks_from connect.yml)" % path
        ) from error
    except (OSError, ValueError) as error:
        raise HostError(
            "%s can't be read (%s): run the role swarm_backup on this host again" % (path, error)
        ) from error
    return Settings.from_dict(found)


def work(params: dict[str, Any]) -> dict[str, Any]:
    """The snapshots that are asked for."""
    found = [asdict(snapshot) for snapshot in Restic(read_settings(params["settings"])).snapshots()]
    wanted = {"job": params["job"], "swarm": params["cluster_id"]}
    snapshots = [one for one in found if all(value is None or one[key] == value for key, value in wanted.items())]
    return {"changed": False, "snapshots": sorted(snapshots, key=lambda one: str(one["time"]))}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "job": {"type": "str"},
            "cluster_id": {"type": "str"},
            "settings": {"type": "path", "default": "/etc/flotilla/backup/settings.json"},
        },
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module.params))


if __name__ == "__main__":
    main()
