# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A swarm that is to be made anew out of one host's state: what is refused before anything is stopped."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from ansible_collections.flotilla.swarm.plugins.module_utils._recover.prepare import Request, prepare

from tests.support.recovering_host import CLUSTER, KEY, LOCKED_KEY, MANAGER, OLDER_KEY, PLAIN_KEY, WORKER, Host


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"cluster_id": "other"}, "other, not of clusterid"),
        ({"engine_version": "28.5.2"}, "28.5"),
        ({"format": 2}, "format"),
        ({"autolock": None}, "autolock is missing"),
    ],
)
def test_a_backup_that_does_not_fit_is_refused_before_anything_is_stopped(
    here: Host, changed: dict[str, Any], words: str
) -> None:
    here.engine.state = "inactive"
    here.fetch(**changed)
    with pytest.raises(DeclarationError, match=words):
        here.recover("fetched", unlock_key=KEY)
    assert here.done == []


def test_a_wrong_unlock_key_is_refused_before_anything_is_stopped(here: Host) -> None:
    here.fill(here.state, LOCKED_KEY)
    here.engine.state = "locked"
    with pytest.raises(HostError, match="does not open it"):
        here.recover(unlock_key="SWMKEY-1-wrong")
    assert here.done == ["check"]


def test_another_swarms_state_and_a_workers_are_refused(here: Host) -> None:
    here.fill(here.state)
    with pytest.raises(DeclarationError, match="in the swarm clusterid, not in other"):
        prepare("socket", Request("own", "other"))
    here.engine.state = "inactive"
    with pytest.raises(DeclarationError, match="the state of the swarm clusterid, not of other"):
        prepare("socket", Request("own", "other"))
    (here.state / "certificates/swarm-node.crt").write_bytes(WORKER)
    with pytest.raises(DeclarationError, match="a worker's state"):
        prepare("socket", Request("own", CLUSTER))
    assert here.done == []


def test_a_host_without_a_state_is_told_so(here: Host) -> None:
    here.engine.state = "inactive"
    with pytest.raises(HostError, match="holds no state of a swarm"):
        here.recover()


def test_a_manager_with_its_quorum_is_refused(here: Host) -> None:
    here.fill(here.state)
    here.engine.error = ""
    here.engine.others = [{"ID": "other", "ManagerStatus": {"Reachability": "reachable"}}]
    with pytest.raises(DeclarationError, match="nothing to recover"):
        here.recover()


def test_a_state_that_is_newer_than_any_backup_is_not_overwritten(here: Host) -> None:
    here.fill(here.state)
    here.fetch()
    with pytest.raises(DeclarationError, match="newer than any backup"):
        here.recover("fetched", unlock_key=KEY)


@pytest.mark.parametrize(("key", "autolock"), [(OLDER_KEY, True), (PLAIN_KEY, False)])
def test_what_an_earlier_recovery_has_set_aside_tells_of_another_time(here: Host, key: bytes, autolock: bool) -> None:
    here.fill(here.state, key)
    here.fill(here.state.with_name("swarm.aside-1"), LOCKED_KEY)
    assert here.recover()["autolock"] is autolock


@pytest.mark.parametrize("aside", ["another node's", "an open one", "half of one"])
def test_what_else_was_set_aside_says_nothing_of_autolock(here: Host, aside: str) -> None:
    here.fill(here.state, OLDER_KEY)
    left = here.state.with_name("swarm.aside-1")
    here.fill(left, PLAIN_KEY if aside == "an open one" else LOCKED_KEY)
    if aside == "another node's":
        der = ssl.PEM_cert_to_DER_cert(MANAGER.decode()).replace(b"nodeid", b"nobody")
        (left / "certificates/swarm-node.crt").write_text(ssl.DER_cert_to_PEM_cert(der))
    elif aside == "half of one":
        (left / "certificates/swarm-node.crt").unlink()
    assert here.recover()["autolock"] is False
