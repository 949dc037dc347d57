# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What docker stack config loses: named, or put back where the engine can do it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import dropped

Json = dict[str, Any]


def told(**entry: Any) -> list[str]:
    return list(dropped.problems({"services": {"a": entry, "b": None}}))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"secrets": ["x", {"source": "s", "traget": "t"}]}, "secrets[1].traget is ignored by docker stack deploy"),
        ({"configs": [{"source": "s", "user": "0"}]}, "configs[0].user is ignored"),
        (
            {"volumes": [{"type": "bind", "bind": {"selinux": "z", "propagation": "shared"}}]},
            "volumes[0].bind.selinux is ignored by docker stack deploy, which knows propagation there: remove it",
        ),
        (
            {"volumes": [{"type": "tmpfs", "tmpfs": {"size": "1", "mode": "511"}}]},
            "volumes[0].tmpfs.mode is ignored by docker stack deploy, which knows size there",
        ),
        (
            {"volumes": [{"type": "volume", "volume": {"labels": {}}}]},
            "volumes[0].volume.labels is ignored by docker stack deploy, which knows nocopy and subpath there",
        ),
        ({"volumes": ["/srv:/srv:z"]}, "volumes[0]: the option z of /srv:/srv:z is ignored"),
        ({"volumes": ["data:/data:ro,cached"]}, "volumes[0]: the option cached of"),
        ({"volumes": ["C:\\a:D:\\b:z"]}, "volumes[0]: the option z of"),
        ({"ports": ["80", "127.0.0.1:80:80"]}, "ports[1]: docker stack deploy drops 127.0.0.1 and listens"),
        ({"ports": ["192.0.2.1::80/udp"]}, "ports[0]: docker stack deploy drops 192.0.2.1"),
        ({"ports": ["[2001:db8::1]:80-81:80-81"]}, "ports[0]: docker stack deploy drops 2001:db8::1"),
        ({"extra_hosts": ["a:192.0.2.1", "b"]}, "extra_hosts: b has no address"),
        ({"extra_hosts": {"a": "192.0.2.1", "b": None}}, "extra_hosts: b has no address"),
        ({"oom_score_adj": "many"}, "oom_score_adj: many is no whole number"),
    ],
)
def test_what_would_be_lost_is_named_with_its_mend(entry: Json, words: str) -> None:
    (problem,) = told(**entry)
    assert problem.startswith("services.a.%s" % words)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"secrets": [{"source": "s", "Target": "t", "uid": "1", "gid": "2", "mode": "0400", "x-note": ""}]},
        {"volumes": ["/a", "d:/a", "data:/data", "data:/data:ro", "/srv:/srv:rw,rslave", "data:/data:nocopy"]},
        {"volumes": ["C:\\a:D:\\b", "C:\\a:D:\\b:ro", "d:/anonymous:/x"]},
        {"volumes": [{"type": "bind", "bind": {"propagation": "shared"}}, {"type": "volume", "volume": None}]},
        {"ports": ["80", "80:80", "80-81:80-81/udp", "0.0.0.0:80:80", "[::]:80:80", "::80", {"target": "80"}, "a:b:c"]},
        {"extra_hosts": ["a=192.0.2.1", "b:::1"]},
        {"oom_score_adj": "-500"},
        {"oom_score_adj": None},
    ],
)
def test_what_is_honoured_is_no_problem(entry: Json) -> None:
    assert told(**entry) == []


def test_what_the_engine_can_do_is_put_back_and_the_last_file_wins() -> None:
    tree: Json = {
        "services": {
            "a": {
                "image": "x",
                "volumes": [
                    {"type": "volume", "source": "d", "target": "/a", "volume": {"nocopy": True}},
                    {"type": "volume", "source": "d", "target": "/b"},
                ],
            },
            "b": {"image": "y", "volumes": [{"type": "volume", "target": "/c"}]},
        },
        "volumes": {"d": None},
    }
    first = {
        "services": {
            "a": {
                "oom_score_adj": "100",
                "volumes": [
                    {"target": "/a", "volume": {"subpath": "one"}},
                    {"target": "/b", "volume": {"subpath": "gone"}},
                    "d:/c",
                ],
            }
        }
    }
    second = {"services": {"a": {"oom_score_adj": "-5", "volumes": [{"target": "/b"}]}, "b": None}}
    assert dropped.restored(tree, [first, second]) == {
        "services": {
            "a": {
                "image": "x",
                "oom_score_adj": -5,
                "volumes": [
                    {
                        "type": "volume",
                        "source": "d",
                        "target": "/a",
                        "volume": {"nocopy": True, "subpath": "one"},
                    },
                    {"type": "volume", "source": "d", "target": "/b"},
                ],
            },
            "b": {"image": "y", "volumes": [{"type": "volume", "target": "/c"}]},
        },
        "volumes": {"d": None},
    }
