#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_secrets
short_description: Keep the secrets of a Docker Swarm as declared
version_added: 0.1.0
description:
  - Takes the whole declared set in one call, compares it with the swarm, and creates only what is missing or changed.
  - A secret of Docker can't be changed. So the declared secret V(jwt_secret) is kept as V(jwt_secret_v1), and a
    changed value becomes V(jwt_secret_v2). Services are pointed to the new version by whoever deploys them; see
    RV(current).
  - An object belongs to a declared secret when its labels and its name both say so, never because its name begins
    alike.
  - Objects that this module made for another O(owner), or did not make at all, are never changed or removed.
notes:
  - A secret can't be read back. To know whether a value has changed, each object carries a keyed digest of its value
    (HMAC-SHA256 over the kind, the name and the value) in the label C(flotilla.swarm.digest). Without the key that
    label tells nothing about the value.
  - By default the key is made once, at random, and kept in the swarm as the config C(flotilla_digest_key). A config
    is readable only through the API of a manager, and who may use all of that can mount any secret into a container
    anyway. Who may only read from it (a socket proxy that lets GET pass) could test guesses at weak values;
    O(digest_key) prevents that.
  - When the key is another one than before, or was removed, values can't be compared. Every secret then gets a new
    version, and a warning says why.
  - Values are sent to the engine in the body of the request. They are in no argument list, file, label, log or result.
  - Ansible blanks out every text in the results that contains a value, so a value of one or two characters blanks out
    much.
attributes:
  check_mode:
    support: full
  diff_mode:
    details: Values are never shown.
    support: full
  idempotent:
    support: full
options:
  secrets:
    description:
      - The declared secrets. Names must differ in more than upper and lower case.
      - Secrets that are in the swarm and not in this list are left alone.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The logical name. Letters, digits, C(-), C(_) and C(.), a letter or digit at both ends.
          - With its version it has at most 64 characters.
        type: str
        required: true
      value:
        description:
          - The value, a string in UTF-8. It is kept exactly, with line endings and a trailing newline.
          - Exactly one of this and O(secrets[].value_base64) is given. It is not empty and has less than 500 KiB.
          - YAML makes a number of V(0123) and a boolean of V(yes); that is refused, so write such values in quotes.
        type: raw
      value_base64:
        description: The value in Base64, for one that is not text.
        type: raw
      labels:
        description:
          - Labels of the secret. Every value is a string.
          - Left out, the labels stay as they are; V({}) removes all but this collection's own.
        type: dict
  digest_key:
    description:
      - The key of the digests, at least 16 characters, long and random, and the same in every run.
      - Left out, the key is kept in the swarm; the notes say what that means.
    type: str
  prune:
    description:
      - Remove old versions of the declared secrets that no service uses, neither in its specification nor in the
        previous one, which a rollback needs.
    type: bool
    default: false
seealso:
  - module: flotilla.swarm.swarm_networks
  - module: flotilla.swarm.swarm_nodes
extends_documentation_fragment:
  - flotilla.swarm.attributes
  - flotilla.swarm.engine
  - flotilla.swarm.engine.owner
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Keep the application's secrets
  flotilla.swarm.swarm_secrets:
    secrets:
      - name: jwt_secret
        value: "{{ vault_jwt_secret }}"
      - name: tls_key
        value_base64: "{{ vault_tls_key_base64 }}"
        labels:
          expires: "2027-01-31"
  register: app_secrets

- name: Show which version a service should mount
  ansible.builtin.debug:
    msg: "{{ app_secrets.current.jwt_secret.name }}"

- name: Keep them under a key that is not in the swarm, and drop old versions that nothing uses
  flotilla.swarm.swarm_secrets:
    secrets:
      - name: jwt_secret
        value: "{{ vault_jwt_secret }}"
    digest_key: "{{ vault_digest_key }}"
    prune: true
"""

RETURN = r"""
current:
  description: The newest version of each declared secret, by its logical name.
  returned: success
  type: dict
  sample:
    jwt_secret:
      name: jwt_secret_v2
      id: 4cvh8i2k7n6ho1dq0zq2lgx3f
      version: 2
  contains:
    name:
      description: The name of the object in the swarm.
      type: str
    id:
      description: The engine's ID of it; none in check mode for one that would be created.
      type: str
    version:
      description: The version, from 1.
      type: int
kept:
  description: The old versions that O(prune) left because services use them.
  returned: success
  type: list
  elements: dict
  sample:
    - name: jwt_secret_v1
      used_by: [medianest_app-backend]
plan:
  description: The steps that were taken, or in check mode would be.
  returned: success
  type: list
  elements: dict
  sample:
    - action: create
      kind: secret
      name: jwt_secret_v2
      differences:
        - {field: version, before: 1, after: 2}
        - {field: value, before: (not shown), after: '(not shown, changed)'}
problems:
  description: What is wrong with the declaration, one sentence each.
  returned: when the declaration is refused
  type: list
  elements: str
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import digest, labels, versioned
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import digest_key
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.apply import converge
from ansible_collections.flotilla.swarm.plugins.module_utils._engine.client import Engine

KIND = versioned.SECRET


def work(
    items: Sequence[versioned.Item], key: digest.Key | None, module: AnsibleModule, engine: Engine
) -> dict[str, Any]:
    """Bring the swarm's secrets to what is declared, and say what was done."""
    prune, owner = module.params["prune"], module.params["owner"]

    def observe(source: Engine) -> versioned.Observation:
        return versioned.Observation(source.secrets(), digest_key.read(source, key), source.services() if prune else ())

    def plan(observed: versioned.Observation) -> versioned.Decision:
        return versioned.plan(KIND, items, observed, owner, prune)

    outcome = converge(observe, plan, engine, dry_run=module.check_mode)
    current = {
        logical: {**entry, "id": outcome.id_of(KIND.name, entry["name"], entry["id"])}
        for logical, entry in outcome.decision.current.items()
    }
    return _module.result_of(outcome.plan, current=current, kept=list(outcome.decision.kept))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_module.ENGINE_OPTIONS,
            **_module.OWNER_OPTION,
            "secrets": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "no_log": False,  # the values below are hidden; the names must be seen
                "options": {
                    "name": {"type": "str", "required": True},
                    "value": {"type": "raw", "no_log": True},
                    "value_base64": {"type": "raw", "no_log": True},
                    "labels": {"type": "dict"},
                },
            },
            "digest_key": {"type": "str", "no_log": True},
            "prune": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    given = module.params["digest_key"]
    with _module.failures(module):
        labels.checked_owner(module.params["owner"])
        items = versioned.declared(KIND, module.params["secrets"])
        key = None if given is None else digest.given_key(given)
    _module.run(module, partial(work, items, key))


if __name__ == "__main__":
    main()
