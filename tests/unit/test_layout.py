# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every role, module and file of the collection, so that nobody has to remember it."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import jinja2.defaults
import jinja2.nodes
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
CORE = sorted((ROOT / "plugins/module_utils/_core").rglob("*.py"))
CODE_DIRECTORIES = ("plugins", "roles", "playbooks", "inventories", "lab", "molecule", "benchmarks")


class _Untemplated(str):
    """A value that Ansible does not template: ``!vault`` or ``!unsafe``."""

    __slots__ = ()


class _Loader(yaml.SafeLoader):
    """Reads Ansible's YAML, its tags too."""


_Loader.add_multi_constructor("!", lambda _loader, _suffix, node: _Untemplated(node.value))


def load(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  a SafeLoader


def files(*directories: str, suffix: str = "") -> list[Path]:
    """Files below these directories of the checkout, without what tools leave there."""
    return sorted(
        path
        for directory in directories
        for path in (ROOT / directory).rglob("*" + suffix)
        if path.is_file() and not any(is_generated(part) for part in path.relative_to(ROOT).parts)
    )


def is_generated(name: str) -> bool:
    return name == "__pycache__" or name.startswith(".")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def ansible_tool(name: str, *arguments: str) -> str:
    """The standard output of one of Ansible's programs, run in the checkout; it must succeed."""
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


# --- Roles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_what_every_role_has(role: str) -> None:
    needed = (
        "README.md",
        "defaults/main.yml",
        "meta/argument_specs.yml",
        "meta/main.yml",
        "tasks/main.yml",
        "tasks/preflight.yml",
        "tasks/verify.yml",
    )
    missing = [name for name in needed if not (ROOT / "roles" / role / name).is_file()]
    assert not missing


def options_of(role: str) -> dict[str, Any]:
    specs = load(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    assert set(specs) == {"main"}, "a role has one entry point"
    return dict(specs["main"]["options"])


def nested(options: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every option with its dotted name, suboptions too."""
    for name, option in options.items():
        yield path + name, option
        yield from nested(option.get("options", {}), path + name + ".")


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_defaults_are_those_of_its_specification(role: str) -> None:
    defaults = load(ROOT / "roles" / role / "defaults/main.yml") or {}
    options = options_of(role)
    required = {name for name, option in options.items() if option.get("required")}
    specified = {name: option["default"] for name, option in options.items() if "default" in option}
    assert set(options) - required == set(specified), "an option is required or has a default"
    assert defaults == specified


PYTHON_TYPES = {
    "str": str,
    "path": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
    "dict": dict,
    "raw": object,
}


def fits(value: Any, kind: str) -> bool:
    if isinstance(value, str) and "{{" in value:
        return True  # its type shows only at run time, when Ansible checks it
    if isinstance(value, bool) and kind != "raw":
        return kind == "bool"  # for Python a bool is an int
    return isinstance(value, PYTHON_TYPES[kind])


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_options_are_described_and_typed(role: str) -> None:
    problems = []
    for name, option in nested(options_of(role)):
        if not option.get("description"):
            problems.append(f"{name} has no description")
        if option.get("type") not in PYTHON_TYPES:
            problems.append(f"{name} has no known type")
            continue
        if option["type"] == "list" and option.get("elements") not in PYTHON_TYPES:
            problems.append(f"{name} is a list without the type of its elements")
        if "default" not in option:
            continue
        default = option["default"]
        if not fits(default, option["type"]):
            problems.append(f"{name} is a {option['type']} and its default is not: {default!r}")
        elif isinstance(default, list) and not all(fits(value, option["elements"]) for value in default):
            problems.append(f"{name} has elements of {option['elements']} and its default has others: {default!r}")
    assert not problems


# What Ansible itself defines and a role may read.
MAGIC = {
    "ansible_check_mode",
    "ansible_connection",
    "ansible_diff_mode",
    "ansible_facts",
    "ansible_failed_result",
    "ansible_failed_task",
    "ansible_host",
    "ansible_loop",
    "ansible_managed",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_version",
    "group_names",
    "groups",
    "hostvars",
    "inventory_hostname",
    "lookup",
    "now",
    "omit",
    "q",
    "query",
    "role_name",
    "role_path",
    "undef",
}
MAGIC.update(jinja2.defaults.DEFAULT_NAMESPACE)
# Keywords whose value is an expression without braces.
EXPRESSIONS = {"when", "until", "changed_when", "failed_when", "that", "var"}
# Keywords that name a variable, or hold variables by name.
NAMING = {"register", "loop_var", "index_var", "label_var"}


def names_in(template: str) -> set[str]:
    """The variables that a Jinja template reads and does not set itself."""
    tree = jinja2.Environment(autoescape=True, extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"]).parse(template)
    names = list(tree.find_all(jinja2.nodes.Name))
    return (
        {n.name for n in names if n.ctx == "load"} - {n.name for n in names if n.ctx in ("store", "param")} - {"loop"}
    )


def names_in_yaml(value: Any, keyword: str = "") -> set[str]:
    """The variables that tasks or variable files read, set or register."""
    if isinstance(value, dict):
        own = {str(key) for key in value.get("vars") or {}}
        own |= {str(value[key]) for key in NAMING if isinstance(value.get(key), str)}
        own |= {str(key) for key in value.get("ansible.builtin.set_fact") or {} if key != "cacheable"}
        return own.union(*(names_in_yaml(item, str(key)) for key, item in value.items()))
    if isinstance(value, list):
        return set().union(*(names_in_yaml(item, keyword) for item in value))
    if not isinstance(value, str) or isinstance(value, _Untemplated):
        return set()
    return names_in("{{ (%s) }}" % value if keyword in EXPRESSIONS and "{{" not in value else value)


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_variables_carry_its_name(role: str) -> None:
    directory = ROOT / "roles" / role
    strangers: dict[str, set[str]] = {}
    for path in files(*(relative(directory / part) for part in ("tasks", "handlers", "vars", "defaults", "templates"))):
        if path.suffix == ".yml":
            content = load(path) or []
            used = names_in_yaml(content)
            used |= set(content) if path.parent.name in ("vars", "defaults") else set()
        else:
            used = names_in(path.read_text(encoding="utf-8"))
        foreign = {name for name in used - MAGIC if not name.startswith((role + "_", "__" + role + "_"))}
        if foreign:
            strangers[relative(path)] = foreign
    assert not strangers


# --- Modules ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def module_docs() -> dict[str, Any]:
    """What ``ansible-doc`` shows of each of our modules, by its short name."""
    shown = json.loads(ansible_tool("ansible-doc", "--json", *("flotilla.swarm." + name for name in MODULES)))
    return {name.rsplit(".", 1)[1]: entry["doc"] for name, entry in shown.items()}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_it_does_in_check_mode(module: str, module_docs: dict[str, Any]) -> None:
    attributes = module_docs[module].get("attributes") or {}
    said = {name for name, attribute in attributes.items() if attribute.get("support")}
    assert said >= {"check_mode", "diff_mode", "idempotent"}


def test_the_action_group_holds_the_modules_that_take_its_options(module_docs: dict[str, Any]) -> None:
    groups = load(ROOT / "meta/runtime.yml")["action_groups"]
    assert sorted(groups["engine"]) == [name for name in MODULES if "docker_host" in module_docs[name]["options"]]


# --- The core ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", CORE, ids=relative)
def test_the_core_asks_neither_the_clock_nor_the_user_nor_a_file(path: Path) -> None:
    """What import-linter can't see: ``datetime`` may be imported for its types, its clock may not be read."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    called = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
    assert not called & {"now", "utcnow", "today", "open", "input", "print", "eval", "exec", "__import__"}


# --- Every file -------------------------------------------------------------------------------------------------------

FORBIDDEN = {
    "a failure that is not looked at": r"^\s*-?\s*ignore_errors:(?!\s*(false|no)\b)",
    "other people's firewall rules removed": r"\bnft\b.*\bflush ruleset|^\s*flush ruleset",
    "something put off": r"\b(TODO|FIXME|XXX)\b",
    "no protection against a stranger's host": r"(?i)host_key_checking\s*=\s*(false|no)|StrictHostKeyChecking[ =]no",
}


@pytest.mark.parametrize("wrong", FORBIDDEN)
def test_no_file_holds(wrong: str) -> None:
    pattern = re.compile(FORBIDDEN[wrong], re.MULTILINE)
    texts = {relative(path): path.read_text(encoding="utf-8", errors="replace") for path in files(*CODE_DIRECTORIES)}
    assert not [path for path, text in texts.items() if pattern.search(text)]


def test_no_role_fetches_package_lists_unasked() -> None:
    """apt's cache_valid_time is a wish for an update by itself, whatever update_cache says."""
    unasked = re.compile(r"^\s*cache_valid_time:\s*\d", re.MULTILINE)
    found = files("roles", suffix=".yml")
    assert any("cache_valid_time" in path.read_text(encoding="utf-8") for path in found)
    assert not [relative(path) for path in found if unasked.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", files("plugins", suffix=".py"), ids=relative)
def test_a_plugin_names_its_licence(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not text.strip() or "SPDX-License-Identifier: GPL-3.0-or-later" in text[:400]


# --- Dependencies and the artifact ------------------------------------------------------------------------------------


def collections_named_in(*directories: str) -> set[str]:
    """The collections whose modules or plugins are named in full in the YAML of these directories."""
    found: set[str] = set()
    for path in files(*directories, suffix=".yml"):
        found.update(
            re.findall(
                r"\b((?:ansible|community|containers|kubernetes)\.[a-z]\w*)\.[a-z]\w+", path.read_text(encoding="utf-8")
            )
        )
    return found - {"ansible.builtin"}


def test_what_roles_and_playbooks_use_is_declared() -> None:
    declared = load(ROOT / "galaxy.yml")["dependencies"] or {}
    assert collections_named_in("roles", "playbooks") == set(declared)


def test_what_the_checkout_uses_is_bootstrapped() -> None:
    lines = (ROOT / "requirements/collections.list").read_text(encoding="utf-8").splitlines()
    used = collections_named_in("roles", "playbooks", "inventories", "lab", "molecule")
    assert used <= {line for line in lines if not line.startswith("#")}


def test_the_artifact_holds_the_collection_and_nothing_else(tmp_path: Path) -> None:
    ansible_tool("ansible-galaxy", "collection", "build", "--output-path", str(tmp_path))
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as artifact:
        names = artifact.getnames()
    top = {name.split("/")[0] for name in names}
    collection = {"FILES.json", "LICENSE", "MANIFEST.json", "README.md", "meta", "playbooks", "plugins", "roles"}
    beside = {"CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "changelogs", "docs", "inventories", "site.yml"}
    assert collection <= top <= collection | beside
    assert not [name for name in names if any(map(is_generated, name.split("/")))]
