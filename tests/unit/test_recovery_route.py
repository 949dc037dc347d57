# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table that leads an old address to a new one: what is loaded is what is read back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import route
from ansible_collections.flotilla.swarm.plugins.module_utils._host import command
from ansible_collections.flotilla.swarm.plugins.modules import recovery_route

from tests.support.module_runner import Runner

V4 = {"old": "192.0.2.11", "new": "198.51.100.11"}
V6 = {"old": "2001:db8::0011", "new": "2001:db8:1::11"}
# As nft 1.1 lists it.
LISTED = """table ip flotilla_recovery {
\tchain output {
\t\ttype nat hook output priority -100; policy accept;
\t\tip daddr 192.0.2.11 tcp dport 2377 dnat to 198.51.100.11:2377
\t}
}
"""
LISTED_V6 = """table ip6 flotilla_recovery {
\tchain output {
\t\ttype nat hook output priority -100; policy accept;
\t\tip6 daddr 2001:db8::11 tcp dport 2377 dnat to [2001:db8:1::11]:2377
\t}
}
"""


def test_what_nft_lists_is_read_as_what_was_declared() -> None:
    assert route.parse(LISTED) + route.parse(LISTED_V6) == route.declared([V6, V4])


def test_what_is_rendered_is_read_as_what_was_declared() -> None:
    routes = route.declared([V6, V4])
    assert route.parse(route.render(routes)) == routes


def test_a_family_without_routes_has_no_table_afterwards() -> None:
    text = route.render(route.declared([V4]))
    assert text.count("table ip6 ") == 2
    assert "add table ip6 flotilla_recovery\ndelete table ip6 flotilla_recovery\n" in text
    assert route.render([]).count("chain") == 0


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([{"old": "m1", "new": "192.0.2.1"}], "routes\\[0\\].*'m1' does not appear"),
        ([{"old": "192.0.2.1:2377", "new": "192.0.2.2"}], "without a port"),
        ([{"old": "192.0.2.1", "new": "2001:db8::1"}], "different families"),
        ([{"old": "192.0.2.1", "new": "192.0.2.1"}], "leads to itself"),
        ([V4, {**V4, "new": "192.0.2.3"}], "routes\\[1\\].*twice"),
    ],
)
def test_what_can_be_no_route_is_refused(items: list[dict[str, str]], words: str) -> None:
    with pytest.raises(DeclarationError, match=words):
        route.declared(items)


class Nft:
    """nft with the tables that were loaded; a load replaces them all, as the text says."""

    def __init__(self) -> None:
        self.tables: dict[str, str] = {}
        self.loads = 0
        self.broken = False

    def __call__(self, words: Sequence[str], _deadline: float = 0) -> tuple[int, str, str]:
        if self.broken:
            return 1, "", "Error: Operation not permitted"
        if "--file" in words:
            self.loads += 1
            routes = route.parse(Path(words[-1]).read_text())
            self.tables = {f: route.render([r for r in routes if r.family == f]) for f in {r.family for r in routes}}
            return 0, "", ""
        family = words[-2]
        if family in self.tables:
            return 0, self.tables[family], ""
        return 1, "", "Error: No such file or directory\nlist table %s" % family


@pytest.fixture
def nft(monkeypatch: pytest.MonkeyPatch) -> Nft:
    made = Nft()
    monkeypatch.setattr(command, "run", made)
    monkeypatch.setattr(command, "find", lambda name: "/usr/sbin/" + name)
    return made


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(monkeypatch, capsys)


def test_routes_come_and_go_and_a_second_run_changes_nothing(nft: Nft, runner: Runner) -> None:
    found = runner.run(recovery_route, routes=[V4, V6])
    assert found["changed"] is True
    assert found["diff"] == {"before": "", "after": "192.0.2.11 -> 198.51.100.11\n2001:db8::11 -> 2001:db8:1::11\n"}
    assert runner.run(recovery_route, routes=[V6, V4])["changed"] is False
    assert runner.run(recovery_route, state="absent")["changed"] is True
    assert runner.run(recovery_route, state="absent")["changed"] is False
    assert nft.loads == 2


def test_check_mode_loads_nothing(nft: Nft, runner: Runner) -> None:
    assert runner.run(recovery_route, check_mode=True, routes=[V4])["changed"] is True
    assert nft.loads == 0


def test_where_there_is_no_nft_there_are_no_routes(nft: Nft, runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    nft.broken = True
    monkeypatch.setattr(command, "find", lambda _name: None)
    assert runner.run(recovery_route, state="absent")["changed"] is False


def test_a_table_that_can_not_be_read_is_not_taken_for_absent(nft: Nft, runner: Runner) -> None:
    nft.broken = True
    found = runner.run(recovery_route, state="absent")
    assert found["failed"] is True
    assert "Operation not permitted" in found["msg"]
