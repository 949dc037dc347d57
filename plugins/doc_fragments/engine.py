# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and requirements shared by the modules that talk to an engine."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  docker_host:
    description: The engine's socket on the managed node.
    type: str
    default: unix:///var/run/docker.sock
requirements:
  - Docker Engine >= 25
  - Docker SDK for Python (C(python3-docker)) on the managed node
notes:
  - The versions tested are in the collection's README.
"""

    HOST = r"""
options:
  docker_host:
    description: The engine's socket on the managed node. Only C(unix://) addresses are accepted.
    type: str
    default: unix:///var/run/docker.sock
requirements:
  - Docker Engine >= 25
notes:
  - Needs no Docker SDK for Python on the managed node.
  - The versions tested are in the collection's README.
"""

    OWNER = r"""
options:
  owner:
    description:
      - Written to every object made here as the label C(flotilla.swarm.owner).
      - Only objects with this owner are ever removed.
    type: str
    default: flotilla
"""
