# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one of our modules where it lies, as Ansible would: its arguments come as JSON on standard input.

Usage: python3 module_on_node.py MODULE <ARGUMENTS
"""

from __future__ import annotations

import importlib
import json
import sys

from ansible.module_utils.testing import patch_module_args


def main() -> None:
    module = importlib.import_module("ansible_collections.flotilla.swarm.plugins.modules." + sys.argv[1])
    with patch_module_args(json.load(sys.stdin)):
        module.main()


if __name__ == "__main__":
    main()
