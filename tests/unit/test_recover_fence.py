# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manager kept from coming back."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._recover.fence import fence

from tests.support.recovering_host import CLUSTER, Host


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_a_fenced_manager_has_no_state_left_to_come_back_with(here: Host) -> None:
    here.fill(here.state)
    assert fence("socket", CLUSTER, dry_run=True) == {"changed": True, "kept": ""}
    assert here.state.exists()
    found = fence("socket", CLUSTER, dry_run=False)
    assert found["changed"] is True
    assert not here.state.exists()
    assert (Path(found["kept"]) / "docker-state.json").exists()
    here.engine.state = "inactive"
    assert fence("socket", CLUSTER, dry_run=False) == {"changed": False, "kept": ""}


def test_nobody_is_fenced_who_has_the_quorum_or_is_in_another_swarm(here: Host) -> None:
    here.fill(here.state)
    with pytest.raises(DeclarationError, match="not of other"):
        fence("socket", "other", dry_run=False)
    here.engine.error = ""
    with pytest.raises(DeclarationError, match="its quorum is not lost"):
        fence("socket", CLUSTER, dry_run=False)
    assert here.done == []
