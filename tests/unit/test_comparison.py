# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A live spec against a declared one: what is no difference, what is one, and what it is called."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import comparison, container_spec, service_spec
from ansible_collections.flotilla.swarm.tests.support import stack_trees
from ansible_collections.flotilla.swarm.tests.support.memory_spec import given_back
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, Any]

NAMES = container_spec.Names({"key_v1": "id-key"}, {"ready_v1": "id-ready", "shop_conf_2d711642b726": "id-conf"})
CONTAINER = "TaskTemplate.ContainerSpec"
NOTHING = {"Name": "s"}

KEYS = [
    "Name",
    "Labels",
    "Mode",
    "Global",
    "TaskTemplate",
    "ContainerSpec",
    "RestartPolicy",
    "Condition",
    "EndpointSpec",
    "Runtime",
    "Env",
    "Options",
    "UpdateConfig",
    "Parallelism",
    "Init",
    "Target",
]
# Anything at all that JSON can say, with the names that specs use now and then.
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 2), st.sampled_from(["", "any", "vip", "container", "A=1"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)
SPECS = st.one_of(JSON.filter(lambda value: isinstance(value, dict)), st.builds(dict, TaskTemplate=JSON, Mode=JSON))


@st.composite
def services(draw: st.DrawFn) -> Json:
    """A spec as it is sent."""
    tree, _configs = stack_trees.resolved({"api": draw(stack_trees.ENTRIES)})
    return service_spec.convert(tree, stack_trees.STACK, "api", NAMES, {})


def test_under_a_key_of_the_user_an_empty_text_is_a_value_and_a_null_is_none() -> None:
    assert comparison.differences({"Labels": {"a": None}}, {"Labels": {}}) == ()
    assert comparison.differences({"Labels": {"a": None}}, {}) == ()
    assert len(comparison.differences({"Labels": {"a": ""}}, {"Labels": {}})) == 1


@given(SPECS)
def test_what_is_normal_stays_so_and_nothing_is_changed_on_the_way(spec: Json) -> None:
    untouched = copy.deepcopy(spec)
    found = comparison.normal(spec)
    assert comparison.normal(found) == found
    assert spec == untouched


@given(SPECS, SPECS)
def test_a_spec_is_no_different_from_itself_and_normal_ones_are_different_when_they_are(one: Json, other: Json) -> None:
    assert comparison.differences(one, one) == ()
    assert comparison.differences(one, comparison.normal(one)) == ()
    if not comparison.differences(one, other):
        assert in_any_order(comparison.normal(one)) == in_any_order(comparison.normal(other))


def in_any_order(value: Any) -> Any:
    """A value in which the order of lists says nothing, to be compared."""
    if isinstance(value, dict):
        return {key: in_any_order(entry) for key, entry in value.items()}
    return sorted((in_any_order(entry) for entry in value), key=repr) if isinstance(value, list) else value


@given(services())
def test_what_the_engine_makes_of_a_spec_is_no_difference(spec: Json) -> None:
    assert comparison.differences(given_back(spec), spec) == ()


@given(services(), services())
def test_two_specs_differ_when_the_engine_says_so(one: Json, other: Json) -> None:
    """Nothing that the engine tells apart is lost, but the order of what has a name."""
    live, wanted = given_back(one), given_back(other)
    found = comparison.differences(live, other)
    if not found:
        assert in_any_order(bare(live)) == in_any_order(bare(wanted))
    elif bare(live) == bare(wanted):
        raise AssertionError(found)
    assert all(difference.before != difference.after for difference in found)


def bare(value: Any) -> Any:
    """What the engine gives back without parts that hold nothing, which say as much as no part."""
    if isinstance(value, list):
        return [bare(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    entries = {key: bare(entry) for key, entry in value.items() if (key, entry) != ("Window", 0)}
    nothing = (None, {}, [], {"Condition": "any", "MaxAttempts": 0})
    return {key: entry for key, entry in entries.items() if entry not in nothing or key == "Mode"}


@pytest.mark.parametrize(
    "path",
    [
        ("TaskTemplate", "Runtime", "container"),
        ("TaskTemplate", "ContainerSpec", "Isolation", "default"),
        ("TaskTemplate", "RestartPolicy", "Condition", "any"),
        ("EndpointSpec", "Mode", "vip"),
        ("UpdateConfig", "FailureAction", "pause"),
        ("UpdateConfig", "Order", "stop-first"),
        ("RollbackConfig", "FailureAction", "pause"),
        ("RollbackConfig", "Order", "stop-first"),
        ("TaskTemplate", "ForceUpdate", 3),
        ("TaskTemplate", "ContainerSpec", "Privileges", {"CredentialSpec": None, "SELinuxContext": None}),
        ("TaskTemplate", "ContainerSpec", "Privileges", "NoNewPrivileges", False),
        ("TaskTemplate", "RestartPolicy", "MaxAttempts", 0),
        ("TaskTemplate", "RestartPolicy", "Window", 0),
        ("UpdateConfig", "MaxFailureRatio", 0),
        ("UpdateConfig", "Delay", 0),
        ("TaskTemplate", "Resources", {"Limits": {}, "Reservations": {"NanoCPUs": 0}}),
        ("TaskTemplate", "Placement", {"Constraints": [], "MaxReplicas": 0}),
        ("TaskTemplate", "ContainerSpec", "Mounts", None),
        ("TaskTemplate", "ContainerSpec", "Healthcheck", {"Test": [], "Interval": 0}),
        ("Labels", None),
    ],
)
def test_what_the_engine_adds_by_itself_is_no_difference(path: tuple[Any, ...]) -> None:
    assert comparison.differences(nested(*path), NOTHING) == ()
    assert comparison.differences(NOTHING, nested(*path)) == ()


def test_what_the_engine_forgets_is_no_difference() -> None:
    kept = {"Type": "bind", "Source": "/a", "Target": "/a"}
    sent = {**kept, "Consistency": "cached"}
    assert comparison.differences(mounts(kept), mounts(sent)) == ()


@pytest.mark.parametrize(
    "path",
    [
        ("TaskTemplate", "Runtime", "plugin"),
        ("TaskTemplate", "ContainerSpec", "Isolation", "hyperv"),
        ("TaskTemplate", "RestartPolicy", "Condition", "none"),
        ("EndpointSpec", "Mode", "dnsrr"),
        ("UpdateConfig", "FailureAction", "rollback"),
        ("RollbackConfig", "Order", "start-first"),
        # A zero that is not the engine's default.
        ("UpdateConfig", "Parallelism", 0),
        ("RollbackConfig", "Parallelism", 0),
        ("TaskTemplate", "ContainerSpec", "Init", False),
        ("TaskTemplate", "ContainerSpec", "StopGracePeriod", 0),
        ("TaskTemplate", "RestartPolicy", "Delay", 0),
        ("Mode", "Replicated", "Replicas", 0),
        # A user's own name with nothing in it.
        ("Labels", "a", ""),
        ("TaskTemplate", "ContainerSpec", "Labels", "a", ""),
        ("TaskTemplate", "ContainerSpec", "Sysctls", "net.x", ""),
        ("TaskTemplate", "LogDriver", "Options", "max-size", ""),
        # The same words as a default, somewhere else.
        ("Labels", "Runtime", "container"),
        ("TaskTemplate", "ContainerSpec", "User", "default"),
        ("TaskTemplate", "ContainerSpec", "Labels", "ForceUpdate", "1"),
    ],
)
def test_what_says_something_is_a_difference_and_has_a_name(path: tuple[Any, ...]) -> None:
    spec, name = nested(*path), ".".join(path[:-1])
    (there,) = comparison.differences(spec, NOTHING)
    (missing,) = comparison.differences(NOTHING, spec)
    assert (there.field, there.before, there.after) == (name, path[-1], None)
    assert (missing.field, missing.before, missing.after) == (name, None, path[-1])


def nested(*path: Any) -> Json:
    value = path[-1]
    for key in reversed(path[:-1]):
        value = {key: value}
    assert isinstance(value, dict)
    return {**NOTHING, **value}


def mounts(*entries: Json) -> Json:
    return nested("TaskTemplate", "ContainerSpec", "Mounts", list(entries))


def environment(*entries: str) -> Json:
    return nested("TaskTemplate", "ContainerSpec", "Env", list(entries))


def told(live: Json, wanted: Json) -> list[tuple[str, Any, Any]]:
    return [(item.field, item.before, item.after) for item in comparison.differences(live, wanted)]


def test_variables_are_told_one_by_one() -> None:
    live = environment("A=1", "B=2", "C", "EMPTY=", "SAME=x=y")
    wanted = environment("A=9", "C=", "D=4", "EMPTY", "SAME=x=y")
    assert told(live, wanted) == [
        (CONTAINER + ".Env[A]", "A=1", "A=9"),
        (CONTAINER + ".Env[B]", "B=2", None),
        (CONTAINER + ".Env[C]", "C", "C="),
        (CONTAINER + ".Env[D]", None, "D=4"),
        (CONTAINER + ".Env[EMPTY]", "EMPTY=", "EMPTY"),
    ]
    assert told(environment("A=1", "B=2"), environment("B=2", "A=1")) == []
    assert told(environment(), environment("A=1")) == [(CONTAINER + ".Env[A]", None, "A=1")]


def test_a_variable_that_is_there_twice_shows_the_whole_list() -> None:
    assert told(environment("A=1", "A=2"), environment("A=2")) == [(CONTAINER + ".Env", ["A=1", "A=2"], ["A=2"])]


def test_the_words_of_a_command_have_no_names_but_an_order() -> None:
    live = nested("TaskTemplate", "ContainerSpec", "Args", ["a=1", "b=2"])
    wanted = nested("TaskTemplate", "ContainerSpec", "Args", ["b=2", "a=1"])
    assert told(live, wanted) == [(CONTAINER + ".Args", ["a=1", "b=2"], ["b=2", "a=1"])]


def test_entries_that_have_names_are_told_by_them() -> None:
    live = mounts({"Target": "/a", "Source": "x"}, {"Target": "/b"}, {"Target": "/c", "ReadOnly": True})
    wanted = mounts({"Target": "/c"}, {"Target": "/d"}, {"Target": "/a", "Source": "y"})
    assert told(live, wanted) == [
        (CONTAINER + ".Mounts[/a].Source", "x", "y"),
        (CONTAINER + ".Mounts[/b]", {"Target": "/b"}, None),
        (CONTAINER + ".Mounts[/c].ReadOnly", True, None),
        (CONTAINER + ".Mounts[/d]", None, {"Target": "/d"}),
    ]


def test_an_option_of_a_driver_may_be_empty() -> None:
    live = nested("TaskTemplate", "Networks", [{"Target": "n", "DriverOpts": {"a": ""}}])
    assert told(live, nested("TaskTemplate", "Networks", [{"Target": "n"}])) == [
        ("TaskTemplate.Networks[n].DriverOpts.a", "", None)
    ]


def test_ports_of_one_target_are_told_as_a_whole() -> None:
    def ports(*protocols: str) -> Json:
        return nested("EndpointSpec", "Ports", [{"TargetPort": 53, "Protocol": protocol} for protocol in protocols])

    (difference,) = comparison.differences(ports("tcp"), ports("tcp", "udp"))
    assert difference.field == "EndpointSpec.Ports"


def test_a_whole_part_that_comes_or_goes_is_told_by_its_fields() -> None:
    limits = nested("TaskTemplate", "Resources", {"Limits": {"NanoCPUs": 5, "MemoryBytes": 6}})
    assert told(limits, NOTHING) == [
        ("TaskTemplate.Resources.Limits.MemoryBytes", 6, None),
        ("TaskTemplate.Resources.Limits.NanoCPUs", 5, None),
    ]


def test_another_mode_is_a_difference() -> None:
    assert told(nested("Mode", {"Global": {}}), nested("Mode", {"Replicated": {"Replicas": 2}})) == [
        ("Mode.Global", {}, None),
        ("Mode.Replicated.Replicas", None, 2),
    ]
