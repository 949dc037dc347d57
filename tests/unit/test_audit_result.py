# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings put together: waivers, the score, the table, and when an audit is not good enough."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.flotilla.swarm.plugins.filter.audit_waiver_problems import (
    FilterModule as WaiverFilter,
)
from ansible_collections.flotilla.swarm.plugins.filter.audit_waiver_problems import audit_waiver_problems
from ansible_collections.flotilla.swarm.plugins.filter.swarm_audit import FilterModule, swarm_audit
from ansible_collections.flotilla.swarm.plugins.module_utils._core.audit import catalogue, model, result
from hypothesis import given
from hypothesis import strategies as st

STATES = (model.PASS, model.FAIL, model.UNKNOWN, model.NOT_APPLICABLE)
WAIVER = {"id": "cis-2.2", "reason": "the containers of the build host must reach each other"}


def module_result(checks: tuple[model.Check, ...], **states: str) -> dict[str, Any]:
    """What a module returns: everything passed but what is said, ``cis_2_2="fail"``."""
    told = {name.replace("cis_", "cis-").replace("_", "."): state for name, state in states.items()}
    findings = [
        model.as_dict(check, model.Finding(told.get(check.id, model.PASS), "seen: %s" % told.get(check.id, "good")))
        for check in checks
    ]
    return {"changed": False, "findings": findings}


def on_host(**states: str) -> dict[str, Any]:
    return module_result(catalogue.HOST_CHECKS, **states)


def on_swarm(**states: str) -> dict[str, Any]:
    return module_result(catalogue.SWARM_CHECKS, **states)


def test_they_are_the_filters_that_ansible_finds() -> None:
    assert FilterModule().filters() == {"swarm_audit": swarm_audit}
    assert WaiverFilter().filters() == {"audit_waiver_problems": audit_waiver_problems}


def test_an_audit_without_faults() -> None:
    audit = swarm_audit({"w1": on_host(), "m1": on_host()}, on_swarm(), (), ["m1", "w1"], 100, True)
    total = 2 * len(catalogue.HOST_CHECKS) + len(catalogue.SWARM_CHECKS)
    assert audit["report"]["score"] == 100
    assert audit["report"]["counts"] == {"pass": total, "fail": 0, "unknown": 0, "waived": 0, "not_applicable": 0}
    assert audit["refusals"] == []
    assert audit["report"]["benchmark"] == "CIS Docker Benchmark 1.6.0"
    assert json.loads(json.dumps(audit["report"])) == audit["report"]


def test_what_failed_is_named_with_its_hosts_and_its_mend() -> None:
    audit = swarm_audit({"w1": on_host(cis_2_2="fail"), "m1": on_host(cis_2_2="fail")}, on_swarm(cis_7_5="unknown"))
    lines = audit["lines"]
    assert any(line.split() == ["fail", "cis-2.2", "every", "host", "seen:", "fail"] for line in lines)
    assert any(line.split()[:3] == ["unknown", "cis-7.5", "swarm"] for line in lines)
    assert any(line.startswith("cis-2.2 (Ensure") and "the role docker_engine sets it" in line for line in lines)
    assert lines.index(next(line for line in lines if line.startswith("fail"))) < lines.index(
        next(line for line in lines if line.startswith("pass"))
    )


def test_a_host_that_gave_no_answer_is_unknown_altogether() -> None:
    silent = {"unreachable": True, "msg": "no route to host"}
    audit = swarm_audit({"w1": silent, "w2": None}, {"failed": False, "msg": "no quorum"})["report"]
    assert {finding["status"] for finding in audit["findings"]} == {model.UNKNOWN}
    assert {finding["evidence"] for finding in audit["findings"]} == {
        "no route to host",
        "it was not asked",
        "no quorum",
    }
    assert audit["score"] == 0
    assert result.lines(audit)[1:4] == [
        "w1: nothing is known (no route to host)",
        "w2: nothing is known (it was not asked)",
        "swarm: nothing is known (no quorum)",
    ]


def test_an_answer_that_lacks_an_item_does_not_pass_it() -> None:
    partial = on_host()
    partial["findings"] = [finding for finding in partial["findings"] if finding["id"] != "cis-2.2"]
    audit = swarm_audit({"w1": partial}, on_swarm())["report"]
    assert [finding["id"] for finding in audit["findings"] if finding["status"] == model.UNKNOWN] == ["cis-2.2"]


def test_a_waived_item_counts_apart_and_is_listed_with_its_reason() -> None:
    hosts = {"w1": on_host(cis_2_2="fail"), "w2": on_host()}
    before = copy.deepcopy(hosts)
    audit = swarm_audit(hosts, on_swarm(), [WAIVER], ["w1", "w2"], 100, True)
    assert audit["refusals"] == []
    assert audit["report"]["counts"]["waived"] == 1
    waived = next(finding for finding in audit["report"]["findings"] if finding["status"] == "waived")
    assert (waived["where"], waived["found"], waived["reason"]) == ("w1", "fail", WAIVER["reason"])
    assert any(WAIVER["reason"] in line for line in audit["lines"])
    assert hosts == before


def test_a_waiver_for_one_host_is_for_that_host() -> None:
    hosts = {"w1": on_host(cis_2_2="fail"), "w2": on_host(cis_2_2="unknown")}
    audit = swarm_audit(hosts, on_swarm(), [{**WAIVER, "host": "w1"}], strict=True)
    assert audit["report"]["counts"] == {**audit["report"]["counts"], "waived": 1, "unknown": 1, "fail": 0}
    assert "1 findings are bad" in audit["refusals"][0]


def test_a_waiver_that_nothing_needs_is_an_error_where_everybody_was_asked() -> None:
    hosts = {"w1": on_host()}
    audit = swarm_audit(hosts, on_swarm(), [WAIVER])
    assert audit["refusals"] == ["nothing needs the waiver of cis-2.2 any more: take it out of swarm_audit_waivers"]
    limited = swarm_audit(hosts, on_swarm(), [WAIVER, {**WAIVER, "host": "w2", "id": "cis-2.3"}], ["w1", "w2"])
    assert limited["refusals"] == []
    assert limited["report"]["left_out"] == ["w2"]
    assert "not audited: w2" in limited["lines"]


@pytest.mark.parametrize(
    ("waivers", "said"),
    [
        ([{"id": "cis-2.2"}], "say a reason"),
        ([{"id": "cis-2.2", "reason": "  "}], "say a reason"),
        ([{"id": "cis-99", "reason": "r"}], "no such check"),
        ([{"reason": "r"}], "no id"),
        ([{"id": "cis-2.2", "reason": "r", "host": "w9"}], "no host w9"),
        ([{"id": "cis-7.5", "reason": "r", "host": "w1"}], "of the swarm as a whole"),
        ([{"id": "cis-2.2", "reason": "r", "until": "2027"}], "until is no key"),
        ([WAIVER, {**WAIVER, "host": "w1"}], "another entry waives it already"),
        ([{**WAIVER, "host": "w1"}, WAIVER], "another entry waives it already"),
    ],
)
def test_a_waiver_that_is_not_sound_is_refused(waivers: list[dict[str, str]], said: str) -> None:
    problems = audit_waiver_problems(waivers, ["w1"])
    assert any(said in problem and "swarm_audit_waivers" in problem for problem in problems)
    with pytest.raises(AnsibleFilterError, match=said):
        swarm_audit({"w1": on_host()}, on_swarm(), waivers)


def test_sound_waivers_have_no_problems() -> None:
    assert audit_waiver_problems([{**WAIVER, "host": "w1"}, {**WAIVER, "host": "w2"}], ["w1", "w2"]) == []


def test_the_score_is_rounded_down_and_must_be_reached() -> None:
    hosts = {"w1": on_host(cis_2_2="fail")}
    audit = swarm_audit(hosts, on_swarm(), minimum=99)
    assert audit["report"]["score"] == 98
    assert audit["refusals"] == ["the score is 98 %, and 99 % is wanted (swarm_audit_minimum)"]
    assert swarm_audit(hosts, on_swarm())["refusals"] == []


@given(
    states=st.lists(st.sampled_from(STATES), min_size=len(catalogue.HOST_CHECKS), max_size=len(catalogue.HOST_CHECKS))
)
def test_every_finding_is_in_one_state_and_only_a_faultless_audit_has_100(states: list[str]) -> None:
    host = on_host()
    for finding, state in zip(host["findings"], states, strict=True):
        finding["status"] = state
    audit = swarm_audit({"w1": host}, on_swarm())
    counts = audit["report"]["counts"]
    assert sum(counts.values()) == len(audit["report"]["findings"]) == len(catalogue.CHECKS)
    assert (audit["report"]["score"] == 100) is (counts["fail"] + counts["unknown"] == 0)
    assert result.lines(audit["report"]) == audit["lines"]
