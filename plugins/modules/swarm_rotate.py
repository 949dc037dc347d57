#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_rotate
short_description: Give running services new values of secrets and configs, or none of them
version_added: 0.1.0
description:
  - Creates new versions of the declared secrets and configs whose values changed, as
    M(flotilla.swarm.swarm_secrets) and M(flotilla.swarm.swarm_configs) do. Then every service that mounts an old
    version is moved to the current one, one after the other, each by its own update policy.
  - A service counts as moved when it runs with the new version undisturbed, as after a deployment.
  - When one does not, every service that was moved goes back to the version it had, and the module fails saying which
    service, which task, on which node, with its exit code and its last log lines.
  - Services that did not run well before are refused before anything is changed, since they could prove nothing.
  - A run that was interrupted is finished by the next one.
notes:
  - The old version stays, since a rollback of the service needs it. O(prune) removes those that no service's present or
    previous specification names, so in effect the ones before the last.
  - After a failed rotation the new version stays in the swarm, unused. It is taken again when the same value is rotated
    again; with the old value declared, the next run makes a version that holds that.
  - Where the path in the container is the name of the versioned object, it stays as it was.
  - Services move by name. A value that a server and its clients must change at the same time needs two values that the
    server accepts; no order of services can do without.
  - The log lines of a failed container are shown as it wrote them.
attributes:
  check_mode:
    details: Shows the versions that would be made and the services that would be moved.
    support: full
  diff_mode:
    details: Values are never shown.
    support: full
  idempotent:
    details: O(renew) makes a new version in every run.
    support: partial
options:
  secrets:
    description:
      - Secrets, in the same form as those of M(flotilla.swarm.swarm_secrets).
      - Those with V(state=absent) are left alone here.
    type: list
    elements: dict
  configs:
    description:
      - Configs, in the same form as those of M(flotilla.swarm.swarm_configs).
      - Those with V(state=absent) are left alone here.
    type: list
    elements: dict
  renew:
    description:
      - Names of declared secrets and configs that get a new version even if the declared value is the same. A generated
        one gets a fresh value.
    type: list
    elements: str
    default: []
  deadline:
    description:
      - Seconds within which each service must run well.
      - By default derived from its own update policy and healthcheck.
    type: int
  stable_for:
    description:
      - The most seconds for which a service must run undisturbed before it counts as moved, as for
        M(flotilla.swarm.swarm_stack).
    type: int
    default: 60
seealso:
  - module: flotilla.swarm.swarm_configs
  - module: flotilla.swarm.swarm_secrets
  - module: flotilla.swarm.swarm_stack
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.data_objects
  - flotilla.swarm.data_objects.configs
  - flotilla.swarm.data_objects.digest
  - flotilla.swarm.data_objects.secrets
  - flotilla.swarm.engine
  - flotilla.swarm.engine.owner
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Move every service to the new key, or none
  flotilla.swarm.swarm_rotate:
    secrets:
      - name: jwt_secret
        value: "{{ vault_jwt_secret }}"
    prune: true

- name: Make a fresh value of one that was generated
  flotilla.swarm.swarm_rotate:
    secrets:
      - name: session_key
        generate:
          length: 48
    renew: [session_key]
"""

RETURN = r"""
current:
  description: The newest version of each declared secret and config, by kind and logical name.
  returned: success
  type: dict
  sample:
    secrets:
      jwt_secret: {name: jwt_secret_v2, id: 4cvh8i2k7n6ho1dq0zq2lgx3f, version: 2}
    configs: {}
plan:
  description: The versions that were made or removed and the services that were moved; in check mode, that would be.
  returned: success
  type: list
  elements: dict
  sample:
    - action: create
      kind: secret
      name: jwt_secret_v2
      differences:
        - {field: version, before: 1, after: 2}
    - action: update
      kind: service
      name: medianest_app-backend
      differences:
        - {field: secret, before: jwt_secret_v1, after: jwt_secret_v2}
verdicts:
  description: What became of each service that was touched, in the form that M(flotilla.swarm.swarm_stack) gives them.
  returned: not in check mode
  type: list
  elements: dict
back:
  description: Services that have their old version again.
  returned: when a service failed
  type: list
  elements: str
kept:
  description: The versions that O(prune) left because services use them.
  returned: success
  type: list
  elements: dict
  sample:
    - name: jwt_secret_v1
      used_by: [medianest_app-backend]
problems:
  description: What is wrong with the declaration, or which service did not run well before, one sentence each.
  returned: when it is refused
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _data_objects, _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import digest, labels, rotation, versioned
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import Plan
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import Outcome, converge
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.rotation import Limits, Rotation

KINDS = (versioned.SECRET, versioned.CONFIG)


@dataclass(frozen=True)
class Declared:
    """The items of one kind, and what plans them: the same planner in every pass, so that a renewal happens once."""

    kind: versioned.Kind
    items: Sequence[versioned.Item]
    planner: _data_objects.Planner

    def converge(self, engine: Engine, key: digest.Key | None, dry_run: bool) -> Outcome[versioned.Decision]:
        return converge(_data_objects.observer(self.kind, key, False), self.planner, engine, dry_run=dry_run)

    def pruned(self, engine: Engine, key: digest.Key | None, owner: str) -> Outcome[versioned.Decision]:
        planner = _data_objects.Planner(self.kind, self.items, owner, prune=True)
        return converge(_data_objects.observer(self.kind, key, True), planner, engine)


def work(declared: Sequence[Declared], key: digest.Key | None, module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Make the versions, move the services, prune; a service that fails leaves through ``fail_json``."""
    params = module.params
    run = Rotation(engine, Limits(params["deadline"], params["stable_for"]))
    outcomes = [one.converge(engine, key, True) for one in declared]
    found = moves(declared, outcomes, engine, params["owner"])
    if module.check_mode:
        return result(declared, outcomes, rotation.plan(found))
    run.check(found)
    outcomes = [one.converge(engine, key, False) for one in declared]
    moved = run.run(moves(declared, outcomes, engine, params["owner"]))
    verdicts = [verdict.as_dict() for verdict in moved.verdicts]
    if moved.failure:
        module.fail_json(msg=moved.story(), changed=True, verdicts=verdicts, back=list(moved.back))
    pruned = [one.pruned(engine, key, params["owner"]) for one in declared] if params["prune"] else []
    return result(declared, outcomes, rotation.plan(moved.moved), pruned, verdicts=verdicts)


def moves(
    declared: Sequence[Declared], outcomes: Sequence[Outcome[versioned.Decision]], engine: Engine, owner: str
) -> tuple[rotation.Move, ...]:
    """The services that mount another version than the current one."""
    objects = {versioned.SECRET: engine.secrets, versioned.CONFIG: engine.configs}
    wanted = [
        (one.kind, rotation.targets(objects[one.kind](), _data_objects.current_of(outcome, one.kind), owner))
        for one, outcome in zip(declared, outcomes)
    ]
    return rotation.moves(engine.services(), wanted)


def result(
    declared: Sequence[Declared],
    outcomes: Sequence[Outcome[versioned.Decision]],
    moved: Plan,
    pruned: Sequence[Outcome[versioned.Decision]] = (),
    **values: Any,
) -> dict[str, Any]:
    """The module's result: one plan in the order in which things were done."""
    plans = [*(one.plan for one in outcomes), moved, *(one.plan for one in pruned)]
    warnings = dict.fromkeys(text for plan in plans for text in plan.warnings)
    whole = Plan(tuple(step for plan in plans for step in plan), tuple(warnings))
    current: Mapping[str, Any] = {
        one.kind.plural: _data_objects.current_of(outcome, one.kind) for one, outcome in zip(declared, outcomes)
    }
    kept = [entry for one in pruned for entry in one.decision.kept]
    return _module.result_of(whole, current=current, kept=kept, **values)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            **_module.OWNER_OPTION,
            **_data_objects.items_option(versioned.SECRET, required=False),
            **_data_objects.items_option(versioned.CONFIG, required=False),
            **_data_objects.DIGEST_OPTION,
            **_data_objects.PRUNE_OPTION,
            "renew": {"type": "list", "elements": "str", "default": []},
            "deadline": {"type": "int"},
            "stable_for": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    with _module.failures(module):
        owner = labels.checked_owner(module.params["owner"])
        declared = declarations(module, owner)
        key = _data_objects.key_of(module)
    _module.run(module, partial(work, declared, key))


def declarations(module: AnsibleModule, owner: str) -> list[Declared]:
    """The items of both kinds that are present, with their planners.

    Raises:
        DeclarationError: what is wrong with the items, or with the names to renew.
    """
    found = []
    due = set(module.params["renew"])
    named: set[str] = set()
    for kind in KINDS:
        items = [item for item in _data_objects.items_of(module, kind) if item.state == versioned.PRESENT]
        names = {item.name for item in items}
        named |= names
        planner = _data_objects.Planner(kind, items, owner, renew=frozenset(due & names))
        found.append(Declared(kind, items, planner))
    if due - named:
        raise DeclarationError(
            "renew: %s: not declared, so there is nothing to renew: declare it, or correct the name"
            % ", ".join(sorted(due - named))
        )
    return found


if __name__ == "__main__":
    main()
