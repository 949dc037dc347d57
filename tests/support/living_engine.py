# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine in memory with a healthy swarm behind it: each service gets its tasks at once, with addresses."""

from __future__ import annotations

import ipaddress
from typing import Any

from ansible_collections.flotilla.swarm.plugins.module_utils._core import placement
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine

Json = dict[str, Any]


class LivingEngine(MemoryEngine):
    """A swarm of a manager and two workers.

    Attributes:
        lingering: tasks that are told to stop stay as they are until ``stop``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lingering = False
        self._tasks = 0
        self.workers = [self.add_node("w1", "192.0.2.21"), self.add_node("w2", "192.0.2.22")]

    def create_service(self, spec: Json) -> str:
        service_id = super().create_service(spec)
        self._run(service_id)
        return service_id

    def update_service(self, service_id: str, version: int, spec: Json) -> None:
        before = self._objects["service"].get(service_id, {}).get("Spec")
        super().update_service(service_id, version, spec)
        if self._objects["service"][service_id]["Spec"] != before:
            self._run(service_id)

    def stop(self) -> None:
        """Every task that is told to stop has stopped."""
        for task in self.task_list:
            if task["DesiredState"] != "running":
                task["Status"]["State"] = "shutdown"

    def _run(self, service_id: str) -> None:
        service = self._objects["service"][service_id]
        spec = service["Spec"]
        for task in self.task_list:
            if task["ServiceID"] == service_id:
                task["DesiredState"] = "shutdown"
        if not self.lingering:
            self.stop()
        template = spec["TaskTemplate"]
        targets = [entry["Target"] for entry in template.get("Networks") or ()]
        service["Endpoint"] = {"VirtualIPs": [{"NetworkID": n, "Addr": self._address(n)} for n in targets]}
        for slot, node_id in enumerate(self._places(spec), start=1):
            self._tasks += 1
            self.task_list.append(
                {
                    "ID": "t%d" % self._tasks,
                    "ServiceID": service_id,
                    "Slot": slot,
                    "NodeID": node_id,
                    "CreatedAt": "2026-01-01T00:00:00.%09dZ" % self._tasks,
                    "Spec": {key: value for key, value in template.items() if key != "Runtime"},
                    "Status": {"State": "running"},
                    "DesiredState": "running",
                    "NetworksAttachments": [
                        {"Network": {"ID": n}, "Addresses": [self._address(n)]} for n in targets if self._pool(n)
                    ],
                }
            )

    def _places(self, spec: Json) -> list[str]:
        constraints = (spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or []
        nodes = [str(node["ID"]) for node in placement.eligible(constraints, list(self._objects["node"].values()))]
        if "Global" in (spec.get("Mode") or {}):
            return nodes
        replicas = ((spec.get("Mode") or {}).get("Replicated") or {}).get("Replicas")
        return [nodes[slot % len(nodes)] for slot in range(1 if replicas is None else replicas)] if nodes else []

    def _pool(self, network_id: str) -> str | None:
        pools = self._objects["network"].get(network_id, {}).get("IPAM", {}).get("Config")
        return pools[0]["Subnet"] if pools else None

    def _address(self, network_id: str) -> str:
        """One that nobody has had yet; nothing here looks whether the subnet is large enough."""
        self._ids += 1
        pool = ipaddress.ip_network(self._pool(network_id) or "10.0.0.0/24")
        return "%s/%d" % (pool[0] + self._ids, pool.prefixlen)
