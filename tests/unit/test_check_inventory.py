# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/check_inventory.yml leaves out counts as what the roles then do."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.flotilla.swarm.plugins.action import validate_inventory
from ansible_collections.flotilla.swarm.plugins.module_utils._core import cluster

ROLES = Path(__file__).resolve().parents[2] / "roles"


@pytest.mark.parametrize(
    ("option", "variable"),
    [
        ("allow_even_managers", "swarm_cluster_allow_even_managers"),
        ("manager_availability", "swarm_cluster_manager_availability"),
        ("networks", "swarm_networks_items"),
        ("secrets", "swarm_secrets_items"),
        ("configs", "swarm_configs_items"),
        ("backups", "swarm_backup_items"),
        ("stacks", "swarm_stack_items"),
    ],
)
def test_a_default_of_the_check_is_that_of_the_role(option: str, variable: str) -> None:
    role = "_".join(variable.split("_")[:2])
    defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text(encoding="utf-8"))
    assert validate_inventory.ARGUMENTS[option]["default"] == defaults[variable]


def test_what_a_host_leaves_out_counts_as_in_the_role() -> None:
    defaults = yaml.safe_load((ROLES / "swarm_nodes/defaults/main.yml").read_text(encoding="utf-8"))
    found = cluster.declared_by_host({"w1": {}}, ["w1"])
    assert found["labels"]["w1"] == defaults["swarm_nodes_labels"]
    assert found["availability"]["w1"] == defaults["swarm_nodes_availability"]
