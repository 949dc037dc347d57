#!/usr/bin/env python
# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What deploying a stack of 20 services costs: nothing changed, one service changed, all of them changed.

The same file is deployed by this collection's swarm_stack, by community.docker's docker_stack with `detach: false`, and
by `docker stack deploy --detach=false` itself, in the same run on the running lab, each under a name of its own. All
three wait until the services run. A module's time is its task's own, from where Ansible starts it to its result; the
command's is the command's own. The stacks are named bench-…, and are removed.

    .venv/bin/python benchmarks/stack.py            # some 20 minutes, most of it the command's and the peer's waiting
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from timing import CONTAINER, say, timed

IMAGE = "172.30.77.5:5000/redis:8"
SERVICES = 20
LIBRARY = "/var/tmp/bench-python"  # noqa: S108  # in the lab's node
SERVICE = """
  s{number:02}:
    image: {image}
    command: [sleep, infinity]
    stop_signal: SIGKILL
    environment: {{RELEASE: "{release}"}}
    deploy: {{replicas: 1, update_config: {{monitor: 1s}}}}
"""
CASES = ("first", "no-op", "1 of 20", "all of 20")
SIDES = ("ours", "peer", "raw")

Releases = list[int]
"""The release of each service, in their order; another one is another environment."""


def stack_file(releases: Releases) -> str:
    services = [
        SERVICE.format(number=number, image=IMAGE, release=release) for number, release in enumerate(releases, 1)
    ]
    return "services:" + "".join(services)


def docker(*arguments: str, stdin: str = "") -> str:
    """The standard output of a command in the manager."""
    run = subprocess.run(
        ["docker", "exec", "--interactive", CONTAINER, *arguments],
        input=stdin,
        text=True,
        capture_output=True,
        check=False,
    )
    if run.returncode != 0:
        sys.exit(f"{' '.join(arguments)} failed on {CONTAINER}; is the lab up (make demo)?\n{run.stderr}")
    return run.stdout


def name_of(side: str) -> str:
    return f"bench-{side}"


def on_node(side: str, releases: Releases) -> str:
    """Write the stack file on the node; its path."""
    path = f"/run/{name_of(side)}.yml"
    docker("sh", "-c", f"cat > {path}", stdin=stack_file(releases))
    return path


def ours(releases: Releases) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        file.write(stack_file(releases))
        file.flush()
        return timed("stack/ours", "deploy", {"stack": name_of("ours"), "file": file.name})[0]


def provide_jsondiff() -> None:
    """What docker_stack needs on the node, in a directory that only its task looks into."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", directory, "jsondiff==2.2.1"], check=True
        )
        docker("mkdir", "-p", LIBRARY)
        subprocess.run(["docker", "cp", "--quiet", f"{directory}/.", f"{CONTAINER}:{LIBRARY}"], check=True)


def peer(releases: Releases) -> float:
    variables = {"stack": name_of("peer"), "file": on_node("peer", releases), "library": LIBRARY}
    return timed("stack/peer", "deploy", variables)[0]


def raw(releases: Releases) -> float:
    path = on_node("raw", releases)
    begin = time.monotonic()
    docker("docker", "stack", "deploy", "--detach=false", "--compose-file", path, name_of("raw"))
    return time.monotonic() - begin


def versions(side: str) -> dict[str, str]:
    """Service -> its version index, which every write moves."""
    names = docker("docker", "service", "ls", "--quiet", "--filter", f"name={name_of(side)}_").split()
    if not names:
        return {}
    lines = docker("docker", "service", "inspect", "--format", "{{.Spec.Name}} {{.Version.Index}}", *names)
    return dict(line.split() for line in lines.splitlines())


def clean() -> None:
    stacks = docker("docker", "stack", "ls", "--format", "{{.Name}}").split()
    for side in SIDES:
        if name_of(side) in stacks:
            docker("docker", "stack", "rm", name_of(side))


def measure(side: str, deploy: Callable[[Releases], float], times: dict[str, list[float]]) -> dict[str, int]:
    """One round of one side, from nothing; how many services each case wrote."""
    releases = [1] * SERVICES
    written = {}
    for case in CASES:
        if case == "1 of 20":
            releases = [2, *releases[1:]]
        elif case == "all of 20":
            releases = [3] * SERVICES
        before = versions(side)
        seconds = deploy(releases)
        after = versions(side)
        written[case] = sum(before.get(name) != index for name, index in after.items())
        times.setdefault(case, []).append(seconds)
        say(f"{side}, {case}: {seconds:.1f} s, {written[case]} services written")
    return written


def report(found: dict[str, dict[str, list[float]]], written: dict[str, dict[str, int]], ping: Sequence[float]) -> None:
    middle = {side: {case: statistics.median(times[case]) for case in CASES} for side, times in found.items()}
    print(f"\n{'':<10}  {'ours, s':>8}  {'docker_stack':>20}  {'docker stack deploy':>20}  services written")
    for case in CASES:
        cells = [f"{case:<10}", f"{middle['ours'][case]:8.1f}"]
        for side in ("peer", "raw"):
            ratio = middle[side][case] / middle["ours"][case]
            cells.append(f"{middle[side][case]:8.1f} s ({ratio:5.1f}x)".rjust(20))
        cells.append(" / ".join(str(written[side][case]) for side in SIDES))
        print("  ".join(cells))
    floor = statistics.median(ping)
    inside = middle["ours"]["no-op"] - floor
    print(f"\na ping task: {floor:.2f} s; our no-op without it: {inside:.2f} s (aim <= 2, {met(inside <= 2)})")
    print(
        f"services written by our 1 of 20: {written['ours']['1 of 20']} (aim 1, {met(written['ours']['1 of 20'] == 1)})"
    )


def met(is_so: bool) -> str:
    return "met" if is_so else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="rounds of each side (default 2)")
    arguments = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = {side: {} for side in SIDES}
    written: dict[str, dict[str, int]] = {}
    ping = []
    provide_jsondiff()
    try:
        # Round by round, because the machine's own speed drifts.
        for number in range(1, arguments.rounds + 1):
            say(f"round {number}/{arguments.rounds}")
            for side, deploy in (("ours", ours), ("peer", peer), ("raw", raw)):
                clean()
                ping.append(timed("objects/floor", "ping", {})[0])
                written[side] = measure(side, deploy, found[side])
    finally:
        say("removing what was made")
        clean()
    report(found, written, ping)


if __name__ == "__main__":
    main()
