# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host passes on, with packets: a network behind it, and a container on a bridge of Docker's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.firewall import model, ruleset

from tests.support import two_hosts
from tests.support.firewall import GOOD
from tests.support.two_hosts import HERE, THERE, Host

pytestmark = pytest.mark.skipif(bool(two_hosts.lacking()), reason=two_hosts.lacking() or "it can be done")

BEHIND = "203.0.113.9"
"""Nobody's: its network hangs on the other host, which is asked to route there."""
CONTAINER = "198.18.0.9"
SEND = """
import socket, sys
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(b"packet", (sys.argv[1], int(sys.argv[2])))
"""
COUNT = """
table inet count {
    chain passed_on {
        type filter hook postrouting priority 0; policy accept;
        udp dport { 9, 4789 } counter
    }
}
"""

Routes = Callable[..., dict[str, bool]]


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Host, Host, Host]]:
    """One that asks, one that is asked to route, and a container behind that one's docker0."""
    with two_hosts.two_hosts() as (here, there), two_hosts.a_host() as container:
        there.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        there.run("ip", "link", "add", "behind0", "type", "veth", "peer", "name", "behind1")
        there.run("ip", "link", "set", "behind1", "up")
        docker0 = ("ip", "link", "add", "docker0", "type", "veth", "peer", "name", "eth0")
        there.run(*docker0, "netns", str(container.process))
        for name, address in (("behind0", "203.0.113.1/24"), ("docker0", "198.18.0.1/24")):
            there.run("ip", "address", "add", address, "dev", name)
            there.run("ip", "link", "set", name, "up")
        there.run("ip", "neighbour", "add", BEHIND, "lladdr", "02:00:00:00:00:09", "dev", "behind0")
        container.run("ip", "address", "add", CONTAINER + "/24", "dev", "eth0")
        container.run("ip", "link", "set", "eth0", "up")
        container.run("ip", "route", "add", "default", "via", "198.18.0.1")
        here.run("ip", "route", "add", "203.0.113.0/24", "via", THERE[0])
        here.run("ip", "route", "add", "198.18.0.0/24", "via", THERE[0])
        yield here, there, container


@pytest.fixture
def routes(hosts: tuple[Host, Host, Host]) -> Routes:
    """What gets from where to where, with that declaration on the host between them."""
    here, there, container = hosts

    def passed(sender: Host, address: str, port: int) -> bool:
        there.run("nft", "-f", "-", given="table inet count\ndelete table inet count\n" + COUNT)
        sender.run(sys.executable, "-c", SEND, address, str(port))
        return "counter packets 0 " not in there.run("nft", "list", "table", "inet", "count")

    def run(routing: bool) -> dict[str, bool]:
        members = [*GOOD["members"], HERE[0]]
        declared = {**GOOD, "members": members, "routing": routing, "open": [{"port": 53, "protocol": "udp"}]}
        there.run("nft", "-f", "-", given=ruleset.render(model.parse(declared)).text)
        return {
            "through": passed(here, BEHIND, 9),
            "to a container": passed(here, CONTAINER, 9),
            "from a container": passed(container, HERE[0], 9),
            "from a container to the swarm's port of a member": passed(container, HERE[0], 4789),
            "from a container to such a port of another": passed(container, BEHIND, 4789),
            "from a container to behind": passed(container, BEHIND, 9),
        }

    return run


@pytest.mark.parametrize("routing", [False, True])
def test_a_host_routes_for_its_containers_and_for_others_only_when_it_is_told_to(routes: Routes, routing: bool) -> None:
    assert routes(routing) == {
        "through": routing,
        "to a container": False,
        "from a container": True,
        "from a container to the swarm's port of a member": False,
        "from a container to such a port of another": True,
        "from a container to behind": True,
    }


def test_a_published_port_is_passed_on(hosts: tuple[Host, Host, Host], routes: Routes) -> None:
    """As Docker does it: another destination before the routing."""
    here, there, _container = hosts
    published = "type nat hook prerouting priority dstnat;\nudp dport 53 dnat ip to %s:9" % CONTAINER
    there.run("nft", "-f", "-", given="table inet docker {\nchain published {\n%s\n}\n}\n" % published)
    assert routes(routing=False)["through"] is False
    there.run("nft", "-f", "-", given="table inet count\ndelete table inet count\n" + COUNT)
    here.run(sys.executable, "-c", SEND, THERE[0], "53")
    assert "counter packets 0 " not in there.run("nft", "list", "table", "inet", "count")
