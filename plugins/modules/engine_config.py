#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_config
short_description: Merge settings into the Docker Engine's daemon.json
version_added: 0.1.0
description:
  - Merges O(config) into the engine's configuration file. Dictionaries merge key by key to any depth. Every other
    value, a list too, replaces the old one. Keys that are not declared stay.
  - The engine itself validates the new file before it takes the place of the old one in one step. Where no engine is
    installed yet, that is left out.
  - A file that is no JSON is refused with the line of the mistake, and not touched.
  - The engine is neither restarted nor reloaded.
extends_documentation_fragment:
  - flotilla.swarm.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  config:
    description: The settings, as in C(daemon.json). A null leaves the key as it is.
    type: dict
    default: {}
  remove:
    description: Top-level keys to take out of the file.
    type: list
    elements: str
    default: []
  path:
    description: The file.
    type: path
    default: /etc/docker/daemon.json
  allow_live_restore:
    description:
      - Accept C(live-restore=true). An engine with it can't be in a swarm, and a member with it does not start again;
        C(dockerd --validate) does not notice.
    type: bool
    default: false
notes:
  - The file is readable for everybody (mode 0644) and shown by C(--diff), so it is no place for a password.
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Bound the containers' logs, and trust the internal registry
  flotilla.swarm.engine_config:
    config:
      log-driver: json-file
      log-opts:
        max-size: 10m
        max-file: "3"
      insecure-registries: ["registry.example.com:5000"]
    remove: [live-restore]
"""

RETURN = r"""
config:
  description: What the file holds now, or in check mode would.
  returned: success
  type: dict
  sample: {"log-driver": "json-file"}
validated:
  description: Whether the engine has validated the new file. Null when the settings are as declared.
  returned: success
  type: bool
  sample: true
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import daemon_config

MODE = "0644"


def read(path: Path) -> str:
    """The file's text; empty when there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def validate(module: AnsibleModule, candidate: str) -> bool:
    """Let the engine check a file; fails with its words. False when there is no engine to ask."""
    dockerd = module.get_bin_path("dockerd")
    if dockerd is None:
        return False
    code, out, err = module.run_command([dockerd, "--validate", "--config-file", candidate])
    if code != 0:
        said = (err or out).strip().replace(candidate, module.params["path"])
        module.fail_json(msg="the engine refuses the configuration, nothing was changed: %s" % said)
    return True


def replace(module: AnsibleModule, path: Path, text: str) -> bool:
    """Validate the text and, but for check mode, put it in the file's place. Returns whether it was validated."""
    handle, candidate = tempfile.mkstemp(dir=module.tmpdir, suffix=".json")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    validated = validate(module, candidate)
    if not module.check_mode:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        module.atomic_move(candidate, str(path))
    return validated


def work(module: AnsibleModule) -> dict[str, Any]:
    """Bring the file to what is declared."""
    params = module.params
    path = Path(params["path"])
    before = read(path)
    current = daemon_config.parse(before, params["path"])
    wanted = daemon_config.plan(
        current, params["config"], params["remove"], allow_live_restore=params["allow_live_restore"]
    )
    result: dict[str, Any] = {"changed": daemon_config.differ(wanted, current), "config": wanted, "validated": None}
    if result["changed"]:
        after = daemon_config.render(wanted)
        result["validated"] = replace(module, path, after)
        result["diff"] = {
            "before": before,
            "after": after,
            "before_header": params["path"],
            "after_header": params["path"],
        }
    if path.exists():
        result["changed"] = module.set_mode_if_different(str(path), MODE, result["changed"])
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "dict", "default": {}},
            "remove": {"type": "list", "elements": "str", "default": []},
            "path": {"type": "path", "default": "/etc/docker/daemon.json"},
            "allow_live_restore": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
