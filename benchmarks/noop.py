#!/usr/bin/env python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of site.yml costs that has nothing to do.

Prints, for the running lab: module executions a host, and the wall time with the plain strategy and with Mitogen, each
as a ratio to ``ansible swarm -m ping`` (plain) measured in the same round. Needs a lab on which site.yml has run.

    make bench            # or: .venv/bin/python benchmarks/noop.py --rounds 3
"""

from __future__ import annotations

import argparse
import collections
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INVENTORY = ["-i", "inventories/local"]
SITE = ["ansible-playbook", *INVENTORY, "site.yml"]
PING = ["ansible", *INVENTORY, "swarm", "-m", "ansible.builtin.ping"]


def mitogen() -> dict[str, str]:
    """The environment that selects Mitogen's strategy."""
    spec = find_spec("ansible_mitogen")
    if spec is None or spec.submodule_search_locations is None:
        sys.exit("Mitogen is not installed: run `make bootstrap`")
    plugins = Path(next(iter(spec.submodule_search_locations))) / "plugins" / "strategy"
    return {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(plugins)}


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, str]:
    """Wall seconds and output of a command that must succeed."""
    begin = time.monotonic()
    run = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    seconds = time.monotonic() - begin
    if run.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{run.stdout}")
    return seconds, run.stdout


def must_be_noop(output: str) -> None:
    """A no-op is what is measured, so a change makes the figures worthless."""
    changed = [int(number) for number in re.findall(r"changed=(\d+)", output)]
    if not changed or any(changed):
        sys.exit(f"something was changed; run site.yml once more before measuring:\n{output}")


def count_executions(command: list[str]) -> collections.Counter[str]:
    """Module executions by host in one run of a playbook that has nothing to do."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "executions"
        _seconds, output = timed(
            command,
            {
                "EXECUTIONS_FILE": str(file),
                "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "benchmarks/callback_plugins"),
                "ANSIBLE_CALLBACKS_ENABLED": "executions",
            },
        )
        must_be_noop(output)
        return collections.Counter(line.split("\t")[0] for line in file.read_text(encoding="utf-8").splitlines())


def show_executions(what: str, command: list[str]) -> None:
    """Print the module executions by host in a no-op of ``what``, which is what ``command`` runs."""
    print(f"module executions in a no-op of {what}:", flush=True)
    for host, count in sorted(count_executions(command).items()):
        print(f"  {host:<4} {count:>3}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of ping, plain and Mitogen (default 3)")
    rounds = parser.parse_args().rounds

    show_executions("site.yml", SITE)

    ratios: dict[str, list[float]] = {"plain": [], "mitogen": []}
    for number in range(1, rounds + 1):
        ping, _output = timed(PING, {})
        for name, environment in (("plain", {}), ("mitogen", mitogen())):
            seconds, output = timed(SITE, environment)
            must_be_noop(output)
            ratios[name].append(seconds / ping)
            print(f"round {number}/{rounds}: ping {ping:.1f} s, {name} {seconds:.1f} s", flush=True)
    for name, values in ratios.items():
        middle = statistics.median(values)
        print(f"{name:<8} ratio to ping: median {middle:.1f} (min {min(values):.1f}, max {max(values):.1f})")


if __name__ == "__main__":
    main()
