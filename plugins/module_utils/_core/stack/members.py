# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a stack that is in the swarm, and whether one may be changed now without its files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .. import labels, service_json, verdict
from ..errors import DeclarationError
from . import planner

Json = Mapping[str, Any]


def of_stack(stack: str, services: Sequence[Json]) -> dict[str, Json]:
    """The stack's services by their keys in the stack file, in the order of the keys.

    Raises:
        DeclarationError: there is none.
    """
    prefix = stack + "_"
    found = {}
    for service in services:
        if planner.belongs(service, stack):
            name = str(service["Spec"]["Name"])
            found[name[len(prefix) :] if name.startswith(prefix) else name] = service
    if not found:
        stacks = {str(service_json.labels(service).get(labels.STACK_NAMESPACE) or "") for service in services} - {""}
        known = "the swarm's stacks are %s" % ", ".join(sorted(stacks)) if stacks else "the swarm has none at all"
        raise DeclarationError("stack: there is no stack %s in the swarm: %s" % (stack, known))
    return dict(sorted(found.items()))


def refusals(stack: str, owner: str, option: str, keys: Collection[str], live: Mapping[str, Json]) -> list[str]:
    """Why some of the keys name no service that ``owner`` may change, one sentence each.

    Args:
        option: the option of the module that names the keys, for the sentences.
        live: from ``of_stack``.
    """
    found = []
    for key in keys:
        where = "%s.%s" % (option, key)
        if key not in live:
            found.append("%s: the stack %s has no such service: it has %s" % (where, stack, ", ".join(live)))
        elif not labels.owned_by(service_json.labels(live[key]), owner):
            found.append(
                "%s: something else deployed the service %s (no label %s=%s): change it there, or take it over with "
                "swarm_stack and adopt: true" % (where, service_json.name(live[key]), labels.OWNER, owner)
            )
    return found


def unsettled(keys: Collection[str], live: Mapping[str, Json]) -> list[str]:
    """Why nothing may be sent now, one sentence each.

    Every update makes the present spec the one that swarm goes back to. Sent while an update is in flight, or stands
    half way, it makes a rollback lead to the version that was being rolled out, even if that was the bad one.

    Args:
        keys: of the services that are to be changed. An update of any other one of the stack is waited for too, since
            its deployment may yet be taken back as a whole.
        live: from ``of_stack``.
    """
    found = []
    for key, service in live.items():
        state = service_json.update_state(service)
        if state in verdict.IN_FLIGHT:
            found.append(
                "an update of the service %s is in flight (%s), and what is sent now would take the place of the "
                "version that swarm goes back to: wait until it has ended, or roll the stack back "
                "(swarm_stack_rollback), and run this again" % (service_json.name(service), state)
            )
        elif state in verdict.STANDING and key in keys:
            found.append(
                "the last update of the service %s stands half way (%s), and what is sent now would make it the "
                "version that swarm goes back to: deploy the stack again, or roll it back (swarm_stack_rollback), and "
                "run this again" % (service_json.name(service), state)
            )
    return found
