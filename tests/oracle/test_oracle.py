# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every case of the oracle, on the lab's swarm: the docker CLI and ours must make the same of it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.flotilla.swarm.plugins.plugin_utils import stack_files

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NODE = "flotilla-m1"
HOME = "/root"
"""Where the node's half lies while it runs; it locks it, and removes what is its own there."""
PATIENCE = "60"
COLLECTION = "ansible_collections/flotilla/swarm"
OWN_LABELS = "flotilla.swarm."
CASES = sorted(path.parent for kind in ("corpus", "refused") for path in (HERE / kind).glob("*/case.yml"))
POOL = "10."
"""From where swarm takes addresses when none are given (10.0.0.0/8); cases give others."""
EVERY = 25
"""Cases between two lines of progress."""

Json = dict[str, Any]


def name_of(directory: Path) -> str:
    return f"{directory.parent.name}/{directory.name}"


def refused(directory: Path) -> bool:
    return directory.parent.name == "refused"


def read(directory: Path) -> Json:
    case: Json = yaml.safe_load((directory / "case.yml").read_text(encoding="utf-8"))
    return case


def prepared(directory: Path) -> Json:
    """A case as the node gets it: its files, and what the controller's half of swarm_stack makes of them."""
    case = read(directory)
    files = case.get("files", ["stack.yml"])
    variables = {key: str(value) for key, value in case.get("variables", {}).items()}
    gathered = stack_files.gather(files, variables, lambda path: str(directory / path))
    return {
        "name": name_of(directory),
        "files": files,
        "variables": variables,
        "needs": case.get("needs", {}),
        "resolve": case.get("resolve", False),
        # Where nothing is compared, it is enough that the CLI reads the files, or doesn't.
        "read_only": case.get("at") == "config" or (refused(directory) and not case.get("cli_refuses")),
        "directory": {
            str(path.relative_to(directory)): path.read_bytes().decode("utf-8")
            for path in sorted(directory.rglob("*"))
            if path.is_file() and path.name != "case.yml"
        },
        "gathered": {
            "files": list(gathered.files),
            "sources": dict(gathered.sources),
            "variables": dict(gathered.variables),
            "problems": list(gathered.problems),
        },
    }


def bundle() -> bytes:
    """The code that runs on the node, as an archive."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path in sorted((ROOT / "plugins/module_utils").rglob("*.py")):
            archive.add(path, f"{COLLECTION}/{path.relative_to(ROOT)}")
        archive.add(HERE / "on_node.py", "on_node.py")
    return content.getvalue()


@pytest.fixture(scope="session")
def answers(request: pytest.FixtureRequest) -> Json:
    """What the node said of every case that is to be tried, by the case's name; and the CLI's version."""
    chosen = [item.callspec.params["directory"] for item in request.session.items if hasattr(item, "callspec")]
    return asked([prepared(directory) for directory in chosen])


def asked(cases: list[Json]) -> Json:
    """What the node makes of the cases; it says how far it is, and how much was compared."""
    on_node = ["docker", "exec", "-i", NODE]
    place = subprocess.check_output([*on_node, "mktemp", "-d", f"{HOME}/oracle.XXXXXX"], text=True).strip()
    try:
        subprocess.run([*on_node, "tar", "-x", "-C", place], input=bundle(), check=True)
        return answered([*on_node, "sh", "-c", f"cd {place} && exec python3 on_node.py"], cases)
    finally:
        # After an interruption it still cleans up.
        subprocess.run([*on_node, "flock", "--timeout", PATIENCE, HOME, "rm", "-rf", place], check=True)


def answered(command: list[str], cases: list[Json]) -> Json:
    found: Json = {}
    start = time.monotonic()
    services = 0
    version = ""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(cases).encode() + b"\n")
        process.stdin.flush()
        for line in process.stdout:
            answer = json.loads(line)
            if "version" in answer:
                version = answer["version"]
                continue
            found[answer["name"]] = answer
            services += len(answer["theirs"]["services"])
            if len(found) % EVERY == 0:
                print(f"oracle: {len(found)} of {len(cases)} cases tried")
    if process.returncode != 0:
        pytest.exit("the node's half failed; its words stand above", 1)
    print(
        f"oracle: {len(found)} cases with {services} services held against the docker CLI {version}, "
        f"in {time.monotonic() - start:.0f} s"
    )
    return {**found, "version": version}


def at_least(version: str, wanted: str) -> bool:
    def parts(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split("+", maxsplit=1)[0].split(".")[:2])

    return parts(version) >= parts(wanted)


def is_for(version: str, condition: str | None) -> bool:
    if condition is None:
        return True
    return at_least(version, condition[2:]) if condition.startswith(">=") else not at_least(version, condition[1:])


def comparable(value: Any, stack: str) -> Any:
    """A part of a spec without what can't be the same on both sides (README: What equal means)."""
    if isinstance(value, dict):
        result = {
            key.replace(stack, "STACK"): comparable(entry, stack)
            for key, entry in value.items()
            if not key.startswith(OWN_LABELS) and key not in ("SecretID", "ConfigID")
        }
        for key in ("Secrets", "Configs"):
            if isinstance(result.get(key), list):
                result[key].sort(key=lambda entry: json.dumps(entry, sort_keys=True))
        return result
    if isinstance(value, list):
        return [comparable(entry, stack) for entry in value]
    return value.replace(stack, "STACK") if isinstance(value, str) else value


def side(answer: Json, configs: set[str]) -> Json:
    """One side of the comparison: services, networks and configs by what the stack file calls them.

    Args:
        configs: keys of the configs that the stack makes from files; with ours, their names end in a digest.
    """
    stack = answer["stack"]
    text = json.dumps({kind: answer[kind] for kind in ("services", "networks", "configs")})
    for key in sorted(configs, key=len, reverse=True):
        text = re.sub(rf'"{re.escape(f"{stack}_{key}")}_[0-9a-f]{{12}}"', f'"{stack}_{key}"', text)
    found: Json = comparable(json.loads(text), stack)
    found["networks"] = {name: network_of(network) for name, network in found["networks"].items()}
    # The CLI also makes configs and networks that nothing uses.
    used = {
        config["ConfigName"]
        for spec in found["services"].values()
        for config in spec["TaskTemplate"]["ContainerSpec"].get("Configs") or ()
    }
    found["configs"] = {name: spec for name, spec in found["configs"].items() if name in used}
    return found


def network_of(network: Json) -> Json:
    """What a stack file can say of a network; what the engine gave it of its own accord is left out."""
    pools = [pool for pool in (network.get("IPAM") or {}).get("Config") or () if not pool["Subnet"].startswith(POOL)]
    options = {key: value for key, value in (network.get("Options") or {}).items() if "vxlanid" not in key}
    kept = ("Internal", "Attachable", "EnableIPv6", "Ingress", "ConfigOnly", "Labels", "Scope")
    return {
        **{key: network.get(key) for key in kept},
        "Driver": network.get("Driver"),
        "Options": options,
        "IPAM": {
            "Driver": (network.get("IPAM") or {}).get("Driver") or "default",
            "Subnets": [pool["Subnet"] for pool in pools],
        },
    }


def differences(theirs: Any, ours: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in sorted({*theirs, *ours}):
            yield from differences(theirs.get(key), ours.get(key), f"{path}.{key}" if path else key)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for position, pair in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(*pair, f"{path}[{position}]")
    elif theirs != ours:
        yield path, theirs, ours


@pytest.mark.parametrize("directory", CASES, ids=name_of)
def test_both_make_the_same_of_it(answers: Json, directory: Path) -> None:
    case = read(directory)
    if not is_for(answers["version"], case.get("cli")):
        pytest.skip(f"for the CLI {case['cli']}, and this one is {answers['version']}")
    answer = answers[name_of(directory)]
    theirs, ours = answer["theirs"], answer["ours"]
    if refused(directory) or case.get("cli_refuses"):
        if case.get("cli_refuses"):
            assert theirs["refusal"], "the CLI takes it"
        else:
            assert theirs["refusal"] == "", "the CLI refuses it too"
        assert ours["refusal"], "ours takes it"
        assert case.get("message", "") in ours["refusal"]
        left = [*ours["services"], *ours["networks"], *ours["configs"]]
        assert left == [], "ours changed something before it refused"
        return
    assert theirs["refusal"] == ""
    assert ours["refusal"] == ""
    assert ours["again"] == []
    configs = set(configs_of(directory, case))
    left, right = side(theirs, configs), side(ours, configs)
    bare = [name for one in (left, right) for name, network in one["networks"].items() if not network["Driver"]]
    assert bare == [], "the swarm has allocated nothing to these networks, so there is nothing to compare"
    expected = case.get("differs", {})
    seen = set()
    for kind in ("services", "networks", "configs"):
        assert set(right[kind]) == set(left[kind])
        for key in left[kind]:
            for path, their_value, our_value in differences(left[kind][key], right[kind][key]):
                listed = [known for known in expected if path == known or path.startswith((known + ".", known + "["))]
                assert listed, f"{kind}.{key}: {path}: the CLI makes {their_value!r}, ours makes {our_value!r}"
                seen.update(listed)
    assert seen == set(expected), "a listed difference is not there"


def configs_of(directory: Path, case: Json) -> Iterator[str]:
    """The keys of configs that the stack makes from files."""
    for file in case.get("files", ["stack.yml"]):
        tree = yaml.load((directory / file).read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - builds strings only
        for key, entry in ((tree or {}).get("configs") or {}).items():
            if isinstance(entry, dict) and "file" in entry:
                yield key
