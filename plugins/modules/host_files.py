#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Place many files on a host in one step, checked before they are kept
version_added: 0.1.0
description:
  - Takes all files that a host is to hold in one call. They are observed once, compared, shown as one diff, and placed
    one after another.
  - What a single file holds is judged before anything is placed (C(validate)). What all files mean together is judged
    afterwards (O(sshd)). When that refuses, every file is put back as it was, with its time.
extends_documentation_fragment:
  - flotilla.swarm.attributes
attributes:
  check_mode:
    details: O(sshd) judges files that lie in their places, so it is left out in check mode.
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  files:
    description: The files, in the order in which they are placed.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it lies. With O(files[].state=existing) it may hold wildcards.
        type: str
        required: true
      state:
        description:
          - V(present) for a file with this content, V(absent) for none.
          - V(directory) for a directory, which is made where it is missing.
          - V(existing) manages only owner, group and mode, and only of what exists. A link is left as it is.
        type: str
        choices: [present, absent, directory, existing]
        default: present
      content:
        description: The whole text of a file that is to be present.
        type: str
      owner:
        description: Name of the owner. C(root) for what is V(present), else it stays.
        type: str
      group:
        description: Name of the group, likewise.
        type: str
      mode:
        description:
          - Octal digits. C(0644) for what is V(present) and C(0755) for a new V(directory), else it stays.
          - With O(files[].state=existing) it is the most that is allowed. Bits that it lacks are taken away, none is
            added.
        type: str
      validate:
        description: Command that judges a copy, whose path is C(%s). Left out where the program is not installed yet.
        type: list
        elements: str
      requires:
        description: Path without which this file is left out on a host.
        type: str
      concern:
        description: What the file belongs to.
        type: str
  before_chrony:
    description:
      - For a host that is to get chrony. Where it is not installed yet, and another time daemon has servers of its own,
        they are named, and nothing is changed, because that daemon goes when chrony comes.
      - These are C(NTP=) and C(FallbackNTP=) of systemd-timesyncd, and C(server) and C(pool) lines of ntpsec, ntp and
        openntpd. Those of the public pool are the distribution's, and don't count.
    type: bool
    default: false
  sshd:
    description:
      - Judges the SSH server's whole configuration with C(sshd -t) and C(sshd -T). It must be valid, follow the drop-in
        in every line, and still let in who is named here. Nor may it ask anybody for a way of logging in that the
        drop-in turns off (C(AuthenticationMethods), also after a C(Match)).
      - This is done in a run that changes nothing too, because a run may have ended between placing and judging, and
        others change files of the server.
    type: dict
    suboptions:
      path:
        description: The drop-in, one of O(files).
        type: str
        required: true
      user:
        description: Who connects to this host. Empty when nobody does by SSH.
        type: str
        default: ''
      login:
        description: How this user logs in.
        type: str
        choices: [key, password]
        default: key
      address:
        description: From which address.
        type: str
        default: ''
seealso:
  - module: flotilla.swarm.host_kernel
  - module: flotilla.swarm.host_services
  - module: flotilla.swarm.ssh_login_info
notes:
  - The contents are shown by C(--diff), so they are no place for a password.
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Bound the journal, and keep strangers from the engine's socket
  flotilla.swarm.host_files:
    files:
      - path: /etc/systemd/journald.conf.d/10-example.conf
        concern: journald
        content: |
          [Journal]
          SystemMaxUse=1G
      - path: /run/docker.sock
        concern: file_permissions
        state: existing
        owner: root
        group: docker
        mode: '0660'
  register: files

- name: Let journald take it in
  ansible.builtin.systemd_service:
    name: systemd-journald.service
    state: restarted
  when: "'journald' in files.changed_concerns"
"""

RETURN = r"""
changed_paths:
  description: Paths of the files that were changed, or in check mode would be.
  returned: success
  type: list
  elements: str
changed_concerns:
  description: The concerns of these files.
  returned: success
  type: list
  elements: str
left_out:
  description: Files that are not managed on this host, with C(name) (the path), C(concern) and C(reason).
  returned: success
  type: list
  elements: dict
  sample:
    - {name: /etc/ssh/sshd_config.d/00-flotilla.conf, concern: sshd, reason: there is no /usr/sbin/sshd}
plan:
  description: The steps, with what differs.
  returned: success
  type: list
  elements: dict
"""

from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening import files as core
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import Plan
from ansible_collections.flotilla.swarm.plugins.module_utils._host import files, sshd
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

FILE = {
    "path": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent", "directory", "existing"], "default": "present"},
    "content": {"type": "str"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "str"},
    "validate": {"type": "list", "elements": "str"},
    "requires": {"type": "str"},
    "concern": {"type": "str"},
}
SSHD = {
    "path": {"type": "str", "required": True},
    "user": {"type": "str", "default": ""},
    "login": {"type": "str", "choices": ["key", "password"], "default": "key"},
    "address": {"type": "str", "default": ""},
}


def judge(seen: Sequence[core.Seen], asked: dict[str, Any] | None) -> None:
    """What the SSH server's files mean together; raises HostError with the words of whoever refuses."""
    for one in seen:
        if asked and one.path == asked["path"] and one.wanted.content is not None:
            sshd.judge(one.path, one.wanted.content, asked["user"], asked["login"], asked["address"])


def place(plan: Plan, seen: Sequence[core.Seen], asked: dict[str, Any] | None) -> None:
    """Place all files, and keep them only when they are accepted together."""
    placed = files.Transaction()
    placed.apply(plan)
    try:
        judge(seen, asked)
    except (HostError, OSError) as error:
        placed.undo()
        raise HostError(
            "%s. %s" % (error, "Every file was put back as it was" if plan else "No file was changed")
        ) from error


def work(module: AnsibleModule) -> dict[str, Any]:
    """Bring the files to what is declared."""
    wanted = core.parse(module.params["files"])
    lost = files.lost_time_servers() if module.params["before_chrony"] else []
    if lost:
        raise DeclarationError(*lost)
    survey = files.observe(wanted)
    plan = core.plan(survey.seen)
    files.judge_copies(plan, wanted, module.tmpdir)
    if not module.check_mode:
        place(plan, survey.seen, module.params["sshd"])
    return {
        "changed": bool(plan),
        "diff": core.diffs(plan),
        "plan": plan.as_list(),
        "changed_paths": [step.name for step in plan],
        "changed_concerns": core.changed_concerns(plan),
        "left_out": [one.as_dict() for one in survey.left_out],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE},
            "before_chrony": {"type": "bool", "default": False},
            "sshd": {"type": "dict", "options": SSHD},
        },
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
