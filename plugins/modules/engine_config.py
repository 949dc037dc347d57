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
  - The engine is neither restarted nor reloaded. A file that the engine runs with is remembered below C(/run/flotilla),
    so that RV(flotilla.swarm.swarm_host_info#module:engine) can tell whether an edit changed more than its form.
  - An engine does not start when a setting is in its file and on its command line as well. So the command line is read,
    of the running engine or else of its unit. A key of O(config) or of the file that stands there too is refused.
    One of O(defaults) or O(initial) is left out.
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
  defaults:
    description:
      - Settings that lie beneath O(config). They replace what the file holds, but a key in O(config) wins, also with a
        null.
    type: dict
    default: {}
  initial:
    description:
      - Settings for what the file does not say. What it holds stays, and so does each entry of its dictionaries. A key
        in O(config) or O(defaults) wins, also with a null. The options of a log driver are left out where another
        driver is set.
    type: dict
    default: {}
  remove:
    description: Top-level keys to take out of the file. They outrank O(defaults) and O(initial).
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
  allow_open_metrics:
    description:
      - Accept a C(metrics-addr) on every address, or on a name. Else it must be loopback or O(cluster_address).
    type: bool
    default: false
  allow_plain_tcp:
    description: Accept C(tcp://) in C(hosts) without C(tlsverify=true). Whoever reaches it is root on the host.
    type: bool
    default: false
  cluster_address:
    description:
      - The host's address in the cluster, on which metrics may listen too. Empty (or no address) accepts every single
        address, but not all of them at once.
    type: str
    default: ''
  swarm_address_pools:
    description: What the swarm cuts its overlay networks from. C(default-address-pools) must not overlap it.
    type: list
    elements: str
    default: [10.0.0.0/8]
notes:
  - A new file is readable for everybody (mode 0644). Of one that is there, the mode is narrowed to that, never widened.
  - The declared settings are shown, so they are no place for a password. The values of others are not shown.
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
  description:
    - What the file holds now, or in check mode would. The values of keys that are not declared are not shown.
  returned: success
  type: dict
  sample: {"log-driver": "json-file"}
left_out:
  description: Keys of O(defaults) and O(initial) that are left to the engine's command line, because they stand there.
  returned: success
  type: list
  elements: str
  sample: []
validated:
  description: Whether the engine has validated the new file. Null when the settings are as declared.
  returned: success
  type: bool
  sample: true
"""

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core import daemon_config
from ansible_collections.flotilla.swarm.plugins.module_utils._core.audit import arguments
from ansible_collections.flotilla.swarm.plugins.module_utils._core.daemon_dangers import SWARM_POOLS, Allowed
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._engine import loaded_config
from ansible_collections.flotilla.swarm.plugins.module_utils._host import engine_command

CONFIGURATION = "/etc/docker/daemon.json"
MODE = 0o644


def read(path: Path) -> str:
    """The file's text; empty when there is none.

    Raises:
        DeclarationError: it is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise DeclarationError("%s is no JSON (%s): mend it" % (path, error)) from error


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


def command_line(path: str) -> dict[str, Any]:
    """What is on the command line of the engine that reads this file, as keys of it; nothing where none does.

    Raises:
        DeclarationError: it is the engine's usual file, and the engine goes by another.
    """
    flags = arguments.parse(engine_command.arguments())
    named = str(flags.get("config-file", CONFIGURATION))
    if path == CONFIGURATION != named:
        raise DeclarationError(
            "the engine goes by %s (--config-file on its command line), so what is written to %s would change nothing: "
            "take the flag out of docker.service, and bring what that file holds into docker_engine_config"
            % (named, path)
        )
    return flags if named == path else {}


def allowed(params: dict[str, Any]) -> Allowed:
    """What the options accept."""
    return Allowed(
        live_restore=params["allow_live_restore"],
        open_metrics=params["allow_open_metrics"],
        plain_tcp=params["allow_plain_tcp"],
        cluster_address=params["cluster_address"],
        swarm_pools=tuple(params["swarm_address_pools"]),
    )


def work(module: AnsibleModule) -> dict[str, Any]:
    """Bring the file to what is declared."""
    params = module.params
    path = Path(params["path"])
    before = read(path)
    current = daemon_config.parse(before, params["path"])
    flags = command_line(params["path"])
    wanted = daemon_config.plan(
        current,
        params["config"],
        params["remove"],
        defaults=params["defaults"],
        initial=params["initial"],
        flags=flags,
        allowed=allowed(params),
    )
    beneath = daemon_config.overlay(params["initial"], params["defaults"])
    ours = daemon_config.overlay(beneath, params["config"])
    left_out = daemon_config.left_out(beneath, params["config"], flags)
    if not module.check_mode and params["path"] == CONFIGURATION:
        loaded_config.remember()
    result: dict[str, Any] = {
        "changed": daemon_config.differ(wanted, current),
        "config": daemon_config.shown(wanted, ours),
        "left_out": left_out,
        "validated": None,
        "warnings": ["%s is left to the engine's command line, where it stands too" % key for key in left_out],
    }
    mode = stat.S_IMODE(path.stat().st_mode) & MODE if path.exists() else MODE
    if result["changed"]:
        result["validated"] = replace(module, path, daemon_config.render(wanted))
        result["diff"] = {
            "before": daemon_config.render(daemon_config.shown(current, ours)) if before.strip() else "",
            "after": daemon_config.render(result["config"]),
            "before_header": params["path"],
            "after_header": params["path"],
        }
    if path.exists():
        result["changed"] = module.set_mode_if_different(str(path), "0%o" % mode, result["changed"])
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "config": {"type": "dict", "default": {}},
            "defaults": {"type": "dict", "default": {}},
            "initial": {"type": "dict", "default": {}},
            "remove": {"type": "list", "elements": "str", "default": []},
            "path": {"type": "path", "default": CONFIGURATION},
            "allow_live_restore": {"type": "bool", "default": False},
            "allow_open_metrics": {"type": "bool", "default": False},
            "allow_plain_tcp": {"type": "bool", "default": False},
            "cluster_address": {"type": "str", "default": ""},
            "swarm_address_pools": {"type": "list", "elements": "str", "default": list(SWARM_POOLS)},
        },
        supports_check_mode=True,
    )
    _module.finish(module, lambda: work(module))


if __name__ == "__main__":
    main()
