# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name; it runs on the controller, and asks the host without a module."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_login_info
short_description: Who connects to a host over SSH, how, and from where
version_added: 0.1.0
author:
  - the flotilla.swarm authors (!UNKNOWN)
description:
  - Tells as whom Ansible logs in on a host, before any privilege escalation, so that a change of the SSH server never
    locks out who manages the host.
  - On the machine that Ansible itself runs on (a local connection) it tells who has started Ansible there, where that
    one is logged in over SSH.
  - Runs one small command over the connection, and none where the connection is neither SSH nor local.
options: {}
extends_documentation_fragment:
  - flotilla.swarm.attributes
attributes:
  check_mode:
    details: It changes nothing anyway.
    support: full
  diff_mode:
    details: There is nothing to show.
    support: none
  idempotent:
    details: It changes nothing.
    support: full
notes:
  - Whether a password is used is told by Ansible's own variables (C(ansible_password), C(--ask-pass)). One that was
    typed for a shared connection of the ssh client is not seen.
seealso:
  - module: flotilla.swarm.host_files
"""

EXAMPLES = r"""
- name: Read as whom Ansible logs in
  flotilla.swarm.ssh_login_info:
  register: ssh_login
"""

RETURN = r"""
over_ssh:
  description: Whether the connection is SSH, or is local and Ansible was started from a login over SSH.
  returned: always
  type: bool
user:
  description: The name on the host. Empty without a login over SSH.
  returned: always
  type: str
login:
  description: V(key) or V(password). On a local connection V(key), since Ansible does not see how somebody logged in.
  returned: always
  type: str
address:
  description: From which address the host sees the connection come. Empty when it does not say.
  returned: always
  type: str
addresses:
  description:
    - The host's own addresses. Where another host sees its connection come from one of them, this one is its jump host,
      or the controller.
    - Empty when the connection is not SSH.
  returned: always
  type: list
  elements: str
"""
