# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of a stack: what it does to get from what is to what was declared, and that nothing is left then."""

from __future__ import annotations

import base64
import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.plan import CREATE, REMOVE, Plan
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import definition, planner, preflight
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack.images import Image
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack.planner import Wanted
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack.preflight import Observation
from ansible_collections.flotilla.swarm.tests.support import stack_trees
from ansible_collections.flotilla.swarm.tests.support.memory_spec import given_back
from ansible_collections.flotilla.swarm.tests.support.stack_trees import OWNER, STACK, shuffled
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, Any]
DIGEST = "sha256:" + "a" * 64


def plan_of(wanted: planner.Wanted, observed: Observation) -> Plan:
    return planner.plan(wanted, observed).plan


def with_ids(spec: Json, networks: Mapping[str, str]) -> Json:
    """A spec as the engine keeps it: host has an ID in the swarm that is in no list."""
    result = given_back(spec)
    for entry in result["TaskTemplate"].get("Networks") or ():
        entry["Target"] = networks.get(entry["Target"], "id-of-a-predefined-one")
    return result


def applied(plan: Plan, observed: Observation) -> Observation:
    """What the swarm holds after the steps of a plan."""
    services = {service["Spec"]["Name"]: dict(service) for service in copy.deepcopy(list(observed.services))}
    networks, configs = list(observed.networks), list(observed.configs)
    for step in plan:
        if step.kind == "network" and step.action == CREATE:
            request = step.payload["request"]
            networks.append({"Id": "id-" + step.name, "Name": step.name, "Scope": "swarm", "Labels": request["Labels"]})
        elif step.kind == "config":
            spec = {"Name": step.name, "Labels": step.payload["labels"]}
            spec["Data"] = base64.b64encode(step.payload["data"]).decode()
            configs.append({"ID": "id-" + step.name, "Spec": spec})
    ids = {network["Name"]: network["Id"] for network in networks if network["Scope"] == "swarm"}
    for step in plan:
        if step.kind == "service" and step.action == REMOVE:
            del services[step.name]
        elif step.kind == "service":
            live = services.get(step.name, {"ID": "id-" + step.name, "Version": {"Index": 1}})
            services[step.name] = {**live, "Spec": with_ids(step.payload["spec"], ids)}
    return replace(observed, services=list(services.values()), networks=networks, configs=configs)


def deployed(wanted: Wanted, observed: Observation) -> Observation:
    """What the swarm holds after a deployment: configs and networks first, whose IDs the services then need."""
    first = plan_of(wanted, observed)
    made = Plan(tuple(step for step in first if step.kind != "service"))
    ready = applied(made, observed)
    return applied(plan_of(wanted, ready), ready)


def wanted_of(services: Json, **more: Any) -> Wanted:
    """A stack of just these services, and what the sections in ``more`` have."""
    sections = {name: more.pop(name) for name in ("networks", "secrets", "configs", "volumes") if name in more}
    return Wanted(STACK, definition.prepared({"services": services, **sections}), **more)


def steps(plan: Plan) -> list[tuple[str, str]]:
    return [(step.action, step.name) for step in plan]


IN_THE_SWARM = Observation(**stack_trees.IN_THE_SWARM)
IMAGES = st.sampled_from(
    [
        {},
        {
            "app": Image("app:latest@" + DIGEST),
            "app:v1": Image("app:v1@" + DIGEST, ({"Architecture": "", "OS": "linux"},)),
        },
    ]
)


@st.composite
def wishes(draw: st.DrawFn) -> Wanted:
    tree, configs = stack_trees.resolved(draw(stack_trees.SERVICES), draw(st.sampled_from([b"x", b"y"])))
    return Wanted(STACK, tree, configs, draw(IMAGES), prune=draw(st.booleans()))


def modes(wanted: Wanted) -> dict[str, str]:
    return {item.name: item.mode for item in definition.declared(wanted.tree, STACK)}


@given(wishes(), wishes())
def test_an_applied_plan_leaves_nothing_to_do(before: Wanted, after: Wanted) -> None:
    start = deployed(before, IN_THE_SWARM)
    assert not plan_of(before, start)
    old, new = modes(before), modes(after)
    changed = [name for name in sorted(set(old) & set(new)) if old[name] != new[name]]
    if changed:
        with pytest.raises(DeclarationError) as refused:
            plan_of(after, start)
        assert len(refused.value.problems) == len(changed)
        return
    end = deployed(after, start)
    again = plan_of(after, end)
    assert not again
    gone = set(old) - set(new)
    assert bool(again.warnings) == (bool(gone) and not after.prune)
    assert {service["Spec"]["Name"] for service in end.services} == (set(new) if after.prune else {*old, *new})


@given(wishes(), wishes(), st.randoms())
def test_planning_changes_nothing_and_heeds_no_order(before: Wanted, after: Wanted, random: Any) -> None:
    start = deployed(before, IN_THE_SWARM)
    after = replace(after, tree={**after.tree, "services": {**after.tree["services"], **before.tree["services"]}})
    untouched = copy.deepcopy((after, start))
    plan = plan_of(after, start)
    assert (after, start) == untouched
    turned = replace(after, tree=shuffled(after.tree, random), configs=list(reversed(after.configs)))
    seen = replace(start, services=random.sample(list(start.services), len(start.services)))
    again = plan_of(turned, seen)
    assert again == plan
    assert [step.payload for step in again] == [step.payload for step in plan]


@given(wishes())
def test_a_plan_shows_no_content_of_a_config(wanted: Wanted) -> None:
    secret = b"a long and unlikely content"
    configs = [replace(config, data=secret) for config in wanted.configs]
    plan = plan_of(replace(wanted, configs=configs), IN_THE_SWARM)
    assert secret.decode() not in repr(plan) + repr(plan.as_list()) + repr(plan.diff())


LEAST = {"api": {"image": "app:v1"}}


def running(services: Json | None = None, **more: Any) -> tuple[Wanted, Observation]:
    """A stack, and a swarm where it is deployed."""
    wanted = wanted_of(services or LEAST, **more)
    return wanted, deployed(wanted, Observation())


def only(observed: Observation) -> Json:
    (service,) = observed.services
    return dict(service)


def test_the_payload_is_what_the_engine_takes() -> None:
    wanted, observed = running()
    (_network, create) = plan_of(wanted, Observation())
    assert set(create.payload) == {"key", "spec"}
    (update,) = plan_of(wanted_of({"api": {"image": "app:v2"}}), observed)
    live = only(observed)
    assert (update.payload["id"], update.payload["version"]) == ("id-shop_api", 1)
    assert update.payload["before"] == live["Spec"]
    assert update.payload["spec"]["TaskTemplate"]["ContainerSpec"]["Image"] == "app:v2"


def test_only_networks_and_configs_that_a_service_needs_are_made() -> None:
    wanted = wanted_of(
        {"api": {"image": "a", "networks": {"back": None}, "configs": [{"source": "used"}]}},
        networks={"back": {}, "unused": {}, "ext": {"name": "ext", "external": True}},
        configs={"used": {"file": "/x"}, "unused": {"file": "/y"}},
    )
    tree, configs, _problems = definition.config_objects(wanted.tree, STACK, {"used": b"x", "unused": b"y"}, OWNER)
    plan = plan_of(replace(wanted, tree=tree, configs=configs), Observation())
    assert [(step.kind, step.name) for step in plan] == [
        ("config", "shop_used_2d711642b726"),
        ("network", "shop_back"),
        ("service", "shop_api"),
    ]


def own_network(**more: Any) -> Json:
    return {
        "Id": "n",
        "Name": "shop_back",
        "Scope": "swarm",
        "Driver": "overlay",
        "Options": {"com.docker.network.driver.overlay.vxlanid_list": "4097", "encrypted": ""},
        "Internal": False,
        "Attachable": True,
        "IPAM": {"Config": [{"Subnet": "10.20.0.0/24", "Gateway": "10.20.0.1"}]},
        "Labels": {labels.STACK_NAMESPACE: STACK},
        **more,
    }


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, ""),
        ({"Driver": "", "Options": None, "IPAM": None}, ""),
        ({"Options": {}}, "driver_opts.encrypted is false, declared true"),
        ({"Options": {"encrypted": "", "mtu": "9"}}, "driver_opts.mtu is 9, declared not set"),
        ({"Internal": True}, "internal is true, declared false"),
        ({"Attachable": False}, "attachable is false, declared true"),
        ({"Driver": "weave"}, "driver is weave, declared overlay"),
        ({"IPAM": {"Config": [{"Subnet": "10.21.0.0/24"}]}}, "ipam.config is 10.21.0.0/24, declared 10.20.0.0/24"),
        ({"Scope": "local"}, "is there with the scope local, not swarm"),
        ({"Labels": {labels.STACK_NAMESPACE: "other"}}, "no part of the stack shop"),
        ({"Labels": None}, "no part of the stack shop"),
    ],
)
def test_a_network_of_the_stack_that_is_not_as_declared_is_refused(changed: Json, told: str) -> None:
    declared = {
        "attachable": True,
        "driver_opts": {"encrypted": ""},
        "ipam": {"config": [{"subnet": "10.20.0.0/24"}]},
    }
    wanted = wanted_of({"api": {"image": "a", "networks": {"back": None}}}, networks={"back": declared})
    observed = Observation(networks=[own_network(**changed)])
    if not told:
        assert steps(plan_of(wanted, observed)) == [("create", "shop_api")]
        return
    with pytest.raises(DeclarationError) as caught:
        plan_of(wanted, observed)
    (problem,) = caught.value.problems
    assert problem.startswith("networks.back: the network shop_back ")
    assert told in problem


def test_only_the_services_that_changed_are_in_the_plan() -> None:
    wanted, observed = running({"api": {"image": "app:v1"}, "web": {"image": "web:v1"}})
    assert steps(plan_of(wanted_of({**wanted.tree["services"], "web": {"image": "web:v2"}}), observed)) == [
        ("update", "shop_web")
    ]


def test_a_new_version_of_a_secret_changes_just_the_services_that_use_it() -> None:
    services = {"api": {"image": "a:1", "secrets": [{"source": "s"}]}, "web": {"image": "w:1"}}
    secrets = [{"ID": "id-" + name, "Spec": {"Name": name}} for name in ("s_v1", "s_v2")]

    def version(name: str) -> Wanted:
        return wanted_of(services, secrets={"s": {"name": name, "external": True}})

    observed = deployed(version("s_v1"), Observation(secrets=secrets))
    (step,) = plan_of(version("s_v2"), observed)
    assert step.name == "shop_api"
    (mount,) = step.payload["spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"]
    assert (mount["SecretID"], mount["SecretName"], mount["File"]["Name"]) == ("id-s_v2", "s_v2", "s")


def test_a_network_that_was_made_anew_is_a_change_only_where_it_has_another_name() -> None:
    wanted, observed = running()
    service = only(observed)
    service["Spec"]["TaskTemplate"]["Networks"][0]["Target"] = "another-id"
    renamed = [{**network, "Id": "another-id"} for network in observed.networks]
    assert not plan_of(wanted, Observation([service], networks=renamed))
    moved = [{"Id": "another-id", "Name": "elsewhere", "Scope": "swarm"}, *observed.networks]
    (step,) = plan_of(wanted, Observation([service], networks=moved))
    assert [item.field for item in step.differences] == [
        "TaskTemplate.Networks[elsewhere]",
        "TaskTemplate.Networks[shop_default]",
    ]


def test_a_service_that_leaves_the_hosts_network_is_changed() -> None:
    host = {"host": {"name": "host", "external": True}}
    services = {"api": {"image": "app:v1", "networks": {"host": None}}}
    wanted, observed = running(services, networks=host)
    assert not plan_of(wanted, observed)
    assert ("update", "shop_api") in steps(plan_of(wanted_of(LEAST), observed))


@pytest.mark.parametrize(
    ("declared", "held"),
    [
        ("nginx", "nginx:latest@" + DIGEST),
        ("docker.io/library/nginx:1", "nginx:1@" + DIGEST),
        ("docker.io/acme/app:1", "acme/app:1@" + DIGEST),
        ("registry.example:5000/app", "registry.example:5000/app:latest@" + DIGEST),
        ("app:1@" + DIGEST, "app:1@" + DIGEST),
        ("app@" + DIGEST, "app@" + DIGEST),
        ("app:1", "app:1"),
    ],
)
def test_the_same_image_under_the_engines_name_is_no_change(declared: str, held: str) -> None:
    wanted, observed = running({"api": {"image": declared}})
    service = only(observed)
    service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] = held
    assert not plan_of(wanted, replace(observed, services=[service]))


@pytest.mark.parametrize(
    ("declared", "held"),
    [
        ("app:v1", "app:v9@" + DIGEST),
        ("app:v1", "other/app:v1"),
        ("app@" + DIGEST, "app:v1@" + DIGEST),
        ("app@" + DIGEST, "app@sha256:" + "b" * 64),
    ],
)
def test_another_image_is_a_change(declared: str, held: str) -> None:
    wanted, observed = running({"api": {"image": declared}})
    service = only(observed)
    service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] = held
    (step,) = plan_of(wanted, replace(observed, services=[service]))
    assert [item.as_dict() for item in step.differences] == [
        {"field": "TaskTemplate.ContainerSpec.Image", "before": held, "after": declared}
    ]


@pytest.mark.parametrize("name", ["app:v1", "app:v1@" + DIGEST])
def test_the_platforms_of_an_image_stay_when_no_registry_is_asked(name: str) -> None:
    platforms = [{"Architecture": "amd64", "OS": "linux"}]
    image = Image("app:v1@" + DIGEST, tuple(platforms))
    wanted, observed = running({"api": {"image": name}}, images={name: image})
    assert only(observed)["Spec"]["TaskTemplate"]["Placement"]["Platforms"] == platforms
    assert not plan_of(replace(wanted, images={}), observed)


def test_a_paused_update_goes_on_and_a_finished_rollback_is_history() -> None:
    wanted, observed = running()
    paused = {**only(observed), "UpdateStatus": {"State": "paused"}}
    (step,) = plan_of(wanted, replace(observed, services=[paused]))
    assert step.differences[0].as_dict() == {"field": "update", "before": "paused", "after": "resumed"}
    rolled_back = {**only(observed), "UpdateStatus": {"State": "rollback_completed"}}
    assert not plan_of(wanted, replace(observed, services=[rolled_back]))


def labelled(name: str, **labels_: str) -> Json:
    """A service that was deployed of an old version of the stack."""
    own = {labels.STACK_NAMESPACE: STACK, labels.OWNER: OWNER, **labels_}
    return {"ID": "id-" + name, "Version": {"Index": 1}, "Spec": {"Name": name, "Labels": own}}


def test_services_of_other_stacks_are_never_pruned() -> None:
    wanted, observed = running()
    live = only(observed)
    seen = replace(observed, services=[live, labelled("shop_old")])
    plan = plan_of(replace(wanted, prune=True), seen)
    assert [(step.action, step.name, step.payload["id"]) for step in plan] == [("remove", "shop_old", "id-shop_old")]
    assert "shop_old" in plan_of(wanted, seen).warnings[0]
    stranger = labelled("shop_old", **{labels.STACK_NAMESPACE: "other"})
    assert not plan_of(replace(wanted, prune=True), replace(observed, services=[live, stranger]))


@pytest.mark.parametrize("prune", [True, False])
def test_what_something_else_deployed_under_the_stacks_name_is_never_pruned(prune: bool) -> None:
    wanted, observed = running()
    theirs, by_cli = labelled("shop_old", **{labels.OWNER: "somebody"}), labelled("shop_cli")
    del by_cli["Spec"]["Labels"][labels.OWNER]
    seen = replace(observed, services=[only(observed), theirs, by_cli])
    plan = plan_of(replace(wanted, prune=prune), seen)
    assert not plan
    (warning,) = plan.warnings
    assert warning.startswith("service shop_cli, service shop_old: of the stack shop, but left alone: ")
    assert "deployed by something else" in warning
    assert "flotilla.swarm.owner=flotilla" in warning


@pytest.mark.parametrize("owner", [None, "somebody"])
def test_what_something_else_deployed_is_refused_until_it_is_adopted(owner: str | None) -> None:
    wanted, observed = running()
    service = only(observed)
    service["Spec"]["Labels"].pop(labels.OWNER)
    if owner:
        service["Spec"]["Labels"][labels.OWNER] = owner
    theirs = replace(observed, services=[service])
    with pytest.raises(DeclarationError, match="something else deployed it"):
        plan_of(wanted, theirs)
    (step,) = plan_of(replace(wanted, adopt=True), theirs)
    assert [(item.field, item.before) for item in step.differences] == [("Labels.flotilla.swarm.owner", owner)]


def test_a_service_of_that_name_in_another_stack_is_refused_even_then() -> None:
    wanted, observed = running()
    stranger = labelled("Shop_API", **{labels.STACK_NAMESPACE: "other"})
    for adopt in (True, False):
        with pytest.raises(DeclarationError, match="no part of the stack shop"):
            plan_of(replace(wanted, adopt=adopt), replace(observed, services=[stranger]))


@pytest.mark.parametrize("mode", ["global", "replicated-job", "global-job"])
def test_another_mode_is_refused(mode: str) -> None:
    _wanted, observed = running()
    changed = wanted_of({"api": {"image": "app:v1", "deploy": {"mode": mode}}})
    with pytest.raises(DeclarationError, match=r"services.api.deploy.mode changed from replicated to %s" % mode):
        plan_of(changed, observed)


def test_a_config_whose_name_is_fixed_can_not_change() -> None:
    wanted = wanted_of(
        {"api": {"image": "a", "configs": [{"source": "c"}]}}, configs={"c": {"name": "fixed", "file": "/x"}}
    )
    tree, configs, _problems = definition.config_objects(wanted.tree, STACK, {"c": b"one"}, OWNER)
    held = {"ID": "1", "Spec": {"Name": "fixed", "Data": base64.b64encode(b"two").decode()}}
    with pytest.raises(DeclarationError, match="another content"):
        plan_of(replace(wanted, tree=tree, configs=configs), Observation(configs=[held]))


def test_everything_that_is_wrong_is_said_at_once() -> None:
    _wanted, observed = running({"api": {"image": "a"}, "web": {"image": "w"}})
    bad = wanted_of({"api": {"image": "a", "deploy": {"mode": "global"}}, "web": {}, "new": {"image": ""}})
    with pytest.raises(DeclarationError) as refused:
        plan_of(bad, observed)
    assert [problem.split(":")[0].split(" ")[0] for problem in refused.value.problems] == [
        "services.api.deploy.mode",
        "services.new.image",
        "services.web.image",
    ]


def test_everything_that_we_deployed_of_a_stack_goes_and_nothing_else() -> None:
    own = {labels.STACK_NAMESPACE: STACK, labels.OWNER: OWNER}
    other = {labels.STACK_NAMESPACE: "other", labels.OWNER: OWNER}
    things = [
        {"ID": "1", "Spec": {"Name": "mine", "Labels": own}},
        {"ID": "2", "Spec": {"Name": "theirs", "Labels": other}},
    ]
    networks: list[Json] = [{"Id": "3", "Name": "n", "Labels": own}, {"Id": "4", "Name": "ingress", "Labels": None}]
    observed = preflight.Observation(services=things, networks=networks, configs=things)
    plan = planner.plan_absent(STACK, observed, OWNER)
    assert plan.warnings == ()
    assert [(step.kind, step.name, step.payload["id"]) for step in plan] == [
        ("service", "mine", "1"),
        ("network", "n", "3"),
        ("config", "mine", "1"),
    ]


@pytest.mark.parametrize("more", [{}, {labels.OWNER: "somebody"}])
def test_what_something_else_deployed_under_the_stacks_name_stays_and_is_named(more: Mapping[str, str]) -> None:
    theirs = {labels.STACK_NAMESPACE: STACK, **more}
    things = [{"ID": "1", "Spec": {"Name": "x", "Labels": theirs}}]
    networks: list[Json] = [{"Id": "3", "Name": "n", "Labels": theirs}]
    observed = preflight.Observation(services=things, networks=networks, configs=things)
    plan = planner.plan_absent(STACK, observed, OWNER)
    assert not plan
    (warning,) = plan.warnings
    assert warning.startswith("service x, network n, config x: of the stack shop, but left alone: ")
    assert "deployed by something else" in warning
    assert "flotilla.swarm.owner=flotilla" in warning


@pytest.mark.parametrize("more", [{}, {labels.OWNER: OWNER}])
def test_the_removal_of_a_stack_never_removes_a_secret(more: Mapping[str, str]) -> None:
    secrets = [{"ID": "1", "Spec": {"Name": "key", "Labels": {labels.STACK_NAMESPACE: STACK, **more}}}]
    plan = planner.plan_absent(STACK, preflight.Observation(secrets=secrets), OWNER)
    assert not plan
    assert plan.warnings == ("secret key: left alone: a stack's removal never removes secrets",)
