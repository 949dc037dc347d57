#!/usr/bin/env python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What labels, configs, networks and secrets cost in this collection's modules and in community.docker's.

Runs the same declarations both ways on the running lab, in the same run, on the same manager and connection, with the
plain strategy, and prints the ratios. A time is a task's own, from where Ansible starts it to its result, all items of
a loop included; so it has the templating of the values and the connection in it, and the start of ansible-playbook not.
Both sides get their values from the same file, as plain strings. All that it makes is named bench-…, and is removed.

    .venv/bin/python benchmarks/objects.py            # half an hour, most of it community.docker's 500 secrets
    .venv/bin/python benchmarks/objects.py --quick    # without those
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from timing import CONTAINER, HERE, say, timed

PREFIX = "bench-"
SLOW = 100
"""From this many items on, community.docker takes a minute and more: one round."""
VERY_SLOW = 500
"""From this many on it takes many minutes: no round with --quick."""
PEER_ROUNDS = 2

Declared = list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """Declarations of one kind: ``kind`` is a tag of the playbooks."""

    title: str
    kind: str
    declared: Callable[[str], Declared]
    """From a prefix for the names."""
    count: int


@dataclass
class Times:
    """Seconds of each round of one side in one case."""

    first: list[float] = field(default_factory=list)
    noop: list[float] = field(default_factory=list)


def on_node(*arguments: str) -> str:
    """The standard output of objects/on_node.py on the manager."""
    run = subprocess.run(
        ["docker", "exec", "--interactive", CONTAINER, "python3", "-", *arguments],
        input=(HERE / "objects/on_node.py").read_bytes(),
        capture_output=True,
        check=False,
    )
    if run.returncode != 0:
        sys.exit(f"{' '.join(arguments)} failed on {CONTAINER}; is the lab up (make demo)?\n{run.stderr.decode()}")
    return run.stdout.decode()


def clean() -> None:
    on_node("clean", PREFIX)


def measure(side: str, case: Case, times: Times) -> None:
    """One round: a first apply, from nothing, and a no-op after it."""
    declared = case.declared(f"{PREFIX}{side}-")
    clean()
    first, changed = timed(f"objects/{side}", case.kind, {"declared": declared})
    if not changed:
        sys.exit(f"{side}: the first apply of {case.title} changed nothing, so its time means nothing")
    times.first.append(first)
    say(f"{case.title}: {side}, first apply {first:.2f} s")
    noop, changed = timed(f"objects/{side}", case.kind, {"declared": declared})
    if changed:
        sys.exit(f"{side}: a second apply of {case.title} changed something, so it is no no-op")
    times.noop.append(noop)
    say(f"{case.title}: {side}, no-op {noop:.2f} s")


def labelled_nodes(labels: dict[str, dict[str, str]]) -> Declared:
    """Every node with the labels that it has, which the rollout declared and must stay, and two more."""
    return [
        {"name": name, "labels": {**before, f"{PREFIX}rack": "r1", f"{PREFIX}disk": "ssd"}}
        for name, before in sorted(labels.items())
    ]


def values(kind: str, prefix: str, count: int) -> Declared:
    return [{"name": f"{prefix}{kind}-{number:03d}", "value": secrets.token_urlsafe(24)} for number in range(count)]


def networks(prefix: str, count: int) -> Declared:
    return [{"name": f"{prefix}network-{number:03d}", "attachable": True} for number in range(count)]


def cases() -> list[Case]:
    labels = json.loads(on_node("labels"))
    return [
        Case(f"{len(labels)} nodes x 2 labels", "nodes", lambda _prefix: labelled_nodes(labels), len(labels)),
        Case("20 configs", "configs", lambda prefix: values("config", prefix, 20), 20),
        Case("10 networks", "networks", lambda prefix: networks(prefix, 10), 10),
        Case("10 secrets", "secrets", lambda prefix: values("secret", prefix, 10), 10),
        Case("100 secrets", "secrets", lambda prefix: values("secret", prefix, 100), 100),
        Case("500 secrets", "secrets", lambda prefix: values("secret", prefix, 500), 500),
    ]


def middle(numbers: list[float]) -> float:
    return statistics.median(numbers)


def row(title: str, ours: Times, peer: Times) -> str:
    cells = [f"{title:<20}"]
    for what in ("first", "noop"):
        mine = middle(getattr(ours, what))
        if not peer.first:
            cells.append(f"{mine:7.2f} {'-':>8} {'-':>7}")
        else:
            theirs = middle(getattr(peer, what))
            cells.append(f"{mine:7.2f} {theirs:8.2f} {theirs / mine:6.1f}x")
    return "  ".join(cells)


def aim(what: str, value: float, bound: float, least: bool) -> str:
    met = value >= bound if least else value <= bound
    return f"  {what}: {value:.2f} (aim {'>=' if least else '<='} {bound:g}, {'met' if met else 'MISSED'})"


def report(found: dict[str, tuple[Times, Times]], floor: dict[str, float]) -> None:
    print()
    print(f"{'':<20}  {'first apply, s':^24}  {'no-op, s':^24}".rstrip())
    print(f"{'':<20}" + f"  {'ours':>7} {'peer':>8} {'ratio':>7}" * 2)
    for title, (ours, peer) in found.items():
        print(row(title, ours, peer))
    print()
    for what, seconds in floor.items():
        print(f"{what}: {seconds:.2f} s")
    print()
    for title, bound in (("100 secrets", 10), ("500 secrets", 40)):
        ours, peer = found[title]
        if peer.noop:
            print(aim(f"no-op of {title}, peer / ours", middle(peer.noop) / middle(ours.noop), bound, least=True))
    ten, many = found["10 secrets"][0].noop, found["500 secrets"][0].noop
    growth = middle([second / first for first, second in zip(ten, many, strict=True)])
    print(aim("our no-op of 500 secrets / of 10 in the same round", growth, 1.3, least=False))
    least = floor[RAW] + floor[PING]
    print(
        aim(f"our first apply of 100 / ({RAW} + {PING})", middle(found["100 secrets"][0].first) / least, 3, least=False)
    )


RAW = "100 secrets made by one process on the node"
PING = "a ping task"
INFO = "a swarm_info task"


def measure_floor(floor: dict[str, list[float]]) -> None:
    """One round of what nothing can be faster than."""
    for what, seconds in (
        (RAW, float(on_node("create", PREFIX, "100"))),
        (PING, timed("objects/floor", "ping", {})[0]),
        (INFO, timed("objects/floor", "info", {})[0]),
    ):
        floor.setdefault(what, []).append(seconds)
        say(f"{what}: {seconds:.2f} s")


def peer_rounds(case: Case, quick: bool) -> int:
    if case.count >= VERY_SLOW and quick:
        return 0
    return 1 if case.count >= SLOW else PEER_ROUNDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rounds", type=int, default=5, help="rounds of what is cheap: ours, and the floor (default 5)"
    )
    parser.add_argument("--quick", action="store_true", help=f"leave out community.docker's {VERY_SLOW} secrets")
    arguments = parser.parse_args()

    clean()
    every = cases()
    found = {case.title: (Times(), Times()) for case in every}
    floor: dict[str, list[float]] = {}
    try:
        # Round by round, because the machine's own speed drifts.
        for number in range(1, arguments.rounds + 1):
            say(f"round {number}/{arguments.rounds}")
            measure_floor(floor)
            for case in every:
                ours, peer = found[case.title]
                measure("ours", case, ours)
                if number <= peer_rounds(case, arguments.quick):
                    measure("peer", case, peer)
    finally:
        say("removing what was made")
        clean()
    report(found, {what: middle(times) for what, times in floor.items()})


if __name__ == "__main__":
    main()
