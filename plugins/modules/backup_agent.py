#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_agent
short_description: Install the program that backs up a node, verifies, and restores
version_added: 0.1.0
description:
  - Makes one file of this collection's own code, which the node's Python runs without Ansible, and installs it. Then
    systemd can back up whether or not anybody is connected.
  - The same code gives the same bytes, so the file is replaced only where the collection has changed.
  - A copy is tried with the node's own Python before it takes its place.
  - Fails where restic is missing or older than 0.18, because the agent goes by its exit status. In check mode a missing
    one is a warning.
extends_documentation_fragment:
  - flotilla.swarm.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    details: The file is shown by its digest.
    support: full
  idempotent:
    support: full
options:
  path:
    description: Where it is to lie. Missing directories are made.
    type: path
    default: /usr/local/lib/flotilla/backup.pyz
seealso:
  - module: flotilla.swarm.swarm_backup
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Install the backup agent
  flotilla.swarm.backup_agent:
"""

RETURN = r"""
path:
  description: Where it lies.
  returned: success
  type: str
  sample: /usr/local/lib/flotilla/backup.pyz
sha256:
  description: Digest of the file.
  returned: success
  type: str
"""

import hashlib
from typing import Any

from ansible.module_utils.basic import AnsibleModule

# The agent is imported so that Ansible sends its sources along with the module.
from ansible_collections.flotilla.swarm.plugins.module_utils import _agent, _module, _zipapp
from ansible_collections.flotilla.swarm.plugins.module_utils._agent import cli as agent
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening import files as core
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import Plan
from ansible_collections.flotilla.swarm.plugins.module_utils._host import backup_units, files
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

PYTHON = "/usr/bin/python3"
"""With which the units run it."""
TRIAL = "import sys; sys.path.insert(0, sys.argv[1]); import flotilla._agent.cli"


def content() -> bytes:
    """The agent as it is to be installed."""
    root = _agent.__name__.rpartition(".")[0]
    return _zipapp.build(root, agent.__name__[len(root) + 1 :])


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def diff_of(plan: Plan, found: core.Found | None, after: str) -> dict[str, str]:
    """Ansible's ``diff`` value. What differs may also be the owner or the mode alone."""
    if not plan:
        return {}
    before = "" if found is None else shown(digest(_zipapp_bytes(found)), found.owner, found.group, found.mode)
    return {"before": before, "after": shown(after, "root", "root", 0o644)}


def shown(sha256: str, owner: str, group: str, mode: int) -> str:
    return "sha256: %s\nowner: %s\ngroup: %s\nmode: %04o\n" % (sha256, owner, group, mode)


def _zipapp_bytes(found: core.Found) -> bytes:
    return (found.content or "").encode("utf-8", "surrogateescape")


def work(module: AnsibleModule) -> dict[str, Any]:
    """Install the agent, if it is not as it should be."""
    path = module.params["path"]
    problem = backup_units.restic_problem()
    if problem and not module.check_mode:
        raise HostError(problem)
    data = content()
    wanted = core.parse(
        [
            {
                "path": path,
                "content": data.decode("utf-8", "surrogateescape"),
                "mode": "0644",
                "validate": [PYTHON, "-I", "-S", "-c", TRIAL, "%s"],
            }
        ]
    )
    (seen,) = files.observe(wanted).seen
    plan = core.plan([seen])
    files.judge_copies(plan, wanted, module.tmpdir)
    if not module.check_mode:
        files.Transaction().apply(plan)
    sha256 = digest(data)
    result = {"changed": bool(plan), "diff": diff_of(plan, seen.found, sha256), "path": path, "sha256": sha256}
    return {**result, "warnings": [problem]} if problem else result


def main() -> None:
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "default": "/usr/local/lib/flotilla/backup.pyz"}},
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
