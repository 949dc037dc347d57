# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services: what is started, what is reloaded because it has not taken in its files, what is left alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening import services
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening.services import Found
from ansible_collections.flotilla.swarm.plugins.module_utils._host import command, units
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

CHRONY = {"name": "chrony", "running": True, "enabled": True, "configuration": ["/etc/chrony.conf"]}
SSH = {"name": "ssh.service", "configuration": ["/d"], "on_change": "reload", "optional": True, "concern": "sshd"}
AUDIT = {"name": "auditd.service", "running": True, "configuration": ["/r"], "command": ["load"]}
RUNS = Found(running=True, enabled=True)


def verbs(
    item: dict[str, Any],
    found: Found,
    versions: dict[str, str],
    taken_in: dict[str, str] | None = None,
    changed: tuple[str, ...] = (),
) -> list[str]:
    (unit,) = services.parse([item])
    noted = {} if taken_in is None else {unit.name: taken_in}
    return [
        word
        for step in services.plan([unit], {unit.name: found}, versions, noted, changed)
        for word in [*step.payload["verbs"], *step.payload["command"]]
    ]


def test_what_does_not_run_is_enabled_and_started_and_reads_its_files_then() -> None:
    assert verbs(CHRONY, Found(), {"/etc/chrony.conf": "9"}) == ["enable", "start"]


def test_a_service_that_has_not_taken_in_its_files_does_so_in_whatever_run() -> None:
    assert verbs(CHRONY, RUNS, {"/etc/chrony.conf": "9"}) == ["restart"]
    assert verbs(CHRONY, RUNS, {"/etc/chrony.conf": "9"}, {"/etc/chrony.conf": "9"}) == []
    assert verbs(CHRONY, RUNS, {}) == []


@pytest.mark.parametrize("version", ["8", "10"])
def test_a_file_from_before_or_after_a_step_of_the_clock_is_another_file(version: str) -> None:
    assert verbs(CHRONY, RUNS, {"/etc/chrony.conf": version}, {"/etc/chrony.conf": "9"}) == ["restart"]
    assert verbs(CHRONY, RUNS, {"/etc/chrony.conf": version}, {"/etc/chrony.conf": version}) == []


def test_a_removed_file_is_told_by_what_was_taken_in() -> None:
    assert verbs(CHRONY, RUNS, {}, {"/etc/chrony.conf": "9"}) == ["restart"]


def test_a_rehearsal_goes_by_what_would_be_changed() -> None:
    noted = {"/etc/chrony.conf": "9"}
    assert verbs(CHRONY, RUNS, noted, noted, ("/etc/chrony.conf",)) == ["restart"]


def test_a_service_that_nobody_declared_to_run_is_reloaded_and_never_started() -> None:
    assert verbs(SSH, Found(running=True), {"/d": "9"}) == ["reload"]
    assert verbs(SSH, Found(), {"/d": "9"}, None, ("/d",)) == []


def test_a_command_loads_in_place_of_a_restart() -> None:
    assert verbs(AUDIT, RUNS, {"/r": "9"}, {"/r": "5"}) == ["load"]
    assert verbs(AUDIT, RUNS, {"/r": "9"}, {"/r": "9"}) == []
    assert verbs(AUDIT, Found(), {"/r": "9"}) == ["start", "load"]


def test_what_is_masked_or_optional_and_missing_is_left_out_and_said() -> None:
    units_ = services.parse([CHRONY, SSH])
    found = {"chrony.service": Found(masked=True), "ssh.service": Found(installed=False)}
    assert not services.plan(units_, found, {"/d": "9"}, {})
    assert [(one["name"], one["reason"]) for one in services.left_out(units_, found)] == [
        ("chrony.service", "it is masked"),
        ("ssh.service", "it is not installed"),
    ]


def test_a_service_that_is_missing_is_refused_but_in_a_rehearsal() -> None:
    units_ = services.parse([CHRONY])
    found = {"chrony.service": Found(installed=False)}
    with pytest.raises(DeclarationError, match=r"the service chrony\.service is not installed"):
        services.plan(units_, found, {}, {})
    assert [step.payload["verbs"] for step in services.plan(units_, found, {}, {}, rehearsal=True)] == [
        ["enable", "start"]
    ]


def test_a_declaration_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(DeclarationError, match="declared twice"):
        services.parse([CHRONY, CHRONY])


ANSWER = """LoadState=loaded
ActiveState=active
UnitFileState=enabled

LoadState=not-found
ActiveState=inactive
UnitFileState=

LoadState=masked
ActiveState=inactive
UnitFileState=masked
"""


def test_systemd_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "run", lambda _words, _deadline=0: (0, ANSWER, ""))
    found = units.observe(services.parse([CHRONY, SSH, AUDIT]))
    assert found == {
        "chrony.service": Found(running=True, enabled=True),
        "ssh.service": Found(installed=False),
        "auditd.service": Found(masked=True),
    }
    with pytest.raises(HostError, match="asked for 1 services and told of 3"):
        units.observe(services.parse([CHRONY]))


def test_what_systemd_refuses_is_said_in_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "run", lambda _words, _deadline=0: (1, "", "Job failed"))
    units_ = services.parse([CHRONY])
    plan = services.plan(units_, {"chrony.service": Found(enabled=True)}, {}, {})
    with pytest.raises(HostError, match=r"chrony\.service can't be told to start.*Job failed"):
        units.apply(plan)


def test_what_a_service_took_in_is_noted_once_it_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(units, "NOTES", tmp_path / "flotilla/taken-in.json")
    own = tmp_path / "chrony.conf"
    own.write_text("a", encoding="utf-8")
    units_ = services.parse([{**CHRONY, "configuration": [str(own), str(tmp_path / "none")]}])

    def run(status: int) -> list[list[str]]:
        """What the service is told; a reload that failed counts for systemd as a change of its state."""
        monkeypatch.setattr(command, "run", lambda _words, _deadline=0: (status, "", "failed"))
        plan = services.plan(units_, {"chrony.service": RUNS}, units.versions([str(own)]), units.taken_in())
        if status:
            with pytest.raises(HostError, match="failed"):
                units.apply(plan)
        else:
            units.apply(plan)
        return [step.payload["verbs"] for step in plan]

    assert run(1) == [["restart"]]
    assert run(0) == [["restart"]]
    assert run(0) == []
    os.utime(own, (1, 1))  # as when it was written before the clock was put right
    assert (run(0), run(0)) == ([["restart"]], [])
    own.unlink()
    assert (run(0), run(0)) == ([["restart"]], [])


def test_notes_that_cant_be_read_note_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(units, "NOTES", tmp_path / "taken-in.json")
    for text in ("", "[]"):
        units.NOTES.write_text(text, encoding="utf-8")
        assert units.taken_in() == {}
