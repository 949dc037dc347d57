# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read on a host without the Docker SDK, and how a host becomes a member: against engines on real sockets."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import json
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.flotilla.swarm.plugins.module_utils._core import kernel, membership
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.membership import MemberRequest, Membership
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import host, member
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import (
    DeadlineExceeded,
    EngineError,
    EngineUnreachable,
    NotAManager,
)
from ansible_collections.flotilla.swarm.plugins.modules import swarm_host_info, swarm_member

JOIN = MemberRequest("worker", cluster_id="c", join_token="token", remote_addrs=("192.0.2.11", "192.0.2.12"))  # noqa: S106
OUTSIDE = Membership("inactive", node_name="w1")
INSIDE = Membership("active", "c", "n", "w1", "worker")
GOES_ON = (
    "Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the "
    '"docker info" command to see the current swarm status of your node.'
)


class SocketEngine:
    """An engine on a unix socket. ``answers``: "METHOD path" -> (status, body), or a function of the request's body."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, Any]] = []
        engine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                request = "%s %s" % (self.command, self.path)
                engine.asked.append((request, body))
                found = engine.answers.get(request, (404, {"message": "page not found"}))
                status, content = found(body) if callable(found) else found
                raw = content if isinstance(content, bytes) else json.dumps(content).encode()
                with contextlib.suppress(BrokenPipeError):  # whoever asked has given up
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(raw)))
                    self.end_headers()
                    self.wfile.write(raw)

            do_GET = do_POST = _answer  # noqa: N815  names that http.server asks for

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

            def address_string(self) -> str:
                return "unix"

        self._server = socketserver.ThreadingUnixStreamServer(self.path, Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SocketEngine]:
    served = SocketEngine(tmp_path / "docker.sock")
    yield served
    served.close()


def info(state: str, root: str = "/nowhere", **swarm: Any) -> dict[str, Any]:
    return {
        "Name": "w1",
        "ServerVersion": "28.5.2",
        "DockerRootDir": root,
        "LiveRestoreEnabled": True,
        "Swarm": {"LocalNodeState": state, **swarm},
    }


# --- The transport ----------------------------------------------------------------------------------------------------


def test_a_request_goes_to_the_socket_as_json(engine: SocketEngine) -> None:
    engine.answers = {"POST /swarm/init": (200, "nodeid"), "POST /swarm/join": (200, b"")}
    client = host.HostEngine(engine.path)
    assert client.swarm_init({"ListenAddr": "0.0.0.0:2377"}) == "nodeid"
    client.swarm_join({"JoinToken": "x"})
    assert engine.asked == [
        ("POST /swarm/init", {"ListenAddr": "0.0.0.0:2377"}),
        ("POST /swarm/join", {"JoinToken": "x"}),
    ]


def test_a_refusal_is_told_by_its_kind_in_the_engines_words(engine: SocketEngine) -> None:
    engine.answers = {"GET /swarm": (503, {"message": "This node is not a swarm manager. Use …"})}
    with pytest.raises(NotAManager, match="not a swarm manager"):
        host.HostEngine(engine.path).swarm_inspect()


def test_what_answers_without_json_is_no_engine(engine: SocketEngine) -> None:
    engine.answers = {"GET /info": (200, b"<html>")}
    with pytest.raises(EngineError, match="no Docker Engine"):
        host.HostEngine(engine.path).info()


def test_an_error_that_is_no_json_keeps_its_words(engine: SocketEngine) -> None:
    engine.answers = {"GET /info": (502, b"bad gateway")}
    with pytest.raises(EngineError, match="bad gateway"):
        host.HostEngine(engine.path).info()


def test_a_silent_engine_and_no_engine_are_unreachable(
    engine: SocketEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def silent(_body: Any) -> tuple[int, Any]:
        released.wait(10)
        return 200, {}

    monkeypatch.setattr(host, "REQUEST_TIMEOUT", 0.2)
    engine.answers = {"GET /info": silent}
    with pytest.raises(EngineUnreachable, match="no answer within"):
        host.HostEngine(engine.path).info()
    released.set()
    with pytest.raises(EngineUnreachable, match="no Docker Engine answers on"):
        host.HostEngine(str(tmp_path / "other.sock")).info()


def test_only_this_hosts_own_socket_is_asked() -> None:
    assert host.socket_path("unix:///var/run/docker.sock") == "/var/run/docker.sock"
    for address in ("tcp://192.0.2.1:2375", "/var/run/docker.sock", "unix://"):
        with pytest.raises(DeclarationError, match="docker_host must be unix"):
            host.socket_path(address)


# --- Membership -------------------------------------------------------------------------------------------------------


def test_a_member_whose_swarm_cannot_be_read_is_an_error(engine: SocketEngine, tmp_path: Path) -> None:
    engine.answers = {"GET /info": (200, info("active", str(tmp_path), NodeID="n"))}
    with pytest.raises(EngineError, match="neither its engine nor its certificate"):
        host.observe_membership(host.HostEngine(engine.path))
    damaged = tmp_path / "swarm/certificates/swarm-node.crt"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("no certificate")
    with pytest.raises(EngineError, match=r"swarm-node\.crt says which swarm"):
        host.observe_membership(host.HostEngine(engine.path))


def test_a_join_under_way_has_no_certificate_yet(engine: SocketEngine, tmp_path: Path) -> None:
    engine.answers = {"GET /info": (200, info("pending", str(tmp_path)))}
    seen = host.observe_membership(host.HostEngine(engine.path))
    assert (seen.local_state, seen.cluster_id) == ("pending", None)


class World:
    """A clock that only sleeping moves, and an engine whose state follows a script of (from second, membership)."""

    def __init__(self, *script: tuple[float, Membership]) -> None:
        self.now = 0.0
        self.script = script
        self.joined: list[str] = []
        self.refusals: dict[str, EngineError] = {}

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def observe(self) -> Membership:
        return next(seen for start, seen in reversed(self.script) if start <= self.now)

    def swarm_init(self, _request: dict[str, Any]) -> str:
        return "n"

    def swarm_join(self, request: dict[str, Any]) -> None:
        (address,) = request["RemoteAddrs"]
        self.joined.append(address)
        if address in self.refusals:
            raise self.refusals[address]

    def become(self, wanted: MemberRequest = JOIN, current: Membership = OUTSIDE, deadline: float = 60) -> Membership:
        planned = membership.plan_member(current, wanted)
        return member.become_member(
            self, self.observe, planned, wanted.role, deadline, clock=self.clock, sleep=self.sleep
        )


def test_one_address_after_the_other_is_tried_while_the_engine_is_outside() -> None:
    world = World((0, OUTSIDE))
    world.refusals = {"192.0.2.11": EngineError("connection refused"), "192.0.2.12": EngineError("invalid join token")}
    with pytest.raises(EngineError, match=r"192\.0\.2\.11: connection refused; 192\.0\.2\.12: invalid join token"):
        world.become()
    assert world.joined == ["192.0.2.11", "192.0.2.12"]


@pytest.mark.parametrize("refusal", [EngineError(GOES_ON), EngineUnreachable("no answer"), EngineError("other words")])
def test_a_join_that_goes_on_is_waited_for_and_never_doubled(refusal: EngineError) -> None:
    pending = replace(OUTSIDE, local_state="pending")
    world = World((0, pending), (30, INSIDE))
    world.refusals = {"192.0.2.11": refusal}
    assert world.become() == INSIDE
    assert world.joined == ["192.0.2.11"]
    assert 30 <= world.now < 31


def test_a_manager_is_complete_when_it_answers() -> None:
    early = replace(INSIDE, role="worker")
    electing = replace(INSIDE, role="manager", is_manager=True, error="no leader")
    done = replace(electing, error="")
    world = World((0, early), (2, electing), (4, done))
    assert world.become(replace(JOIN, role="manager")) == done


def test_a_deadline_says_what_goes_on() -> None:
    world = World((0, replace(OUTSIDE, local_state="pending", error="its own words")))
    with pytest.raises(DeadlineExceeded, match="pending, its own words") as caught:
        world.become()
    assert "the next run waits for it" in str(caught.value)
    assert world.now == pytest.approx(60)


def test_an_attempt_that_failed_in_the_background_is_an_error() -> None:
    world = World(
        (0, replace(OUTSIDE, local_state="pending")), (5, replace(OUTSIDE, local_state="error", error="its own words"))
    )
    with pytest.raises(EngineError, match="the join failed, the engine says: error, its own words"):
        world.become()


def test_a_join_of_an_earlier_run_is_only_waited_for() -> None:
    pending = replace(OUTSIDE, local_state="pending")
    world = World((0, pending), (3, INSIDE))
    assert world.become(current=pending) == INSIDE
    assert world.joined == []


# --- The kernel's evidence --------------------------------------------------------------------------------------------


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_evidence_is_read_from_wherever_a_host_has_it(tmp_path: Path) -> None:
    write(tmp_path / "proc/modules", "vxlan 1 0 - Live 0x0\nbridge 1 1 vxlan, Live 0x0\n")
    write(tmp_path / "proc/net/ip_tables_matches", "conntrack\naddrtype\n")
    write(tmp_path / "proc/net/ip_tables_targets", "MASQUERADE\n")
    write(tmp_path / "proc/net/ip_vs", "")
    write(tmp_path / "proc/filesystems", "nodev\tsysfs\n\text4\nnodev\toverlay\n")
    write(tmp_path / "proc/sys/kernel/modules_disabled", "1\n")
    (tmp_path / "sys/module/xt_recent").mkdir(parents=True)
    write(tmp_path / "lib/modules/6.1/modules.builtin", "kernel/net/ipv4/esp4.ko\n")
    write(tmp_path / "lib/modules/6.1/modules.dep", "kernel/net/a-b.ko.xz: kernel/x.ko.xz\nkernel/net/veth.ko:\n")
    write(tmp_path / "boot/config-6.1", "# CONFIG_IP_VS is not set\nCONFIG_VETH=m\nCONFIG_BRIDGE=y\nCONFIG_HZ=250\n")
    seen = host.kernel_evidence(tmp_path, "6.1")
    assert seen == kernel.Evidence(
        release="6.1",
        present=frozenset(
            {"vxlan", "bridge", "xt_conntrack", "xt_addrtype", "xt_MASQUERADE", "ip_vs", "overlay", "xt_recent"}
            | {"sysfs", "ext4"}
        ),
        builtin=frozenset({"esp4"}),
        loadable=frozenset({"a_b", "veth"}),
        config={"CONFIG_VETH": "m", "CONFIG_BRIDGE": "y"},
        config_source="/boot/config-6.1",
        module_support=True,
        modules_locked=True,
    )


def test_the_running_kernels_own_configuration_comes_first(tmp_path: Path) -> None:
    write(tmp_path / "proc/config.gz", gzip.compress(b"CONFIG_VXLAN=y\n"))
    write(tmp_path / "boot/config-6.1", "CONFIG_VXLAN=m\n")
    seen = host.kernel_evidence(tmp_path, "6.1")
    assert (seen.config, seen.config_source) == ({"CONFIG_VXLAN": "y"}, "/proc/config.gz")
    assert not seen.module_support


def test_what_is_not_there_proves_nothing(tmp_path: Path) -> None:
    write(tmp_path / "proc/config.gz", b"damaged")
    seen = host.kernel_evidence(tmp_path, "6.1")
    assert (seen.present, seen.builtin, seen.loadable, seen.config) == (frozenset(), None, None, None)


# --- The network below the overlays -----------------------------------------------------------------------------------

ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	014D1EAC	0003	0	0	0	00000000	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
eth1	0000640A	00000000	0001	0	0	0	0000FFFF	0	0	0
eth0	004D1EAC	00000000	0001	0	0	0	00FFFFFF	0	0	0
*	004D1EAC	00000000	0200	0	0	0	80FFFFFF	0	0	0
"""
IPV6 = """\
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000005 02 40 20 80     eth2
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    if sys.byteorder != "little":
        pytest.skip("the routes are those of a little-endian host")
    write(tmp_path / "proc/net/route", ROUTES)
    write(tmp_path / "proc/net/if_inet6", IPV6)
    for interface, mtu in (("eth0", 1500), ("eth1", 1450), ("eth2", 9000), ("lo", 65536)):
        write(tmp_path / "sys/class/net" / interface / "mtu", "%d\n" % mtu)
    return tmp_path


@pytest.mark.parametrize(
    ("address", "interface", "mtu"),
    [
        ("172.30.77.21", "eth0", 1500),
        ("10.100.3.1", "eth1", 1450),
        ("2001:db8::5", "eth2", 9000),
        ("172.17.0.9", "docker0", None),
        ("::1", None, None),
        ("2001:db8::6", None, None),
    ],
)
def test_the_interface_that_carries_the_nodes_address(
    root: Path, address: str, interface: str | None, mtu: int | None
) -> None:
    assert host.underlay(address, "/nowhere", root) == {"address": address, "interface": interface, "mtu": mtu}


@pytest.mark.parametrize(
    ("state", "interface"),
    [('{"DataPathAddr": "10.100.3.1"}', "eth1"), ('{"DataPathAddr": ""}', "eth0"), ("[]", "eth0"), ("{", "eth0")],
)
def test_a_data_path_of_its_own_counts(root: Path, state: str, interface: str) -> None:
    write(root / "docker/swarm/docker-state.json", state)
    assert host.underlay("172.30.77.21", str(root / "docker"), root)["interface"] == interface


def test_what_can_not_be_told_is_null(tmp_path: Path, root: Path) -> None:
    nothing = {"address": None, "interface": None, "mtu": None}
    for address in (None, ""):
        assert host.underlay(address, str(root / "docker"), root) == nothing
    assert host.underlay("192.0.2.1", "/nowhere", tmp_path / "empty") == {**nothing, "address": "192.0.2.1"}


# --- The modules ------------------------------------------------------------------------------------------------------

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], engine: SocketEngine, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a module on the engine and returns its result; a canary token is never in its output."""
    monkeypatch.setattr(host, "_BINARY_PATHS", ())

    def run_module(module: Any, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {"docker_host": "unix://" + engine.path, "_ansible_check_mode": check_mode, **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        invocation = result.pop("invocation", None)
        assert "canary" not in json.dumps([result, invocation])
        return result

    return run_module


def test_the_host_says_what_it_is(run: Run, engine: SocketEngine) -> None:
    engine.answers = {"GET /info": (200, info("inactive"))}
    result = run(swarm_host_info)
    assert result["engine"]["version"] == "28.5.2"
    assert result["engine"]["live_restore"] is True
    assert result["membership"]["local_state"] == "inactive"
    assert set(result["kernel"]) == {"release", "features", "lacking", "unknown"}
    assert result["underlay"] == {"address": None, "interface": None, "mtu": None}
    assert not result["changed"]


def test_a_host_without_an_engine_says_so_and_one_whose_engine_is_broken_fails(run: Run, engine: SocketEngine) -> None:
    nothing = run(swarm_host_info, docker_host="unix:///nowhere/docker.sock")
    assert nothing["engine"] == {"installed": False}
    assert nothing["membership"]["local_state"] == "absent"
    engine.answers = {"GET /info": (500, {"message": "its own words"})}
    assert "its own words" in run(swarm_host_info)["msg"]


def test_check_mode_asks_for_nothing_and_the_run_joins_once(run: Run, engine: SocketEngine) -> None:
    manager = {"NodeID": "n", "ControlAvailable": True, "Cluster": {"ID": "c"}}
    state: dict[str, Any] = {"now": info("inactive")}

    def join(_body: Any) -> tuple[int, Any]:
        state["now"] = info("active", **manager)
        return 200, b""

    engine.answers = {"GET /info": lambda _body: (200, state["now"]), "POST /swarm/join": join}
    options: dict[str, Any] = {
        "role": "manager",
        "cluster_id": "c",
        "join_token": "canary",
        "remote_addrs": ["192.0.2.11"],
    }
    told = run(swarm_member, check_mode=True, **options)
    assert [request for request, _body in engine.asked] == ["GET /info"]
    done = run(swarm_member, **options)
    assert (told["changed"], told["plan"], told["action"]) == (done["changed"], done["plan"], "join")
    assert (done["cluster_id"], done["node_id"], done["membership"]["local_state"]) == ("c", "n", "active")
    assert [body["JoinToken"] for request, body in engine.asked if request == "POST /swarm/join"] == ["canary"]
    assert not run(swarm_member, **options)["changed"]


def test_a_swarm_that_is_not_the_expected_one_fails_after_the_join_too(run: Run, engine: SocketEngine) -> None:
    state: dict[str, Any] = {"now": info("inactive")}

    def join(_body: Any) -> tuple[int, Any]:
        state["now"] = info("active", NodeID="n", ControlAvailable=True, Cluster={"ID": "theirs"})
        return 200, b""

    engine.answers = {"GET /info": lambda _body: (200, state["now"]), "POST /swarm/join": join}
    result = run(swarm_member, role="manager", cluster_id="c", join_token="canary", remote_addrs=["192.0.2.11"])  # noqa: S106
    assert result["failed"]
    assert "theirs" in result["msg"]


def test_without_an_engine_only_check_mode_says_more(run: Run) -> None:
    nowhere = {"docker_host": "unix:///nowhere/docker.sock", "role": "manager", "init": True}
    assert run(swarm_member, check_mode=True, **nowhere)["changed"]
    assert "no Docker Engine is installed" in run(swarm_member, **nowhere)["msg"]
