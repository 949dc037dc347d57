# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark does on a manager without Ansible. It comes there through the standard input of python3.

create PREFIX COUNT   create secrets one after another; prints the seconds that took, then removes them
labels                print the nodes and their labels: {hostname: {label: value}}, but those of collections' own
clean PREFIX          remove the secrets, configs and networks of that prefix, and the nodes' labels of it
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import docker

OWN = "flotilla.swarm."
REMEMBERED = OWN + "node-labels"


def create(client: Any, prefix: str, count: int) -> float:
    begin = time.monotonic()
    for number in range(count):
        client.create_secret("%sraw-%03d" % (prefix, number), b"x" * 32, {"number": str(number)})
    return time.monotonic() - begin


def node_labels(client: Any) -> dict[str, dict[str, str]]:
    return {
        node["Description"]["Hostname"]: {
            key: value for key, value in node["Spec"].get("Labels", {}).items() if not key.startswith(OWN)
        }
        for node in client.nodes()
    }


def unlabelled(labels: dict[str, str], prefix: str) -> dict[str, str]:
    """The labels without those of the prefix, also in the list of names that swarm_nodes keeps in one of them."""
    rest = {key: value for key, value in labels.items() if not key.startswith(prefix)}
    if REMEMBERED in rest:
        names = [name for name in rest[REMEMBERED].split(",") if name and not name.startswith(prefix)]
        rest[REMEMBERED] = ",".join(names)
        if not names:
            del rest[REMEMBERED]
    return rest


def clean(client: Any, prefix: str) -> None:
    for secret in client.secrets():
        if secret["Spec"]["Name"].startswith(prefix):
            client.remove_secret(secret["ID"])
    for config in client.configs():
        if config["Spec"]["Name"].startswith(prefix):
            client.remove_config(config["ID"])
    for network in client.networks():
        if network["Name"].startswith(prefix):
            client.remove_network(network["Id"])
    for node in client.nodes():
        before = node["Spec"].get("Labels", {})
        after = unlabelled(before, prefix)
        if after != before:
            client.update_node(node["ID"], node["Version"]["Index"], {**node["Spec"], "Labels": after})


def main() -> None:
    client = docker.APIClient(version="auto")
    what, *arguments = sys.argv[1:]
    if what == "create":
        seconds = create(client, arguments[0], int(arguments[1]))
        clean(client, arguments[0])
        print("%.3f" % seconds)
    elif what == "labels":
        print(json.dumps(node_labels(client)))
    else:
        clean(client, arguments[0])


if __name__ == "__main__":
    main()
