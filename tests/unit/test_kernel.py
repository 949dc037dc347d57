# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel can do, judged from what a host shows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import kernel
from ansible_collections.flotilla.swarm.plugins.module_utils._core.kernel import Evidence
from hypothesis import given
from hypothesis import strategies as st

MODULES = [module for feature in kernel.FEATURES for module, _option in feature.ways]
OPTIONS = [option for feature in kernel.FEATURES for _module, option in feature.ways]
SOME_MODULES = st.frozensets(st.sampled_from(MODULES))
EVIDENCE = st.builds(
    Evidence,
    release=st.just("6.1.0"),
    present=SOME_MODULES,
    builtin=st.none() | SOME_MODULES,
    loadable=st.none() | SOME_MODULES,
    config=st.none() | st.dictionaries(st.sampled_from(OPTIONS), st.sampled_from("ym")),
    config_source=st.just("/boot/config-6.1.0"),
    module_support=st.booleans(),
    modules_locked=st.booleans(),
)


def judged(name: str, **evidence: Any) -> tuple[str, str]:
    found = kernel.judge(Evidence("6.1.0", config_source="/proc/config.gz", **evidence))["features"][name]
    return found["state"], found["source"]


@pytest.mark.parametrize(
    ("evidence", "state", "source"),
    [
        ({"present": {"ip_vs"}, "config": {}}, "available", "the running kernel shows ip_vs"),
        ({"config": {"CONFIG_IP_VS": "y"}}, "available", "/proc/config.gz: CONFIG_IP_VS=y"),
        ({"builtin": {"ip_vs"}}, "available", "/lib/modules/6.1.0/modules.builtin names ip_vs"),
        ({"loadable": {"ip_vs"}}, "loadable", "/lib/modules/6.1.0/modules.dep names ip_vs"),
        ({"config": {"CONFIG_IP_VS": "m"}}, "loadable", "/proc/config.gz: CONFIG_IP_VS=m"),
        ({"config": {}}, "absent", "/proc/config.gz: CONFIG_IP_VS is not set"),
        ({"builtin": set(), "loadable": set()}, "absent", "/lib/modules/6.1.0 knows no module ip_vs"),
        ({"builtin": set()}, "unknown", "no kernel configuration and no list of modules can be read"),
        ({}, "unknown", "no kernel configuration and no list of modules can be read"),
    ],
)
def test_each_kind_of_evidence(evidence: dict[str, Any], state: str, source: str) -> None:
    assert judged("ip_vs", **evidence) == (state, source)


def test_a_module_that_cannot_be_loaded_is_absent() -> None:
    configured = {"config": {"CONFIG_IP_VS": "m"}}
    assert judged("ip_vs", loadable=set(), **configured) == (
        "absent",
        "ip_vs is a module that /lib/modules/6.1.0 lacks",
    )
    assert judged("ip_vs", module_support=False, **configured)[0] == "absent"
    state, source = judged("ip_vs", modules_locked=True, **configured)
    assert state == "absent"
    assert "modules_disabled" in source


def test_a_later_kernel_may_rename_an_option_so_presence_outranks_the_configuration() -> None:
    assert judged("ip_vs", config={}, loadable={"ip_vs"})[0] == "loadable"


def test_one_of_several_ways_is_enough() -> None:
    assert judged("iptables", config={"CONFIG_NF_TABLES": "y"})[0] == "available"
    state, source = judged("iptables", config={})
    assert state == "absent"
    assert "CONFIG_IP_NF_IPTABLES" in source
    assert "CONFIG_NF_TABLES" in source


def test_what_is_lacking_is_said_once_for_each_capability() -> None:
    everything_else = dict.fromkeys(set(OPTIONS) - {"CONFIG_IP_VS", "CONFIG_IP_VS_RR", "CONFIG_INET_ESP"}, "y")
    report = kernel.judge(Evidence("6.1.0", config=everything_else, config_source="/proc/config.gz"))
    assert [(entry["capability"], entry["features"]) for entry in report["lacking"]] == [
        ("virtual_ip", ["ip_vs", "ip_vs_rr"]),
        ("encryption", ["esp4"]),
    ]
    assert "endpoint_mode dnsrr" in report["lacking"][0]["effect"]
    assert "encrypted overlay" in report["lacking"][1]["effect"]
    assert report["unknown"] == []


@given(EVIDENCE)
def test_every_feature_is_judged_and_only_an_absent_one_is_lacking(evidence: Evidence) -> None:
    report = kernel.judge(evidence)
    features = report["features"]
    assert list(features) == [feature.name for feature in kernel.FEATURES]
    lacking = {name for entry in report["lacking"] for name in entry["features"]}
    assert lacking == {name for name, found in features.items() if found["state"] == kernel.ABSENT}
    assert all(found["source"] for found in features.values())
    for module in evidence.present:
        of_module = [feature.name for feature in kernel.FEATURES if any(way[0] == module for way in feature.ways)]
        assert {features[name]["state"] for name in of_module} == {kernel.AVAILABLE}


def test_options_are_spelled_as_the_kernel_spells_them() -> None:
    assert all(re.fullmatch(r"CONFIG_[A-Z0-9_]+", option) for option in OPTIONS)
    assert {feature.capability for feature in kernel.FEATURES} == set(kernel.EFFECTS)
