# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's hardening: what the role docker_engine sets unless it is told otherwise."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.flotilla.swarm.plugins.module_utils._core import daemon_config
from ansible_collections.flotilla.swarm.plugins.module_utils._core.audit import catalogue, model

ROLE = Path(__file__).resolve().parents[2] / "roles/docker_engine"
ITEMS: dict[str, Any] = yaml.safe_load((ROLE / "vars/main/hardening.yml").read_text(encoding="utf-8"))[
    "__docker_engine_hardening"
]


def hardened() -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for item in ITEMS.values():
        merged = daemon_config.overlay(merged, item["config"])
    return merged


def test_every_item_has_a_switch_and_is_explained() -> None:
    options = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]["main"]
    switches = options["options"]["docker_engine_hardening"]["options"]
    assert set(switches) == set(ITEMS)
    assert all(switch["default"] is True for switch in switches.values())
    readme = (ROLE / "README.md").read_text(encoding="utf-8")
    for name, item in ITEMS.items():
        number = item["cis"] or ""
        assert re.search(rf"^\| `{name}` \| {re.escape(number)} ?\|", readme, re.MULTILINE), name


def test_no_item_is_dangerous_and_none_needs_another() -> None:
    assert daemon_config.plan({}, {}, defaults=hardened()) == hardened()
    keys = [key for item in ITEMS.values() for key in item["config"]]
    assert len(keys) == len(set(keys))


def test_the_audit_passes_what_the_hardening_sets() -> None:
    engine = {
        "Driver": "overlay2",
        "LiveRestoreEnabled": False,
        "RegistryConfig": {},
        "SecurityOptions": ["name=no-new-privileges"],
    }
    facts = {"configuration": hardened(), "engine": engine, "configuration_stale": False, "address": ""}
    readings = {name: {"value": value} for name, value in facts.items()}
    numbers = {"cis-" + item["cis"] for item in ITEMS.values() if item["cis"]}
    assert numbers <= set(catalogue.BY_ID)
    sound = numbers | {"flotilla-log-rotation", "flotilla-metrics-address", "cis-2.15"}
    found = {each["id"]: each["status"] for each in model.run([catalogue.BY_ID[name] for name in sound], readings)}
    assert set(found.values()) == {model.PASS}


def test_what_somebody_chose_for_reasons_of_his_own_stays_and_what_secures_does_not() -> None:
    def merged(*, yields: bool) -> dict[str, Any]:
        return {
            key: value
            for item in ITEMS.values()
            if item.get("yields", False) is yields
            for key, value in item["config"].items()
        }

    limits = {"nofile": {"Name": "nofile", "Soft": 1048576, "Hard": 1048576}}
    own = {"log-driver": "loki", "log-opts": {"loki-url": "x"}, "default-ulimits": limits, "icc": True}
    wanted = daemon_config.plan(own, {}, defaults=merged(yields=False), initial=merged(yields=True))
    assert (wanted["log-driver"], wanted["log-opts"]) == ("loki", {"loki-url": "x"})
    assert wanted["default-ulimits"]["nofile"] == limits["nofile"]
    assert wanted["icc"] is False
    assert merged(yields=True)["default-ulimits"]["nofile"]["Hard"] >= 65536


def test_the_developers_own_engine_stays_as_it_is() -> None:
    inventory = ROLE.parents[1] / "inventories/dev/group_vars/swarm/main.yml"
    switches = yaml.safe_load(inventory.read_text(encoding="utf-8"))["docker_engine_hardening"]
    assert switches == dict.fromkeys(ITEMS, False)
