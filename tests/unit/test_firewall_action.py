# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of swarm_firewall: what it refuses before anything is sent, how it confirms, whom it counts."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from ansible.errors import AnsibleConnectionFailure, AnsibleFilterError
from ansible_collections.flotilla.swarm.plugins.action import swarm_firewall
from ansible_collections.flotilla.swarm.plugins.filter.firewall_addresses import firewall_addresses
from ansible_collections.flotilla.swarm.plugins.filter.firewall_members import firewall_members
from ansible_collections.flotilla.swarm.plugins.modules import swarm_firewall as module
from ansible_collections.flotilla.swarm.plugins.plugin_utils import new_connection, ssh_login

from tests.support.firewall import GOOD

Json = dict[str, Any]

FROM_ADMIN = "198.51.100.7 50000 192.0.2.11 22"
LOADED = {"changed": True, "pending": True}


def action(transport: str = "ssh", ssh: str = FROM_ADMIN, answers: Any = None, **options: Any) -> Any:
    task = mock.Mock(
        args={**GOOD, **options}, async_val=0, check_mode=False, diff=False, environment=None, collections=[]
    )
    task.action = "flotilla.swarm.swarm_firewall"
    made: Any = swarm_firewall.ActionModule(
        task=task,
        connection=mock.Mock(_shell=SimpleNamespace(tmpdir="/never"), transport=transport),
        play_context=mock.Mock(check_mode=False),
        loader=mock.Mock(),
        templar=mock.Mock(),
        shared_loader_obj=mock.Mock(),
    )
    said = "Welcome\r\n\nflotilla-user:ops\r\nflotilla-from:%s\r\nflotilla-addresses:192.0.2.11 \r\nbye" % ssh
    made._low_level_execute_command = mock.Mock(return_value={"stdout": said, "rc": 0})
    made._execute_module = mock.Mock(side_effect=answers or [{"changed": False, "pending": False}])
    return made


def states(made: Any) -> list[str]:
    return [call.kwargs["module_args"].get("state", "present") for call in made._execute_module.call_args_list]


def problems(made: Any) -> list[str]:
    result = made.run(task_vars={})
    assert result["failed"] is True
    made._execute_module.assert_not_called()
    found: list[str] = result["problems"]
    return found


@pytest.fixture
def listening() -> Iterator[tuple[str, int]]:
    """An address at which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


# --- What is refused before anything is sent --------------------------------------------------------------------------


def test_a_wrong_declaration_reaches_no_host() -> None:
    made = action(admin_networks=["10.0.0.1/8"], admin_ports=["2Z"], window=5)
    assert [problem.split(":")[0] for problem in problems(made)] == ["window", "admin_networks", "admin_ports"]
    made._low_level_execute_command.assert_not_called()


def test_an_admin_network_without_the_controller_is_refused() -> None:
    assert problems(action(ssh="203.0.113.5 50000 192.0.2.11 22")) == [
        "admin_networks: this controller comes from 203.0.113.5, which none of them holds: add its network"
    ]


def test_a_port_without_the_controller_is_refused() -> None:
    assert problems(action(ssh="198.51.100.7 50000 192.0.2.11 2222")) == [
        "admin_ports: this controller comes in by port 2222, which is not among them: add it"
    ]


@pytest.mark.parametrize(
    ("ssh", "options"),
    [
        (FROM_ADMIN, {}),
        ("2001:db8:1::5 50000 2001:db8::11 22", {}),
        ("192.0.2.21 50000 192.0.2.11 22", {"open": [{"port": 22, "from": ["members"]}], "admin_ports": [23]}),
    ],
)
def test_a_controller_that_is_let_in_is_not_refused(ssh: str, options: Json) -> None:
    made = action(ssh=ssh, state="validated", **options)
    result = made.run(task_vars={})
    assert (result.get("failed"), result["changed"]) == (None, False)
    assert states(made) == ["validated"]
    # As the user who logged in: becoming another one drops the variable.
    made._low_level_execute_command.assert_called_once_with(ssh_login.QUESTION, sudoable=False)


def test_what_the_host_says_to_the_rules_is_the_validation() -> None:
    answer = {"failed": True, "msg": "another firewall is active on this host"}
    result = action(state="validated", answers=[answer]).run(task_vars={})
    assert (result["failed"], result["msg"]) == (True, answer["msg"])


@pytest.mark.parametrize("state", ["present", "validated"])
@pytest.mark.parametrize(
    ("transport", "ssh", "options", "passed"),
    [
        ("ssh", FROM_ADMIN, {}, ["192.0.2.11"]),
        ("ssh", "2001:db8:1::5%eth0 50000 2001:db8::11%eth0 22", {}, ["2001:db8::11"]),
        (
            "ssh",
            FROM_ADMIN,
            {"confirm_address": "node1.example", "reached_at": ["10.0.0.1"]},
            ["10.0.0.1", "192.0.2.11"],
        ),
        ("ssh", "127.0.0.1 50000 127.0.0.1 22", {"confirm_address": "127.0.0.1"}, ["127.0.0.1"]),
        ("ssh", "172.18.0.1 50000 172.18.0.1 22", {"confirm_address": "127.0.0.1"}, ["127.0.0.1"]),
        ("local", "", {"confirm_address": "127.0.0.1"}, ["127.0.0.1"]),
    ],
)
def test_the_host_is_told_by_which_address_it_is_reached(
    state: str, transport: str, ssh: str, options: Json, passed: list[str]
) -> None:
    """The end of a tunnel is not where this machine comes in."""
    made = action(transport, ssh, state=state, **options)
    assert "failed" not in made.run(task_vars={})
    assert made._execute_module.call_args.kwargs["module_args"]["reached_at"] == passed


def test_a_host_that_does_not_answer_the_question_needs_an_address() -> None:
    made = action()
    made._low_level_execute_command.return_value = {"stdout": "", "stderr": "no shell", "rc": 1}
    (problem,) = problems(made)
    assert "swarm_firewall_confirm_address" in problem


@pytest.mark.parametrize("own", ["192.0.2.11", "127.0.0.1"])
def test_a_jump_through_the_host_itself_proves_nothing(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host sees itself come, and the controller's own connection goes to the jump."""
    through = {"ssh": f"{own} 50000 {own} 22"}
    (problem,) = problems(action(**through))
    assert f"confirm_address: the connection comes from the host itself ({own}), by a jump or a tunnel, so" in problem
    assert "swarm_firewall_confirm_address" in problem
    monkeypatch.setattr(new_connection, "source_address", lambda _address: "203.0.113.5")
    (problem,) = problems(action(**through, confirm_address="192.0.2.11"))
    assert problem.startswith("admin_networks: this controller comes from 203.0.113.5")


def test_a_connection_that_needs_no_network_needs_an_address() -> None:
    for transport in ("community.docker.docker", "local"):
        (problem,) = problems(action(transport))
        assert "swarm_firewall_confirm_address" in problem


def test_without_ssh_the_address_is_that_of_a_packet_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(new_connection, "source_address", lambda address: seen.append(address) or "203.0.113.5")
    found = problems(action("community.docker.docker", confirm_address="192.0.2.11"))
    assert seen == ["192.0.2.11"]
    assert found[0].startswith("admin_networks: this controller comes from 203.0.113.5")


def test_an_address_without_a_way_is_refused() -> None:
    (problem,) = problems(action("community.docker.docker", confirm_address="node1.example"))
    assert problem.startswith("confirm_address: this controller has no way to node1.example")


def test_a_machine_reaches_itself(listening: tuple[str, int]) -> None:
    assert new_connection.source_address("127.0.0.1") == "127.0.0.1"
    made = action("local", confirm_address=listening[0], confirm_port=listening[1])
    assert "failed" not in made.run(task_vars={})


def test_the_options_are_the_modules() -> None:
    """Their defaults too, but those of what the core reads, where None is the core's own default."""
    assert set(swarm_firewall.ARGUMENTS) == set(module.OPTIONS)
    for name, option in swarm_firewall.ARGUMENTS.items():
        if option["type"] != "raw":
            assert option == module.OPTIONS[name], name


# --- How it confirms --------------------------------------------------------------------------------------------------


def test_nothing_new_needs_no_confirmation() -> None:
    made = action()
    assert made.run(task_vars={})["changed"] is False
    assert states(made) == ["present"]
    made._connection.reset.assert_not_called()


def test_new_rules_are_confirmed_over_a_new_connection() -> None:
    made = action(answers=[LOADED, {"changed": True}])
    result = made.run(task_vars={})
    assert (result["changed"], result["pending"], result.get("failed")) == (True, False, None)
    assert states(made) == ["present", "confirmed"]
    made._connection.reset.assert_called_once_with()


def test_a_connection_that_does_not_come_at_once_is_tried_again() -> None:
    made = action(answers=[LOADED, AnsibleConnectionFailure("timed out"), {"changed": True}])
    assert "failed" not in made.run(task_vars={})
    assert made._connection.reset.call_count == 2


def test_rules_that_lock_out_are_said_to_go_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm_firewall, "MARGIN", 14.7)
    made = action(answers=[LOADED, *[AnsibleConnectionFailure("timed out")] * 9], window=15)
    result = made.run(task_vars={})
    assert result["failed"] is True
    assert "let no new connection from the controller in (timed out)" in result["msg"]
    assert "the old ones come back by themselves within 1" in result["msg"]


def test_without_ssh_a_connection_of_its_own_confirms(listening: tuple[str, int]) -> None:
    address, port = listening
    made = action("local", answers=[LOADED, {"changed": True}], confirm_address=address, confirm_port=port)
    assert made.run(task_vars={})["pending"] is False
    made._connection.reset.assert_not_called()


def test_without_ssh_no_connection_means_no_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swarm_firewall, "MARGIN", 14.7)
    port = closed_port()
    made = action("local", answers=[LOADED], window=15, confirm_address="127.0.0.1", confirm_port=port)
    result = made.run(task_vars={})
    assert "nothing listens at 127.0.0.1 port %d" % port in result["msg"]
    assert states(made) == ["present"]


def test_what_the_module_says_to_the_confirmation_is_the_result() -> None:
    made = action(answers=[LOADED, {"failed": True, "msg": "the confirmation came too late"}])
    result = made.run(task_vars={})
    assert (result["failed"], result["msg"]) == (True, "the confirmation came too late")


def test_a_rehearsal_confirms_nothing() -> None:
    made = action(answers=[{"changed": True, "pending": False}])
    made.run(task_vars={})
    assert states(made) == ["present"]


def test_something_that_begins_to_listen_in_time_is_reached() -> None:
    port = closed_port()

    def listen_later() -> None:
        time.sleep(0.3)
        with socket.create_server(("127.0.0.1", port)) as server:
            server.accept()[0].close()

    thread = threading.Thread(target=listen_later)
    thread.start()
    assert new_connection.open_until("127.0.0.1", port, time.monotonic() + 5) is None
    thread.join()


# --- Who is a member --------------------------------------------------------------------------------------------------

HOSTS: dict[str, Json] = {
    "m1": {"swarm_firewall_addresses": ["192.0.2.11", "2001:DB8::11"], "swarm_cluster_advertise_addr": "10.0.0.1"},
    "w1": {"swarm_cluster_advertise_addr": "192.0.2.21:2377", "swarm_cluster_data_path_addr": "10.0.0.21"},
    "w2": {"swarm_cluster_advertise_addr": "192.0.2.22", "swarm_cluster_data_path_addr": "192.0.2.22"},
    "w3": {"swarm_cluster_advertise_addr": "[2001:db8::23]:2377", "swarm_cluster_data_path_addr": ""},
}


def test_members_are_the_addresses_of_all_hosts() -> None:
    assert firewall_members(HOSTS, list(HOSTS)) == [
        *("192.0.2.11", "2001:db8::11", "192.0.2.21", "10.0.0.21", "192.0.2.22", "2001:db8::23")
    ]
    assert firewall_members(HOSTS, ["m1"], {"m1": ["192.0.2.99"]}) == ["192.0.2.99"]
    assert firewall_addresses(HOSTS, "w1") == ["192.0.2.21", "10.0.0.21"]


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ({"w9": {}}, "w9: nothing tells its address"),
        ({"w9": {"swarm_firewall_addresses": []}}, "w9: nothing tells its address"),
        ({"w9": {"swarm_cluster_advertise_addr": "eth0"}}, "w9: eth0 is no IP address"),
        ({"w9": {"swarm_firewall_addresses": ["192.0.2.22"]}}, "192.0.2.22 is the address of w2 and of w9"),
    ],
)
def test_a_host_that_nobody_could_let_in_is_named(hosts: dict[str, Json], said: str) -> None:
    inventory = {**HOSTS, **hosts}
    with pytest.raises(AnsibleFilterError) as caught:
        firewall_members(inventory, list(inventory))
    assert said in str(caught.value)
