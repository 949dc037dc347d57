#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_firewall
short_description: A host's firewall as a member of a swarm, with a way back
version_added: 0.1.0
description:
  - Keeps one nftables table, C(inet flotilla), and touches no other. Docker's own rules stay as they are.
  - What is for the host itself is dropped unless it is declared. That includes published ports, in both modes and for
    IPv4 and IPv6, because packets are judged by their original destination, before Docker translates it.
  - Between members the ports of the swarm are open, and to nobody else. C(7946/tcp), C(7946/udp) and the data path
    port are on every node, C(2377/tcp) on managers, and ESP where an overlay is encrypted. A node that is no member
    any more is cut off at once, its open connections too.
  - What containers send out, and what comes back to them, passes. An answer to a container that sent from a port of the
    swarm is judged as all that comes to that port.
  - What is routed to a container without a published port is dropped, and so is what is routed or bridged to anybody
    else. See O(routing).
  - New rules are loaded in one step, together with a timer of systemd that brings the old ones back after O(window)
    seconds. A new connection from the controller stops the timer, and only then the rules are kept over a restart.
  - Everything is checked on the controller before the host is asked. nft then checks the rules before they are loaded.
extends_documentation_fragment:
  - flotilla.swarm.attributes
attributes:
  check_mode:
    details: nft checks the rules in check mode too, where it is installed.
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) loads the rules and has them confirmed.
      - V(validated) only checks the declaration, that the controller would not lock itself out, and that nothing on the
        host is in the way of the rules, as another firewall is. It changes nothing, and needs neither nft nor C(ip).
      - V(confirmed) keeps rules that wait to be confirmed. V(present) runs it over a new connection.
      - V(absent) removes the table, and what loads it at boot. No other option is needed then.
    type: str
    choices: [present, validated, confirmed, absent]
    default: present
  members:
    description: The addresses of every node of the swarm, IPv4 and IPv6. Those of the host itself may be among them.
    type: list
    elements: str
    default: []
  manager:
    description: Whether the host is to be a manager, whose port C(2377/tcp) members reach.
    type: bool
    default: false
  data_path_port:
    description: The UDP port of the swarm's VXLAN, as it was given when the swarm was made.
    type: int
    default: 4789
  encrypted:
    description: Whether some overlay network is encrypted, so that members send ESP (IP protocol 50).
    type: bool
    default: false
  encrypted_vnis:
    description:
      - VXLAN network identifiers of encrypted overlays. Packets of these that come without encryption are dropped.
      - The engine has a rule of its own against them, which this one doubles.
    type: list
    elements: int
    default: []
  admin_networks:
    description:
      - Networks that administrators come from, the controller among them. Needed.
      - Networks that overlap are refused.
    type: list
    elements: str
    default: []
  admin_ports:
    description: TCP ports that are open to O(admin_networks), for instance V(22) or V(8000-8010).
    type: list
    elements: str
    default: ["22"]
  open:
    description: What else is open. Ports of the swarm can't be, and two items must not open the same port to the same.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: A port, or a range of ports as V(8000-8010).
        type: str
        required: true
      protocol:
        description: The protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      from:
        description:
          - To whom it is open, as a list of networks and words. V(any) is everybody, V(members) are the nodes of the
            swarm, V(admin) is O(admin_networks), and V(containers) are this host's own containers, by the interface
            that they come from.
          - A packet that comes from one of Docker's bridges passes by V(any) and V(containers) only, whatever address
            it carries.
        type: list
        elements: str
        default: [any]
  custom_rules:
    description:
      - Rules in nft's own words, one line each. They are asked first, after ICMP and before the ports of the swarm.
      - A broken one is refused by its number, with nft's words.
    type: list
    elements: str
    default: []
  routing:
    description:
      - Whether this host routes or bridges for others. Otherwise nothing is passed on that neither comes from one of
        Docker's bridges nor goes to a published port. Frames that a bridge passes on are judged too wherever Docker has
        set C(net.bridge.bridge-nf-call-iptables).
      - Needed where virtual machines, VPN clients or containers of another engine have their way out by this host. One
        that has a bridge with such on it, and does not declare this, is refused.
    type: bool
    default: false
  alongside:
    description: Accept that ufw or firewalld is active too. What either of them drops stays dropped.
    type: bool
    default: false
  window:
    description: Seconds after which the old rules come back, unless a new connection has confirmed the new ones.
    type: int
    default: 45
  confirm_address:
    description:
      - An address of the host to which the controller opens a TCP connection, to confirm the new rules.
      - With SSH, which is itself a connection through the firewall, it is not needed, unless the host sees it come from
        itself, by a jump or a tunnel that ends there. With other connections it is needed, for they do not show that
        the host can still be reached.
    type: str
    default: ''
  confirm_port:
    description: The port for O(confirm_address), at which something must listen.
    type: int
    default: 22
  reached_at:
    description:
      - Addresses of the host by which administrators reach it, to see that none is on an interface whose name the rules
        take for that of one of Docker's bridges.
      - The address by which the controller comes in over SSH, and O(confirm_address), are added by themselves.
    type: list
    elements: str
    default: []
requirements:
  - nft 1.0.2 or newer
  - ip (iproute2)
  - systemd
notes:
  - Run it as root.
  - Docker's bridges are known by their names, which are C(docker0), C(docker_gwbridge) and C(br-*). A host whose
    default route leaves by an interface with such a name, or that has on one a member's address or the one by which the
    controller comes in, is refused.
  - The distribution's C(nftables.service) removes all tables when it is started, reloaded or stopped. A drop-in for it
    loads this one again.
  - A packet that a container sends to another node leaves with its host's address, so to that node it comes from a
    member.
seealso:
  - module: flotilla.swarm.firewall_probe
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: A worker that takes in the world's requests
  flotilla.swarm.swarm_firewall:
    members: [192.0.2.11, 192.0.2.21, 2001:db8::11, 2001:db8::21]
    admin_networks: [198.51.100.0/24]
    open:
      - port: 80
      - port: 443
      - {port: 9100, from: [192.0.2.40/32]}

- name: Look at what would change, on a manager with encrypted overlays
  flotilla.swarm.swarm_firewall:
    members: [192.0.2.11, 192.0.2.21]
    manager: true
    encrypted: true
    admin_networks: [198.51.100.0/24]
    admin_ports: [22, 8000-8010]
    custom_rules:
      - ip saddr 203.0.113.7 udp dport 161 accept comment "the old monitoring"
  check_mode: true
  diff: true

- name: Take the firewall away
  flotilla.swarm.swarm_firewall:
    state: absent
"""

RETURN = r"""
differences:
  description: What was not as declared, a sentence each.
  returned: success
  type: list
  elements: str
  sample: [the loaded table is not as declared]
drift:
  description: What somebody changed by hand in the loaded table since it was confirmed. C(-) is gone, C(+) was added.
  returned: success
  type: list
  elements: str
  sample: ["+ tcp dport 5432 accept"]
nft:
  description: Whether the host has nft.
  returned: with O(state=validated)
  type: bool
  sample: true
pending:
  description: Whether rules are loaded that wait to be confirmed.
  returned: success
  type: bool
  sample: false
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall import model
from ansible_collections.flotilla.swarm.plugins.module_utils._host import firewall

OPTIONS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "validated", "confirmed", "absent"], "default": "present"},
    "members": {"type": "list", "elements": "str", "default": []},
    "manager": {"type": "bool", "default": False},
    "data_path_port": {"type": "int", "default": 4789},
    "encrypted": {"type": "bool", "default": False},
    "encrypted_vnis": {"type": "list", "elements": "int", "default": []},
    "admin_networks": {"type": "list", "elements": "str", "default": []},
    "admin_ports": {"type": "list", "elements": "str", "default": ["22"]},
    "open": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "port": {"type": "str", "required": True},
            "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
            "from": {"type": "list", "elements": "str", "default": ["any"]},
        },
    },
    "custom_rules": {"type": "list", "elements": "str", "default": []},
    "routing": {"type": "bool", "default": False},
    "alongside": {"type": "bool", "default": False},
    "window": {"type": "int", "default": 45},
    "confirm_address": {"type": "str", "default": ""},
    "confirm_port": {"type": "int", "default": 22},
    "reached_at": {"type": "list", "elements": "str", "default": []},
}


def work(module: AnsibleModule) -> dict[str, Any]:
    """Bring the host's firewall to what is declared."""
    params = module.params
    if params["state"] == "absent":
        return firewall.absent(check_mode=module.check_mode)
    rules = model.parse(params)
    reached_at = model.own_addresses(params["reached_at"])
    if params["state"] == "validated":
        return firewall.validated(rules, reached_at=reached_at, alongside=params["alongside"])
    if params["state"] == "confirmed":
        return firewall.confirm(rules, scratch=module.tmpdir, check_mode=module.check_mode)
    return firewall.present(
        rules,
        window=params["window"],
        alongside=params["alongside"],
        reached_at=reached_at,
        scratch=module.tmpdir,
        check_mode=module.check_mode,
    )


def main() -> None:
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
