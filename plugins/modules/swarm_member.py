#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_member
short_description: Make this host a member of the right swarm
version_added: 0.1.0
description:
  - Makes a swarm on this host (O(init=true)), or joins the swarm O(cluster_id), and waits until the host is a complete
    member. A manager is one when it answers manager requests.
  - A host that is in that swarm is left as it is. Its role is never changed; a difference is a warning.
  - A host in another swarm, a locked manager and an engine whose swarm part has failed are refused.
  - A join that is still under way is waited for and never started again. The engine gives up a join request after 20
    seconds, but goes on joining in the background.
  - Tokens travel over the engine's API, never in a command line.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  role:
    description: What the host joins as. Must be V(manager) with O(init=true).
    type: str
    choices: [manager, worker]
    required: true
  init:
    description:
      - Make a new swarm. First be sure, on all hosts, that there is none; P(flotilla.swarm.cluster_plan#filter) does
        that. A host that is the manager of a swarm already is left as it is.
    type: bool
    default: false
  cluster_id:
    description:
      - ID of the swarm that the host must be in. Needed to join, so that a member of another swarm is not taken for one
        of this. Check mode does without it, for the swarm may not be made yet.
    type: str
  join_token:
    description: The swarm's join token for O(role). Needed when the host is in no swarm; not in check mode.
    type: str
  remote_addrs:
    description:
      - Addresses of managers to join through, with C(:port) or the port 2377. They are tried in this order; the next
        one only when the engine says that the attempt has ended. Needed when the host is in no swarm; not in check
        mode.
    type: list
    elements: str
    default: []
  advertise_addr:
    description: Address, or interface, that this host shows to the others. Left out, the engine finds it.
    type: str
  listen_addr:
    description: Where a manager listens.
    type: str
    default: 0.0.0.0:2377
  data_path_addr:
    description: Address, or interface, for the overlay traffic. Left out, the advertised one.
    type: str
  availability:
    description: The node's availability from its first moment on. The availability of a member is not changed.
    type: str
    choices: [active, pause, drain]
    default: active
  data_path_port:
    description: UDP port of the overlay traffic, for the whole swarm. Used with O(init=true) and fixed from then on.
    type: int
  default_addr_pool:
    description: CIDR networks that overlay networks are cut from. Used with O(init=true) and fixed from then on.
    type: list
    elements: str
    default: []
  subnet_size:
    description: Prefix length of what is cut from O(default_addr_pool). Used with O(init=true) and fixed from then on.
    type: int
  timeout:
    description: Seconds until the host must be a complete member.
    type: int
    default: 120
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine.host
notes:
  - Run it as root, one manager after the other.
  - Autolock is off in a swarm that is made here.
seealso:
  - module: flotilla.swarm.swarm_host_info
  - module: flotilla.swarm.swarm_tokens_info
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Make the swarm
  flotilla.swarm.swarm_member:
    init: true
    role: manager
    advertise_addr: 192.0.2.11
    availability: drain

- name: Join it
  flotilla.swarm.swarm_member:
    role: worker
    cluster_id: "{{ swarm_tokens.cluster_id }}"
    join_token: "{{ swarm_tokens.tokens.worker }}"
    remote_addrs: "{{ swarm_tokens.remote_addrs }}"
"""

RETURN = r"""
action:
  description:
    - What was done. V(none) (it is a member), V(init), V(join), or V(wait) (for a join that an earlier run began).
  returned: success
  type: str
  sample: join
cluster_id:
  description: ID of the swarm that the host is in now. Null in check mode when it is in none.
  returned: success
  type: str
  sample: wz6a8o0zfjwmvfzzbz8a1pjxu
node_id:
  description: ID of this node. Null in check mode when it is none.
  returned: success
  type: str
  sample: 8mtc1pvxq6gz1z0mhbz7q8c5m
membership:
  description: The membership as it is now, as RV(flotilla.swarm.swarm_host_info#module:membership) has it.
  returned: success
  type: dict
plan:
  description: The steps that were taken, or in check mode would be.
  returned: success
  type: list
  elements: dict
  sample:
    - action: create
      kind: membership
      name: worker1
      differences:
        - {field: swarm, before: null, after: wz6a8o0zfjwmvfzzbz8a1pjxu}
        - {field: role, before: null, after: worker}
problems:
  description: Why the host is refused, one sentence each.
  returned: when it is refused
  type: list
  elements: str
"""

from dataclasses import replace
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import membership
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import host, member
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import EngineUnreachable


def work(module: AnsibleModule) -> dict[str, Any]:
    """Make the host a member, and say what it is then."""
    path = host.socket_path(module.params["docker_host"])
    engine = host.HostEngine(path)
    observe = partial(host.observe_membership, engine)
    wanted = request(module.params)
    if host.is_installed(path):
        seen = observe()
    elif module.check_mode:
        seen = membership.NOT_INSTALLED
    else:
        raise EngineUnreachable("no Docker Engine is installed here (there is neither %s nor dockerd)" % path)
    planned = membership.plan_member(seen, wanted, rehearsal=module.check_mode)
    plan = planned.plan
    if planned.action != membership.NOTHING and not module.check_mode:
        seen = member.become_member(engine, observe, planned, wanted.role, module.params["timeout"])
        proved = replace(wanted, init=False, cluster_id=wanted.cluster_id or seen.cluster_id)
        plan = replace(plan, warnings=membership.plan_member(seen, proved).plan.warnings)
    return _module.result_of(
        plan,
        action=planned.action,
        cluster_id=seen.cluster_id,
        node_id=seen.node_id,
        membership=seen.as_dict(),
    )


def request(params: dict[str, Any]) -> membership.MemberRequest:
    """The module's options as the planner takes them."""
    return membership.MemberRequest(
        role=params["role"],
        init=params["init"],
        cluster_id=params["cluster_id"],
        join_token=params["join_token"],
        remote_addrs=tuple(params["remote_addrs"]),
        advertise_addr=params["advertise_addr"],
        listen_addr=params["listen_addr"],
        data_path_addr=params["data_path_addr"],
        availability=params["availability"],
        data_path_port=params["data_path_port"],
        default_addr_pool=tuple(params["default_addr_pool"]),
        subnet_size=params["subnet_size"],
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            "role": {"type": "str", "choices": [membership.MANAGER, membership.WORKER], "required": True},
            "init": {"type": "bool", "default": False},
            "cluster_id": {"type": "str"},
            "join_token": {"type": "str", "no_log": True},
            "remote_addrs": {"type": "list", "elements": "str", "default": []},
            "advertise_addr": {"type": "str"},
            "listen_addr": {"type": "str", "default": "0.0.0.0:2377"},
            "data_path_addr": {"type": "str"},
            "availability": {"type": "str", "choices": ["active", "pause", "drain"], "default": "active"},
            "data_path_port": {"type": "int"},
            "default_addr_pool": {"type": "list", "elements": "str", "default": []},
            "subnet_size": {"type": "int"},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
