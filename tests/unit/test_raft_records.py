# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a manager's raft: what engines write is read, and nothing that was changed since."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import raft_records
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery.raft_records import Damaged, Log, Record
from ansible_collections.flotilla.swarm.plugins.module_utils._host import raft_state
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from hypothesis import given
from hypothesis import strategies as st

from tests.support import raft_files, secretbox
from tests.support.raft_files import DEK, OTHER_DEK, Wal

# The first frames of a log that engine 20.10.24 wrote, of a swarm that was made for this: checksum, metadata, snapshot,
# entry, state, entry. And the key to it.
WRITTEN = bytes.fromhex(
    "040000000000008408041000000000004100000000000087080110e2d8afc1021a3708a1b1c7fce9a3e9a0291219686e7969643733746f36"
    "6534366f76316163746f6d35306d6b1a0e3132372e302e302e313a323339392200000000000000000e00000000000082080510aef2ddac03"
    "1a040800100000008700000000000081080210bd818aab0b1a7d080110011801227508011257e610a1b2884ac046e05013089387732e4b6e"
    "7d534107674b557db6827b5ff4939828e5d7c9556fb5886a3eecfd74243672ae765bed08520c5d92e9ce9d25eccb027206fce33b1d312642"
    "b74a982d2aaa30f34915df49e81a183216aa6866cf97de5b2f9e1cde3d9f3e430caf61789418fe001000000000000000080310a2c8a2f605"
    "1a06080110001801400000000000000008021089aaba960a1a36080010021802222e08011210cea5ed87d0506bc18250375adde45b9a1a18"
    "105f411a87546f0fe136f9750b9883e4ce36e4869f57fa6d"
)
WRITTEN_DEK = Record.parse(base64.b64decode("EiCv10e0ldTfecYynwQvyCnMRrSgXVY2bPS66UmEH3gBqA==")).data


def read(*files: bytes, index: int = 0, term: int = 0) -> Log:
    log = Log(index, term)
    for position, data in enumerate(files):
        log.read(str(position), data)
    log.finish()
    return log


def test_the_checksum_is_castagnolis() -> None:
    assert raft_records.crc32c(b"123456789") == 0xE3069283
    assert raft_records.crc32c(b"6789", raft_records.crc32c(b"12345")) == 0xE3069283


def test_the_tests_secretbox_is_nacls() -> None:
    """The first bytes of the vector of NaCl's own tests (secretbox.c). Its tag is over more than those."""
    key = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
    nonce = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
    box = secretbox.seal(key, nonce, bytes.fromhex("be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd4"))
    assert box[16:].hex() == "8e993b9f48681273c29650ba32fc76ce48332ea7164d96a4"


def test_what_an_engine_wrote_is_read_and_opened() -> None:
    log = read(WRITTEN + bytes(4096))
    assert (log.frames, log.commit, [entry.index for entry in log.entries]) == (6, 1, [1, 2])
    opened = [Record.parse(entry.data).decrypted([OTHER_DEK, WRITTEN_DEK], secretbox.unseal) for entry in log.entries]
    assert b"127.0.0.1:2399" in opened[0]
    assert opened[1] == b""


def test_pynacl_opens_what_an_engine_wrote() -> None:
    pytest.importorskip("nacl.secret", reason="PyNaCl is not installed; managers have it as python3-nacl")
    unseal = raft_state.secretbox()
    record = Record.parse(read(WRITTEN).entries[0].data)
    assert b"127.0.0.1:2399" in record.decrypted([WRITTEN_DEK], unseal)
    with pytest.raises(Damaged):
        record.decrypted([OTHER_DEK], unseal)


@pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
def test_no_byte_of_a_log_can_be_changed(change: int) -> None:
    for at in range(len(WRITTEN)):
        data = bytearray(WRITTEN + bytes(64))
        data[at] ^= change
        with pytest.raises(Damaged):
            read(bytes(data))


def test_no_byte_of_a_log_can_be_emptied() -> None:
    """A frame's length of which nothing is left looks like the log's end."""
    for at, byte in enumerate(WRITTEN):
        if byte:
            data = bytearray(WRITTEN + bytes(64))
            data[at] = 0
            with pytest.raises(Damaged):
                read(bytes(data))


@pytest.mark.parametrize("length", [0, 5, 40, 100, 250, 350, len(WRITTEN) - 1])
def test_a_log_that_was_cut_is_damaged(length: int) -> None:
    with pytest.raises(Damaged):
        read(WRITTEN[:length])


def test_a_log_that_lost_what_was_committed_is_damaged() -> None:
    wal = raft_files.log((1, 2))
    wal.state(3)
    with pytest.raises(Damaged, match="ends at index 2, and 3 was committed"):
        read(wal.data)


def test_what_the_raft_has_overwritten_does_not_count() -> None:
    wal = raft_files.log((1, 2, 3))
    wal.entry(2, b"another")
    wal.state(2)
    log = read(wal.data)
    assert [entry.index for entry in log.entries] == [1, 2]
    assert Record.parse(log.entries[1].data).decrypted([DEK], secretbox.unseal) == b"another"


def test_entries_of_a_snapshot_do_not_count() -> None:
    wal = raft_files.log((1, 2, 3))
    wal.snapshot(2, 5)
    assert [entry.index for entry in read(wal.data, index=2, term=5).entries] == [3]


@pytest.mark.parametrize(("index", "term", "message"), [(3, 5, "does not know"), (2, 6, "another term")])
def test_the_log_knows_its_snapshot(index: int, term: int, message: str) -> None:
    wal = raft_files.log((1, 2, 3))
    wal.snapshot(2, 5)
    with pytest.raises(Damaged, match=message):
        read(wal.data, index=index, term=term)


def test_entries_that_are_not_there_are_missed() -> None:
    with pytest.raises(Damaged, match="the entries before index 4 are not there"):
        read(raft_files.log((1, 2, 4)).data)


def test_a_log_of_two_files_goes_on() -> None:
    first = raft_files.log((1, 2))
    second = Wal(first.crc)
    second.entry(3, b"entry")
    assert [entry.file for entry in read(first.data, second.data).entries] == ["0", "0", "1"]
    with pytest.raises(Damaged, match="does not continue"):
        read(first.data, Wal(1).data)


def test_files_are_those_from_the_snapshot_on() -> None:
    names = ["%016x-%016x.wal" % pair for pair in ((2, 20), (0, 0), (1, 10))] + ["0.tmp"]
    assert raft_records.segments(names, 10) == [names[2], names[0]]
    with pytest.raises(Damaged, match="is not there"):
        raft_records.segments([names[0], names[1]], 5)
    with pytest.raises(Damaged, match="no file"):
        raft_records.segments([names[0]], 5)


def test_the_newest_snapshot_is_by_its_name() -> None:
    names = ["%016x-%016x.snap" % pair for pair in ((3, 23), (2, 99), (3, 16))]
    assert raft_records.newest_snapshot([*names, "x.broken"]) == (names[0], 23, 3)
    assert raft_records.newest_snapshot([]) is None


def test_no_byte_of_a_snapshot_can_be_changed() -> None:
    data = raft_files.snap(23, 3, b"everything")
    assert raft_records.snapshot(data, 23, 3).decrypted([DEK], secretbox.unseal) == b"everything"
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x01
        with pytest.raises(Damaged):
            raft_records.snapshot(bytes(changed), 23, 3)
    with pytest.raises(Damaged, match="another index"):
        raft_records.snapshot(data, 24, 3)


@given(st.sampled_from([0, 1, 2]), st.binary(min_size=1, max_size=300), st.binary(max_size=24))
def test_a_record_is_read_as_it_was_written(algorithm: int, data: bytes, nonce: bytes) -> None:
    record = Record(algorithm, data, nonce)
    assert Record.parse(record.render()) == record


@given(st.binary(max_size=40))
def test_any_bytes_are_a_record_or_damaged(data: bytes) -> None:
    try:
        Record.parse(data)
    except Damaged:
        return


def test_a_fips_record_is_refused_by_name() -> None:
    with pytest.raises(Damaged, match="FIPS"):
        Record(raft_records.FERNET, b"x").decrypted([DEK], secretbox.unseal)


# -- on a disk -------------------------------------------------------------------------------------------------------


def opened(root: Path, *deks: bytes) -> str:
    return raft_state.open_raft(root, deks or (DEK,), secretbox.unseal)


def test_a_state_is_opened(tmp_path: Path) -> None:
    assert opened(raft_files.make_state(tmp_path / "swarm")) == "3 entries, 3 encrypted, no snapshot yet"


def with_snapshot(root: Path, key: bytes = DEK) -> Path:
    """A state whose raft went over to another key, if that is given, when it made its snapshot."""
    wal = raft_files.log((1, 2), OTHER_DEK)
    wal.snapshot(2, 2)
    wal.entry(3, b"entry", key)
    wal.state(3)
    raft_files.make_state(root, wal=wal.data)
    (root / "raft/snap-v3-encrypted" / ("%016x-%016x.snap" % (2, 2))).write_bytes(raft_files.snap(2, 2, b"all", key))
    return root


def test_entries_before_the_snapshot_may_have_a_key_that_is_gone(tmp_path: Path) -> None:
    assert opened(with_snapshot(tmp_path / "swarm")) == "1 entries, 1 encrypted, snapshot at index 2"


def test_either_key_may_open_a_record(tmp_path: Path) -> None:
    root = with_snapshot(tmp_path / "swarm", OTHER_DEK)
    assert opened(root, OTHER_DEK, DEK) == "1 entries, 1 encrypted, snapshot at index 2"
    with pytest.raises(HostError, match="the key does not open it"):
        opened(root, DEK)


def test_an_error_names_file_and_offset(tmp_path: Path) -> None:
    wal = bytearray(raft_files.log().data)
    at = wal.index(b"n" * 24)
    wal[at] ^= 1
    root = raft_files.make_state(tmp_path / "swarm", wal=bytes(wal))
    with pytest.raises(HostError, match=r"/swarm/raft/wal-v3-encrypted/0{16}-0{16}\.wal, byte \d+: its checksum"):
        opened(root)


def test_a_key_that_does_not_fit_names_the_entry(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"\.wal, byte \d+: entry 1: the key does not open it"):
        opened(raft_files.make_state(tmp_path / "swarm"), OTHER_DEK)


def test_a_workers_state_has_no_raft(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no manager's state"):
        opened(tmp_path)


def test_a_log_that_was_torn_still_proves_the_key(tmp_path: Path) -> None:
    """An engine that was killed leaves such a one, and mends it when it starts."""
    root = raft_files.make_state(tmp_path / "swarm", wal=raft_files.log().data[:-20])
    raft_state.prove_keys(root, [DEK], secretbox.unseal)
    with pytest.raises(HostError):
        raft_state.prove_keys(root, [OTHER_DEK], secretbox.unseal)
    with pytest.raises(HostError):
        opened(root)
