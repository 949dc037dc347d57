#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_probe
short_description: Prove with packets what firewalls let through
version_added: 0.1.0
description:
  - Finds out which packets reach a host, by sending them and counting them there. The playbook C(verify_firewall.yml)
    runs it on all nodes and on hosts outside, and holds the result against what is declared.
  - With O(mode=listen) it leaves a process behind that counts what arrives at the host, and what of it has passed the
    firewall. The process ends when it is asked for the result, or after O(seconds).
  - With O(mode=send) it tries TCP connections and sends datagrams, a VXLAN frame and an ESP packet among them. Nothing
    is said on a connection that comes about.
  - With O(mode=collect) it asks the process for what it counted.
  - Needs nothing but Python on the host.
attributes:
  check_mode:
    details: It is skipped, because firewalls that were not set up in a rehearsal have nothing to prove.
    support: none
  diff_mode:
    support: N/A
  idempotent:
    details: It changes nothing.
    support: full
options:
  mode:
    description: Which of its three parts to do.
    type: str
    choices: [listen, send, collect]
    required: true
  name:
    description: The host's name in the inventory, which the packets that it sends carry. Needed to send.
    type: str
  addresses:
    description: Addresses by which the others know this host. Needed to listen.
    type: list
    elements: str
  rules:
    description:
      - What the host's firewall is to let through, as M(flotilla.swarm.swarm_firewall) takes it. Needed to listen.
      - It is only returned, so that whoever has the results of all hosts can tell what is expected.
    type: dict
  ports:
    description: Further ports to be tried on all hosts; only returned.
    type: list
    elements: int
    default: []
  seconds:
    description: After how many seconds the listening process ends by itself.
    type: int
    default: 300
  targets:
    description: The hosts to send to. Needed to send.
    type: list
    elements: dict
    suboptions:
      name:
        description: The host's name in the inventory.
        type: str
        required: true
      token:
        description: The RV(token) of its listener.
        type: str
        required: true
      addresses:
        description: Addresses to send to.
        type: list
        elements: str
        required: true
  flows:
    description:
      - What to send, for instance V(2377/tcp), V(7946/udp), V(4789/vxlan), V(4789/vxlan:4097) (a frame of that network)
        and V(esp). Needed to send.
    type: list
    elements: str
  timeout:
    description: Seconds after which a connection that was not answered counts as dropped.
    type: float
    default: 1.5
  token:
    description: The RV(token) that O(mode=listen) returned. Needed to collect.
    type: str
extends_documentation_fragment:
  - flotilla.swarm.attributes
notes:
  - Run it as root. To listen nothing less will do; to send, only the ESP packet needs it.
  - A connection that is refused counts as open, because the packet and its answer went through the firewall. A
    rejection by ICMP counts as closed.
  - It sends 2 datagrams of each kind to each address, and opens each connection once.
seealso:
  - module: flotilla.swarm.swarm_firewall
  - plugin: flotilla.swarm.firewall_probe_plan
    plugin_type: filter
  - plugin: flotilla.swarm.firewall_matrix
    plugin_type: filter
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Count what arrives
  flotilla.swarm.firewall_probe:
    mode: listen
    addresses: [192.0.2.11]
    rules: {members: [192.0.2.11, 192.0.2.21], manager: true, admin_networks: [198.51.100.0/24]}
  register: listening

- name: Try two ports and the data path from another host
  flotilla.swarm.firewall_probe:
    mode: send
    name: stranger
    targets:
      - {name: manager1, token: "{{ listening.token }}", addresses: [192.0.2.11]}
    flows: [2377/tcp, 7946/udp, 4789/vxlan]
  delegate_to: stranger

- name: See what came through
  flotilla.swarm.firewall_probe:
    mode: collect
    token: "{{ listening.token }}"
  register: counted
"""

RETURN = r"""
token:
  description: What packets to this host must carry to be counted. It is made anew each time, and is no secret.
  returned: with O(mode=listen)
  type: str
  sample: 0f8e2c55a1b9d370
addresses:
  description: As given.
  returned: with O(mode=listen)
  type: list
  elements: str
rules:
  description: As given.
  returned: with O(mode=listen)
  type: dict
ports:
  description: As given.
  returned: with O(mode=listen)
  type: list
  elements: int
sent:
  description: An entry for each address of each target.
  returned: with O(mode=send)
  type: list
  elements: dict
  contains:
    target:
      description: The target's name.
      type: str
    address:
      description: The target's address.
      type: str
    source:
      description: The address that the packets were sent from. Empty where there is no route to the target.
      type: str
    error:
      description: Why nothing could be sent to that address.
      type: str
    answers:
      description:
        - What came of each of the O(flows). V(open) and V(closed) are connections, V(sent) is everything that only the
          listener knows more about, all else says why it could not be sent.
      type: dict
  sample:
    - target: manager1
      address: 192.0.2.11
      source: 192.0.2.99
      error: ""
      answers: {2377/tcp: closed, 7946/udp: sent}
counted:
  description: An entry for each kind of packet that arrived.
  returned: with O(mode=collect)
  type: list
  elements: dict
  contains:
    sender:
      description: The sender's name.
      type: str
    address:
      description: The address that the sender sent it to.
      type: str
    flow:
      description: As in O(flows).
      type: str
    source:
      description: The address that it came from.
      type: str
    arrived:
      description: How often it was seen before the firewall.
      type: int
    passed:
      description: How often it was seen behind the firewall, by the host itself or on its way to a container.
      type: int
  sample:
    - {sender: stranger, address: 192.0.2.11, flow: 7946/udp, source: 192.0.2.99, arrived: 2, passed: 0}
"""

import ipaddress
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall.probe_packet import Flow
from ansible_collections.flotilla.swarm.plugins.module_utils._host import probe_listener, probe_sender
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

TARGET_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "token": {"type": "str", "required": True, "no_log": False},
    "addresses": {"type": "list", "elements": "str", "required": True},
}
OPTIONS: dict[str, Any] = {
    "mode": {"type": "str", "choices": ["listen", "send", "collect"], "required": True},
    "name": {"type": "str"},
    "addresses": {"type": "list", "elements": "str"},
    "rules": {"type": "dict"},
    "ports": {"type": "list", "elements": "int", "default": []},
    "seconds": {"type": "int", "default": 300},
    "targets": {"type": "list", "elements": "dict", "options": TARGET_OPTIONS},
    "flows": {"type": "list", "elements": "str"},
    "timeout": {"type": "float", "default": 1.5},
    "token": {"type": "str", "no_log": False},
}


def listen(params: dict[str, Any]) -> dict[str, Any]:
    """Leave a listener behind, and return what others must know of this host."""
    addresses = _addresses("addresses", params["addresses"])
    if params["seconds"] < 1:
        raise HostError("seconds is %d: give the listener at least 1" % params["seconds"])
    token = probe_listener.start(addresses, params["seconds"])
    return {"token": token, "addresses": addresses, "rules": params["rules"], "ports": params["ports"]}


def send(params: dict[str, Any]) -> dict[str, Any]:
    """Send everything to everybody."""
    if params["timeout"] <= 0:
        raise HostError("timeout is %g: give connections more than 0 seconds" % params["timeout"])
    targets = [
        {**target, "addresses": _addresses("the addresses of %s" % target["name"], target["addresses"])}
        for target in params["targets"]
    ]
    try:
        flows = [Flow.parse(text) for text in params["flows"]]
    except ValueError as error:
        raise HostError("flows: %s; write them as 2377/tcp, 7946/udp, 4789/vxlan or esp" % error) from error
    return {"sent": probe_sender.send(params["name"], probe_sender.peers(targets), flows, params["timeout"])}


def collect(params: dict[str, Any]) -> dict[str, Any]:
    """Ask the listener for its counts."""
    return {"counted": probe_listener.collect(params["token"])}


def _addresses(key: str, given: list[str]) -> list[str]:
    try:
        return [str(ipaddress.ip_address(text)) for text in given]
    except ValueError as error:
        raise HostError("%s: %s" % (key, error)) from error


def main() -> None:
    module = AnsibleModule(
        argument_spec=OPTIONS,
        required_if=[
            ("mode", "listen", ("addresses", "rules")),
            ("mode", "send", ("name", "targets", "flows")),
            ("mode", "collect", ("token",)),
        ],
    )
    try:
        result = {"listen": listen, "send": send, "collect": collect}[module.params["mode"]](module.params)
    except HostError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
