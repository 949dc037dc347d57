# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of a stack file that ``docker stack deploy`` drops, most of them without a word, and what to write instead.

From docker/cli: UnsupportedProperties, DeprecatedProperties and ForbiddenProperties (cli/compose/types/types.go), and
the keys that its converter (cli/compose/convert) never reads: depends_on, tmpfs, ipv4_address, ipv6_address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import security
from .references import is_false, mapping

_LIMITS = "write it under deploy.resources.limits"
_NEVER = "swarm can't do this for a service: remove it"

SERVICE_KEYS: Mapping[str, str] = {
    "build": "build and push the image beforehand, name it with image, and remove this",
    "cgroup_parent": _NEVER,
    "cgroupns_mode": _NEVER,
    "container_name": "a service has many containers and is reached by its own name: remove it",
    "cpu_quota": _LIMITS,
    "cpu_shares": _LIMITS,
    "cpuset": _LIMITS,
    "depends_on": "swarm starts services in no order: let the program retry until what it needs is there; remove this",
    "devices": _NEVER + " (a bind mount of the device's path gives the file, but not the right to use it)",
    "domainname": "write the full name into hostname",
    "expose": "services on one network reach each other on every port: remove it",
    "extends": "use a YAML anchor, or name both files",
    "external_links": "attach both services to one network",
    "ipc": _NEVER,
    "links": "attach both services to one network",
    "mac_address": _NEVER,
    "mem_limit": _LIMITS,
    "memswap_limit": _LIMITS,
    "network_mode": "attach the service to networks (for the host's own, to an external network named host)",
    "pid": _NEVER,
    "privileged": "give the capabilities that it needs with cap_add",
    "shm_size": "mount a tmpfs of that size: volumes: [{type: tmpfs, target: /dev/shm, tmpfs: {size: BYTES}}]",
    "tmpfs": "write it as volumes: [{type: tmpfs, target: PATH}]",
    "userns_mode": _NEVER,
    "volume_driver": "name the driver at the top-level volume",
    "volumes_from": "declare a top-level volume and mount it in both services",
}
ATTACHMENT_KEYS: Mapping[str, str] = {
    "ipv4_address": "swarm gives the addresses itself: remove it, and use the service's name",
    "ipv6_address": "swarm gives the addresses itself: remove it, and use the service's name",
}
EXTERNAL_KEYS: Mapping[str, tuple[str, ...]] = {
    "networks": ("attachable", "driver_opts", "internal", "ipam", "labels"),
    "secrets": ("driver", "driver_opts", "labels", "template_driver"),
    "configs": ("file", "labels", "template_driver"),
}
"""What an external object can't have. The CLI itself refuses such volumes, a secret's file is refused anyway, and a
network's driver says nothing wrong."""


def _is_unset(value: Any) -> bool:
    return value in ("", [], {}) or is_false(value)


def problems(tree: Mapping[str, Any]) -> list[str]:
    """One sentence for each key that would be dropped or do the opposite, naming it (``services.app.restart``) and the
    mend.

    Args:
        tree: a stack in the CLI's normal form, or one stack file as parsed; a false or empty value counts as unset.
    """
    found = []
    for service, definition in mapping(tree.get("services")).items():
        for key, mend in SERVICE_KEYS.items():
            if not _is_unset(mapping(definition).get(key)):
                found.append("services.%s.%s is ignored by docker stack deploy: %s" % (service, key, mend))
        found.extend(_security_problems(mapping(definition).get("security_opt"), "services.%s.security_opt" % service))
        for network, attachment in mapping(mapping(definition).get("networks")).items():
            for key, mend in ATTACHMENT_KEYS.items():
                if not _is_unset(mapping(attachment).get(key)):
                    where = "services.%s.networks.%s.%s" % (service, network, key)
                    found.append("%s is ignored by docker stack deploy: %s" % (where, mend))
    for network, definition in mapping(tree.get("networks")).items():
        found.extend(_network_problems(str(network), mapping(definition)))
    for volume, definition in mapping(tree.get("volumes")).items():
        if mapping(definition).get("x-cluster-spec"):
            found.append(
                "volumes.%s.x-cluster-spec is ignored by docker stack deploy: make the volume with docker volume "
                "create --type csi, declare it external, and remove this" % volume
            )
    found.extend(_external_problems(tree))
    return found


def _security_problems(options: Any, where: str) -> list[str]:
    if options and not isinstance(options, (list, tuple)):
        return ["%s is no list: write each option as an entry of one, as in [no-new-privileges:true]" % where]
    return security.problems(options or (), where)


def _external_problems(tree: Mapping[str, Any]) -> list[str]:
    found = []
    for kind, ignored in EXTERNAL_KEYS.items():
        for name, definition in mapping(tree.get(kind)).items():
            entry = mapping(definition)
            if not _is_unset(entry.get("external")):
                for key in ignored:
                    if not _is_unset(entry.get(key)):
                        found.append(
                            "%s.%s.%s is ignored by docker stack deploy, for what is external is there already: "
                            "remove it, or external" % (kind, name, key)
                        )
    return found


def _network_problems(network: str, definition: Mapping[str, Any]) -> list[str]:
    where = "networks.%s" % network
    found = []
    if "encrypted" in definition:
        found.append(
            "%s.encrypted is no key of a network: encryption is written as "
            '%s.driver_opts: {encrypted: ""} (or encrypted: true in swarm_networks)' % (where, where)
        )
    option = mapping(definition.get("driver_opts")).get("encrypted")
    if option is not None and (is_false(option) or str(option) == "0"):
        found.append(
            "%s.driver_opts.encrypted: the engine encrypts when the key is there at all, whatever its value: remove it"
            % where
        )
    return found
