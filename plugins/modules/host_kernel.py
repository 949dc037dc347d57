#!/usr/bin/python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_kernel
short_description: Set a host's kernel settings, and choose its modules
version_added: 0.1.0
description:
  - Brings kernel settings to their values, at once and for the next boot, loads modules, and denies others.
  - A setting that the kernel does not have is reported, and an error only when it is required. A module that the kernel
    does not have is reported.
  - When another file undoes a required setting at the next boot, that file and its line are named, and nothing is
    changed. For other settings it is a warning.
extends_documentation_fragment:
  - flotilla.swarm.attributes
attributes:
  check_mode:
    details: Settings that only show once a module is loaded are not foreseen.
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  sysctls:
    description: Kernel settings, set in this order. Without the option none is managed.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The name, with dots.
          - In place of an interface's name V(*) stands for every one, as in V(net.ipv4.conf.*.send_redirects). Those
            that are there are set. Those that come get the value of V(net.ipv4.conf.default.send_redirects), so declare
            that too. What is declared by an interface's own name counts more.
        type: str
        required: true
      value:
        description: The value.
        type: str
        required: true
      required:
        description: Fail when the kernel does not have it, or when another file undoes it.
        type: bool
        default: false
      at_least:
        description: Leave a higher number as it is. It is the stricter one.
        type: bool
        default: false
      concern:
        description:
          - What the setting belongs to. Settings of a concern have a file of their own for the next boot, whose name is
            that of O(sysctl_file) with C(-) and the concern before its end.
          - The file of a concern that is not among O(sysctls) is left as it is.
        type: str
  sysctl_file:
    description: The file that holds them for the next boot. Its name sorts after those of others.
    type: path
    default: /etc/sysctl.d/zz-flotilla.conf
  modules:
    description: Modules to load now and at boot, where the kernel has them. Without the option none is managed.
    type: list
    elements: str
  modules_file:
    description: The file that names them for the next boot.
    type: path
    default: /etc/modules-load.d/flotilla.conf
  denied:
    description:
      - Modules that nothing may load. Without the option none is managed.
      - One that is loaded already stays until the next boot, and is reported.
    type: list
    elements: str
  denied_file:
    description: The file that denies them.
    type: path
    default: /etc/modprobe.d/flotilla.conf
seealso:
  - module: flotilla.swarm.host_files
  - plugin: flotilla.swarm.hardening_batch
    plugin_type: filter
  - module: flotilla.swarm.swarm_host_info
author:
  - the flotilla.swarm authors (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Forward packets, hide kernel addresses, and load no exotic protocol
  flotilla.swarm.host_kernel:
    sysctls:
      - {name: net.ipv4.ip_forward, value: "1", required: true}
      - {name: kernel.kptr_restrict, value: "2", at_least: true}
    denied: [dccp, rds, tipc]
"""

RETURN = r"""
absent:
  description: Settings and modules that are declared and that this kernel does not have.
  returned: success
  type: list
  elements: str
  sample: [net.bridge.bridge-nf-call-iptables]
still_loaded:
  description: Denied modules that are loaded until the next boot.
  returned: success
  type: list
  elements: str
changed_paths:
  description: Paths of the files that were changed, or in check mode would be.
  returned: success
  type: list
  elements: str
plan:
  description: The steps, with what differs.
  returned: success
  type: list
  elements: dict
"""

from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.flotilla.swarm.plugins.module_utils import _module
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening import files as core_files
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening import modules as core_modules
from ansible_collections.flotilla.swarm.plugins.module_utils._core.hardening import sysctl
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import Plan, Step
from ansible_collections.flotilla.swarm.plugins.module_utils._host import files, kernel
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

HEADER = "# Managed by Ansible (flotilla.swarm.host_kernel)\n"


class Kernel:
    """One run: what is declared, and what was found out on the way."""

    def __init__(self, module: AnsibleModule) -> None:
        params = module.params
        self.rehearsal = module.check_mode
        self.params = params
        self.settings = sysctl.parse(params["sysctls"] or [])
        self.modules, self.denied = core_modules.parse(params["modules"] or [], params["denied"] or [])
        self.absent: list[str] = []
        self.warnings: list[str] = []

    def load(self) -> list[Step]:
        """Load what is missing, first: some settings only show with their module."""
        done = []
        for step in core_modules.steps(self.modules, {name: kernel.has_module(name) for name in self.modules}):
            if kernel.load_module(step.name, rehearsal=self.rehearsal):
                done.append(step)
            else:
                self.absent.append(step.name)
        return done

    def settings_here(self) -> tuple[list[sysctl.Setting], list[Step]]:
        """The settings with the values that this host is to have, and the steps to those that it has not."""
        matches = {s.name: kernel.names(s.name) for s in self.settings if "*" in s.name}
        each = sysctl.expanded(self.settings, matches)
        live = {setting.name: kernel.setting(setting.name) for setting in each}
        here = sysctl.resolved(self.settings, live)
        missing = [name for name in sysctl.absent(here, live) if not matches.get(name)]
        self.absent += missing
        needed = [s.name for s in here if s.required and s.name in missing]
        if needed:
            raise HostError(
                "this kernel does not have %s, which a swarm needs: load the module that brings it" % ", ".join(needed)
            )
        self.judge_boot(here)
        return here, sysctl.steps(sysctl.resolved(each, live), live)

    def judge_boot(self, settings: Sequence[sysctl.Setting]) -> None:
        """Refuse, or for settings that are not required tell, what another file undoes at the next boot."""
        problems: list[str] = []
        parts = sysctl.by_file(settings, str(self.params["sysctl_file"]))
        for own, part in parts.items():
            # Those of the other concerns are written anew in this run.
            files_there = [one for one in kernel.boot_files(own) if one[0] == own or one[0] not in parts]
            for setting, line in sysctl.undone(part, files_there, own):
                (problems if setting.required else self.warnings).append(sysctl.conflict(setting, line))
        if problems:
            raise DeclarationError(*problems)

    def texts(self, settings: Sequence[sysctl.Setting]) -> list[core_files.Wanted]:
        """The files for the next boot; what is not managed has none."""
        parts = sysctl.by_file(settings, str(self.params["sysctl_file"]))
        wanted = [(path, sysctl.render(part, HEADER)) for path, part in parts.items()]
        for option, path, text in (
            ("sysctls", "sysctl_file", ""),
            ("modules", "modules_file", core_modules.render_load(self.modules, HEADER)),
            ("denied", "denied_file", core_modules.render_deny(self.denied, HEADER)),
        ):
            if self.params[option] is not None and (text or not self.params[option]):
                wanted.append((str(self.params[path]), text if self.params[option] else ""))
        return core_files.parse([
            {"path": path, "content": text} if text else {"path": path, "state": core_files.ABSENT}
            for path, text in wanted
        ])  # fmt: skip

    def run(self) -> dict[str, Any]:
        """Bring the kernel and the files to what is declared. What can be refused is refused before a file changes."""
        loaded = self.load()
        settings, changes = self.settings_here()
        written = core_files.plan(files.observe(self.texts(settings)).seen)
        if not self.rehearsal:
            files.Transaction().apply(written)
            for step in changes:
                kernel.set_setting(step.name, str(step.payload["value"]))
        done = Plan((*loaded, *changes))
        shown = done.diff()
        return {
            "changed": bool(done) or bool(written),
            "diff": [*core_files.diffs(written), *([shown] if done else [])],
            "plan": [*Plan((*loaded, *written)).as_list(), *Plan(tuple(changes)).as_list()],
            "changed_paths": [step.name for step in written],
            "absent": self.absent,
            "still_loaded": [name for name in self.denied if kernel.is_loaded(name)],
            "warnings": self.warnings,
        }


def main() -> None:
    setting = {
        "name": {"type": "str", "required": True},
        "value": {"type": "str", "required": True},
        "required": {"type": "bool", "default": False},
        "at_least": {"type": "bool", "default": False},
        "concern": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "sysctls": {"type": "list", "elements": "dict", "options": setting},
            "sysctl_file": {"type": "path", "default": "/etc/sysctl.d/zz-flotilla.conf"},
            "modules": {"type": "list", "elements": "str"},
            "modules_file": {"type": "path", "default": "/etc/modules-load.d/flotilla.conf"},
            "denied": {"type": "list", "elements": "str"},
            "denied_file": {"type": "path", "default": "/etc/modprobe.d/flotilla.conf"},
        },
        supports_check_mode=True,
    )
    _module.finish(module, lambda: Kernel(module).run())


if __name__ == "__main__":
    main()
