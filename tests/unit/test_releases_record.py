# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a release: what goes in comes out again, and what is damaged is named."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import zlib
from typing import Any

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core import labels, release_record, releases
from ansible_collections.flotilla.swarm.plugins.module_utils._core.release_record import Unreadable
from ansible_collections.flotilla.swarm.plugins.module_utils._core.releases import Ending, Release
from ansible_collections.flotilla.swarm.tests.support.memory_engine import MemoryEngine
from ansible_collections.flotilla.swarm.tests.support.memory_releases import OWNER, STACK, config, spec
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, Any]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
NAMES = st.text("abc_-", min_size=1, max_size=8)


def named(name: str, value: Any) -> Json:
    return {"Name": name, "TaskTemplate": value}


SPECS = st.dictionaries(NAMES, VALUES, max_size=4).map(
    lambda found: {name: named(name, value) for name, value in found.items()}
)
RELEASES = st.builds(
    lambda number, back, who, when, specs: Release(
        STACK,
        number,
        releases.ROLLBACK if 0 < back < number else releases.DEPLOY,
        back if 0 < back < number else None,
        who,
        when,
        specs,
    ),
    st.integers(1, 10**6),
    st.integers(0, 10),
    st.text(),
    st.text(),
    SPECS,
)
SECONDS = st.floats(0, 1e6).map(lambda seconds: round(seconds, 1))
ENDINGS = st.just(Ending()) | st.builds(
    Ending,
    state=st.just(releases.GOOD),
    seconds=SECONDS,
    verdicts=st.dictionaries(NAMES, st.sampled_from(("converged", "crashed"))),
    took=st.dictionaries(NAMES, SECONDS),
)


@given(RELEASES)
def test_what_is_written_is_read(release: Release) -> None:
    data = release_record.encode(release)
    assert release_record.decode(data) == release
    assert release_record.encode(release_record.decode(data)) == data


@given(ENDINGS)
def test_an_outcome_that_is_written_is_read(ending: Ending) -> None:
    assert release_record.decode_ending(release_record.encode_ending(ending)) == ending


def test_a_failure_is_written_with_its_reason() -> None:
    ending = Ending(releases.FAILED, reverted=True, reason="web: crashed\nsecond line", seconds=4.26)
    read = release_record.decode_ending(release_record.encode_ending(ending))
    assert (read.state, read.reverted, read.reason, read.seconds) == ("failed", True, "web: crashed", 4.3)


def test_data_does_not_depend_on_the_order_of_keys() -> None:
    one, other = {"Name": "a", "Labels": {"x": "1", "y": "2"}}, {"Labels": {"y": "2", "x": "1"}, "Name": "a"}
    assert release_record.encode(Release(STACK, 1, specs={"a": one})) == release_record.encode(
        Release(STACK, 1, specs={"a": other})
    )


@given(RELEASES, st.data())
def test_damaged_data_is_never_a_crash(release: Release, data: st.DataObject) -> None:
    whole = release_record.encode(release)
    place = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Unreadable):
        release_record.decode(whole[:place])
    changed = bytes([whole[place] ^ data.draw(st.integers(1, 255))])
    # One bit of the head says how hard it was packed, which changes nothing.
    with contextlib.suppress(Unreadable):
        assert release_record.decode(whole[:place] + changed + whole[place + 1 :]) == release


def packed(**changes: Any) -> bytes:
    document = json.loads(
        zlib.decompress(release_record.encode(Release(STACK, 5, specs={"shop_api": spec("shop_api")})))
    )
    return zlib.compress(json.dumps({**document, **changes}).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no record",
        zlib.compress(b"[]"),
        zlib.compress(b"[" * 200_000),
        zlib.compress(b"9" * 5000),
        zlib.compress("ä".encode()),
        packed(number="5"),
        packed(number=True),
        packed(number=0),
        packed(kind="scale"),
        packed(kind="rollback"),
        packed(restores=1),
        packed(kind="rollback", restores=5),
        packed(kind="rollback", restores="1"),
        packed(who=None),
        packed(specs=[]),
        packed(specs={"shop_api": {"Name": "shop_web"}}),
        packed(specs={"shop_api": None}),
    ],
)
def test_what_is_no_record_is_said_to_be_damaged(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"damaged|cut off"):
        release_record.decode(data)


def test_a_later_format_is_named() -> None:
    with pytest.raises(Unreadable, match="it has the format 2, and this version of the collection reads 1"):
        release_record.decode(packed(format=2))


def test_what_unpacks_without_end_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_record, "TEXT_LIMIT", 1000)
    with pytest.raises(Unreadable, match="too long"):
        release_record.decode(zlib.compress(b" " * 2000))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[" * 200_000,
        '{"state": "fine"}',
        '{"state": ["good"]}',
        '{"state": "good", "seconds": 1e999}',
        '{"state": "good", "seconds": -1}',
        '{"state": "good", "seconds": true}',
        '{"state": "good", "verdicts": []}',
        '{"state": "good", "verdicts": {"a": 1}}',
        '{"state": "good", "took": {"a": "1"}}',
        '{"state": "failed", "reason": null}',
        '{"state": "failed", "reverted": 1}',
    ],
)
def test_an_outcome_that_is_none_is_said_to_be_damaged(text: str) -> None:
    with pytest.raises(Unreadable, match="its outcome is damaged"):
        release_record.decode_ending(text)


# -- among the configs of a swarm --------------------------------------------------------------------------------------


def test_a_history_is_newest_first_and_of_one_stack_and_owner() -> None:
    configs = [
        config(Release(STACK, 2)),
        config(Release(STACK, 10)),
        config(Release(STACK, 9), owner="other"),
        config(Release("bank", 3)),
        {"ID": "x", "Spec": {"Name": "shop.release.11"}},
    ]
    assert [one.number for one in release_record.history(configs, STACK, OWNER)] == [10, 2]
    every = [(one.stack, one.number) for one in release_record.history(configs)]
    assert every == [("bank", 3), ("shop", 10), ("shop", 9), ("shop", 2)]


@pytest.mark.parametrize(
    "own",
    [
        {labels.STACK: "shop"},
        {labels.RELEASE: "3"},
        {labels.STACK: "bank", labels.RELEASE: "3"},
        {labels.STACK: "shop", labels.RELEASE: "4"},
        {labels.STACK: "shop", labels.RELEASE: "03"},
    ],
)
def test_a_name_alone_makes_no_record(own: dict[str, str]) -> None:
    assert not release_record.records([{"ID": "x", "Spec": {"Name": "shop.release.3", "Labels": own}}])


def test_what_can_not_be_read_is_in_the_history_and_named() -> None:
    broken = config(Release(STACK, 2))
    broken["Spec"]["Data"] = base64.b64encode(b"no record").decode()
    moved = config(Release(STACK, 3))
    moved["Spec"]["Data"] = config(Release("bank", 7))["Spec"]["Data"]
    relabelled = config(Release(STACK, 4))
    relabelled["Spec"]["Labels"][labels.RELEASE_OUTCOME] = "fine"
    entries = release_record.history([broken, moved, relabelled, config(Release(STACK, 1))])
    assert [(one.number, one.state) for one in entries] == [
        (4, "unreadable"),
        (3, "unreadable"),
        (2, "unreadable"),
        (1, "good"),
    ]
    told = releases.unreadable(entries)
    assert "release 4 of shop can't be read: its outcome is damaged" in told[0]
    assert told[1] == "release 3 of shop can't be read: its data is of release 7 of bank"
    assert len(told) == 3


@given(st.lists(st.integers(1, 10**9), max_size=8))
def test_the_next_number_is_higher_than_every_one_that_is_taken(numbers: list[int]) -> None:
    names = ["shop.release.%d" % number for number in numbers]
    configs = [{"Spec": {"Name": name}} for name in (*names, "shop.release.x", "bank.release.99", "shopping")]
    assert release_record.next_number(configs, STACK) == max(numbers, default=0) + 1


def test_a_number_that_a_strangers_object_has_is_taken() -> None:
    """The swarm takes names that differ in case for one name."""
    assert release_record.next_number([{"Spec": {"Name": "SHOP.Release.6"}}], "shop") == 1
    assert release_record.next_number([{"Spec": {"Name": "SHOP.release.6"}}], "shop") == 7


def test_a_record_fits_into_an_engine() -> None:
    release = Release("s" * 54, 1, specs={"shop_api": spec("shop_api")})
    data = release_record.encode(release)
    assert release_record.problems(release, data) == []
    MemoryEngine().create_config(
        release_record.name_of(release), data, release_record.record_labels(release, OWNER, Ending())
    )


def test_a_name_that_is_too_long_is_refused() -> None:
    release = Release("s" * 54, 10)
    (problem,) = release_record.problems(release, release_record.encode(release))
    assert "has 65 characters, and the engine allows 64: shorten the stack's name" in problem


def test_a_record_that_is_too_large_is_refused_with_its_sizes() -> None:
    noise = "".join(hashlib.sha256(b"%d" % number).hexdigest() for number in range(34_375))
    specs = {"shop_api": spec("shop_api", Env=["X=" + noise]), "shop_web": spec("shop_web")}
    release = Release(STACK, 1, specs=specs)
    (problem,) = release_record.problems(release, release_record.encode(release))
    assert "the specs of its 2 services have 2200" in problem
    assert "a config takes less than 1024000. The largest: shop_api 2200" in problem


def test_what_packs_well_is_refused_when_it_could_not_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_record, "TEXT_LIMIT", 10_000)
    release = Release(STACK, 1, specs={"shop_api": spec("shop_api", Env=["X=" + "x" * 6000])})
    assert release_record.problems(release, release_record.encode(release))
