#!/usr/bin/env python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts that hold cost: node_hardening, docker_engine and swarm_firewall with nothing to do, and the probe.

Prints, for the running lab: module executions a host of the three roles together, and the wall time of the roles and of
the probe's full matrix (playbooks/verify_firewall.yml), each also as a ratio to ``ansible swarm -m ping`` of the same
round. Needs a lab on which site.yml has run.

    .venv/bin/python benchmarks/hosts.py --rounds 3
"""

from __future__ import annotations

import argparse
import statistics

from noop import INVENTORY, PING, must_be_noop, show_executions, timed

ROLES = ["ansible-playbook", *INVENTORY, "benchmarks/hosts.yml"]
PROBE = ["ansible-playbook", *INVENTORY, "playbooks/verify_firewall.yml"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of ping, roles and probe (default 3)")
    rounds = parser.parse_args().rounds

    show_executions("the three roles", ROLES)

    measured: dict[str, list[tuple[float, float]]] = {"roles": [], "probe": []}
    for number in range(1, rounds + 1):
        ping, _output = timed(PING, {})
        for name, command in (("roles", ROLES), ("probe", PROBE)):
            seconds, output = timed(command, {})
            must_be_noop(output)
            measured[name].append((seconds, seconds / ping))
        print(f"round {number}/{rounds}: ping {ping:.1f} s, roles and probe done", flush=True)
    for name, values in measured.items():
        seconds, ratio = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{name}: {seconds:.1f} s, {ratio:.1f} x ping (medians)")


if __name__ == "__main__":
    main()
