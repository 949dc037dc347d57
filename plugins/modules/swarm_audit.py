#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_audit
short_description: Judge how a Docker Swarm and its services are secured
version_added: 0.1.0
description:
  - Reads the swarm once from a manager and judges it by the swarm's items of the audit, which are its managers, overlay
    networks, secrets, autolock, certificates, and what its services ask for.
  - Items whose ID begins with C(cis-) carry the numbers of the CIS Docker Benchmark 1.6.0, the others are this
    collection's own.
  - A read that fails makes its items V(unknown), never V(pass).
  - Names of variables are shown, values never. Nothing is changed.
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
options:
  published_ports:
    description: Ports that services may publish.
    type: list
    elements: int
    default: [80, 443]
  certificate_days:
    description: The longest life in days that a node's certificate may have.
    type: int
    default: 90
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine
seealso:
  - module: flotilla.swarm.host_audit
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Judge how the swarm is secured
  flotilla.swarm.swarm_audit:
    published_ports: [80, 443, 8443]
  register: swarm_audit
"""

RETURN = r"""
findings:
  description: What was found, as RV(flotilla.swarm.host_audit#module:findings) has it, with the scope V(swarm).
  returned: success
  type: list
  elements: dict
  sample:
    - id: cis-7.5
      title: Ensure that swarm manager is run in auto-lock mode
      scope: swarm
      status: fail
      evidence: autolock is off
      mend: docker swarm update --autolock, and keep the key where it is found when a manager restarts
"""

from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import certificate
from ansible_collections.flotilla.swarm.plugins.module_utils._core.audit import catalogue, model
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.errors import EngineError

_TOKENS = "JoinTokens"


def end_of_ca(swarm: dict[str, Any]) -> str:
    """When the swarm's own CA ends. Raises ValueError where its certificate is not shown."""
    return certificate.parse(str((swarm.get("TLSInfo") or {}).get("TrustRoot") or "").encode()).not_after


def work(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Read, and judge. That it is no manager's engine, or has no quorum, is the module's failure."""
    swarm = engine.swarm_inspect()
    readings = {
        "swarm": {"value": {key: value for key, value in swarm.items() if key != _TOKENS}},
        "nodes": model.reading(engine.nodes, EngineError),
        "services": model.reading(engine.services, EngineError),
        "networks": model.reading(engine.networks, EngineError),
        "secrets": model.reading(engine.secrets, EngineError),
        "ca_not_after": model.reading(lambda: end_of_ca(swarm)),
        "now": {"value": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")},
        "published_ports": {"value": module.params["published_ports"]},
        "certificate_days": {"value": module.params["certificate_days"]},
    }
    # An engine that has just lost its quorum leaves the swarm's networks out of its list without a word.
    if "error" in readings["secrets"]:
        readings["networks"] = readings["secrets"]
    return {"changed": False, "findings": model.run(catalogue.SWARM_CHECKS, readings)}


def main() -> None:
    _module.run(
        AnsibleModule(
            argument_spec={
                **_module.ENGINE_OPTIONS,
                "published_ports": {"type": "list", "elements": "int", "default": [80, 443]},
                "certificate_days": {"type": "int", "default": 90},
            },
            supports_check_mode=True,
        ),
        work,
    )


if __name__ == "__main__":
    main()
