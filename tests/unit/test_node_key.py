# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A manager's key: opened with the unlock key that belongs to it, and only with that."""

from __future__ import annotations

import base64
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.errors import DeclarationError
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery import node_key as core
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery.node_key import NodeKey
from ansible_collections.flotilla.swarm.plugins.module_utils._core.recovery.raft_records import FERNET, PLAIN, Record
from ansible_collections.flotilla.swarm.plugins.module_utils._host import node_key, raft_state
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError
from hypothesis import given
from hypothesis import strategies as st

from tests.support import raft_files, secretbox
from tests.support.raft_files import DEK, KEK, OTHER_DEK, UNLOCK_KEY

WRONG_KEY = "SWMKEY-1-" + base64.b64encode(b"w" * 32).decode().rstrip("=")

# What engine 20.10.24 wrote with autolock on, of a swarm that was made for this: the key's body, one header, and the
# certificate's key.
WRITTEN_UNLOCK_KEY = "SWMKEY-1-gZyzAeUwKBOFNc1NjSbd9vPZaVF2fGLvk9aPykvJ/m0"
WRITTEN_DEK = "CAESMLhVSHU+JHbIup2287CtD9qHYtja/0UWGL59rIHWmW10pPZ0F+rYl7dHfwpRQyjxYxoYp1QvUJmhe1r5cBMk+QuFV3brknPhxi+H"
WRITTEN_DER = (
    "MIHeMEkGCSqGSIb3DQEFDTA8MBsGCSqGSIb3DQEFDDAOBAjf2z6UfHJyOgICCAAwHQYJYIZIAWUDBAEqBBA3GT1xqqSk0EHfgVCFqyROBIGQ0zLo"
    "dtub3CqLYFehGtXu13S26+Gt5EgfhfgizIttjqM7E2KUd/kpDGnf1POApJIEubMAjW96thkY5esjxkaDM86J6RC2irRGtovmwqp66eyhI62WEyZo"
    "bfvtXASuClMbaAg2kVvMwQ+0+265w3bX49HuXyKB8oIdHGCqEKGPsYOZsZuJhYw6PP+MkHOHlF6r"
)
WRITTEN_CERTIFICATE = (
    "MIICNDCCAdugAwIBAgIUeOOdKMlou8a5Dz0CsvYLR+pGVYwwCgYIKoZIzj0EAwIwEzERMA8GA1UEAxMIc3dhcm0tY2EwHhcNMjYxMTIyMjI0OTAw"
    "WhcNMjcwMjIwMjM0OTAwWjBgMSIwIAYDVQQKExk3cXY5dmtsNWpkaXBpMnk4bHE0dWVyazM3MRYwFAYDVQQLEw1zd2FybS1tYW5hZ2VyMSIwIAYD"
    "VQQDExlobnlpZDczdG82ZTQ2b3YxYWN0b201MG1rMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEkRaORcKSxR3fg3jGVLh9A34SDIpQmlOGos5u"
    "VQvk5GD3uy40I6xC7CgYg7w+XjiNRN0Hq5jpUabVcZUf98R696OBvzCBvDAOBgNVHQ8BAf8EBAMCBaAwHQYDVR0lBBYwFAYIKwYBBQUHAwEGCCsG"
    "AQUFBwMCMAwGA1UdEwEB/wQCMAAwHQYDVR0OBBYEFGze1QGHt8ppVnEjKe83htFCfhktMB8GA1UdIwQYMBaAFCTk3ecDo+GWk02w40hca678kxcO"
    "MD0GA1UdEQQ2MDSCDXN3YXJtLW1hbmFnZXKCGWhueWlkNzN0bzZlNDZvdjFhY3RvbTUwbWuCCHN3YXJtLWNhMAoGCCqGSM49BAMCA0cAMEQCIB9F"
    "xGGYN0Ses3/jbN5kodhCv0pIwqWZNqrwNEC59Cw1AiAEEvArQPQfLY0guWF0L+4TVcpLh2Tqf31nG/JkVPptSQ=="
)


def opened(root: Path, unlock_key: str | None = UNLOCK_KEY) -> node_key.Opened:
    return node_key.open_key(root, unlock_key, secretbox.unseal)


def text_of(root: Path) -> str:
    return (root / node_key.KEY).read_text(encoding="ascii")


# -- the file --------------------------------------------------------------------------------------------------------


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z-]{0,12}", fullmatch=True), st.from_regex(r"[A-Za-z0-9+/=]*", fullmatch=True)
    ),
    st.binary(min_size=1, max_size=200),
    st.booleans(),
)
def test_a_file_is_read_as_it_was_written(headers: dict[str, str], der: bytes, encrypted: bool) -> None:
    key = NodeKey(headers, der, encrypted, "ENCRYPTED PRIVATE KEY" if encrypted else "PRIVATE KEY")
    assert core.parse(core.render(key)) == key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "PEM"),
        ("\0\xff", "PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no private key"),
        ("-----BEGIN PRIVATE KEY-----\nAA!A\n-----END PRIVATE KEY-----\n", "base64"),
        ("-----BEGIN PRIVATE KEY-----\na: b\nAAAA\n-----END PRIVATE KEY-----\n", "headers"),
        ("-----BEGIN PRIVATE KEY-----\na: b\na: c\n\nAAAA\n-----END PRIVATE KEY-----\n", "headers"),
        ("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END EC PRIVATE KEY-----\n", "18.09"),
    ],
)
def test_what_is_no_key_is_refused(text: str, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        core.parse(text.encode("latin-1"))


def test_an_unlock_key_is_32_bytes() -> None:
    assert core.kek(UNLOCK_KEY + "\n") == KEK
    for wrong in ("", UNLOCK_KEY[9:], UNLOCK_KEY[:-1], UNLOCK_KEY + "A", "SWMKEY-1-" + "!" * 43):
        with pytest.raises(DeclarationError) as error:
            core.kek(wrong)
        assert wrong[9:] == "" or wrong[9:] not in str(error.value)


def test_no_key_is_in_a_representation() -> None:
    key = NodeKey({"raft-dek": "c2VjcmV0"}, b"secret", encrypted=False)
    assert "secret" not in repr(key) + repr(Record(PLAIN, b"secret"))
    assert "c2VjcmV0" not in repr(key)


# -- opened ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The key that an engine wrote, with its certificate."""
    headers = {"kek-version": "22", "raft-dek": WRITTEN_DEK}
    (tmp_path / "certificates").mkdir()
    key = NodeKey(headers, base64.b64decode(WRITTEN_DER), encrypted=True)
    (tmp_path / node_key.KEY).write_bytes(core.render(key))
    lines = "\n".join(WRITTEN_CERTIFICATE[at : at + 64] for at in range(0, len(WRITTEN_CERTIFICATE), 64))
    pem = "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n" % lines
    (tmp_path / node_key.CERTIFICATE).write_text(pem, encoding="ascii")
    return tmp_path


def test_what_an_engine_wrote_is_opened(written: Path) -> None:
    found = opened(written, WRITTEN_UNLOCK_KEY)
    assert found.key.encrypted
    assert [len(key) for key in found.raft_keys] == [32]


def test_pynacl_opens_what_an_engine_wrote(written: Path) -> None:
    pytest.importorskip("nacl.secret", reason="PyNaCl is not installed; managers have it as python3-nacl")
    assert node_key.open_key(written, WRITTEN_UNLOCK_KEY).deks == opened(written, WRITTEN_UNLOCK_KEY).deks


def test_without_pynacl_the_error_names_the_package(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nacl.exceptions", None)
    with pytest.raises(HostError, match="python3-nacl"):
        node_key.open_key(written, WRITTEN_UNLOCK_KEY)


@pytest.mark.parametrize(
    ("unlock_key", "message"),
    [(WRONG_KEY, "the unlock key does not open it"), (None, "there is no unlock key"), ("hunter2", "no unlock key")],
)
def test_only_its_unlock_key_opens_it(tmp_path: Path, unlock_key: str | None, message: str) -> None:
    root = raft_files.make_state(tmp_path / "swarm")
    with pytest.raises(HostError, match=message) as error:
        node_key.check(root, unlock_key, secretbox.unseal)
    assert str(root / node_key.KEY) in str(error.value)
    assert "hunter2" not in str(error.value)


def test_check_says_whether_it_is_locked(tmp_path: Path) -> None:
    locked = raft_files.make_state(tmp_path / "locked")
    plain = raft_files.make_state(tmp_path / "plain", locked=False)
    assert node_key.check(locked, UNLOCK_KEY, secretbox.unseal)
    assert not node_key.check(plain, None, secretbox.unseal)
    assert not node_key.check(plain, WRONG_KEY, secretbox.unseal)


def test_check_finds_a_key_that_is_not_the_rafts(tmp_path: Path) -> None:
    root = raft_files.make_state(tmp_path / "swarm", wal=raft_files.log(key=OTHER_DEK).data)
    with pytest.raises(HostError, match="entry 1: the key does not open it"):
        node_key.check(root, UNLOCK_KEY, secretbox.unseal)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    root, other = raft_files.make_state(tmp_path / "one"), raft_files.make_state(tmp_path / "two")
    (root / node_key.CERTIFICATE).write_bytes((other / node_key.CERTIFICATE).read_bytes())
    with pytest.raises(HostError, match="not the key of the certificate"):
        opened(root)


def with_headers(root: Path, headers: dict[str, str]) -> None:
    key = core.parse((root / node_key.KEY).read_bytes())
    (root / node_key.KEY).write_bytes(core.render(replace(key, headers=headers)))


def test_a_fips_key_is_refused_by_name(tmp_path: Path) -> None:
    root = raft_files.make_state(tmp_path / "swarm")
    with_headers(root, {"raft-dek": core.encode_record(Record(FERNET, b"x" * 80))})
    with pytest.raises(HostError, match="FIPS"):
        opened(root)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"kek-version": "1"}, "no header raft-dek"),
        ({"raft-dek": "!"}, "no base64"),
        ({"raft-dek": "AAAA"}, "can't be read"),
        ({"raft-dek": core.encode_record(Record(PLAIN, b"short"))}, "no key of 32 bytes"),
        ({"raft-dek": core.encode_record(raft_files.sealed(DEK, b"w" * 32))}, "raft-dek: the unlock key does not open"),
    ],
)
def test_headers_that_cannot_be_opened(tmp_path: Path, headers: dict[str, str], message: str) -> None:
    root = raft_files.make_state(tmp_path / "swarm")
    with_headers(root, headers)
    with pytest.raises(HostError, match=message):
        opened(root)


# -- unlocked --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pending", [None, OTHER_DEK])
def test_unlock_takes_the_lock_off_and_nothing_else(tmp_path: Path, pending: bytes | None) -> None:
    root = raft_files.make_state(tmp_path / "swarm", pending=pending)
    path = root / node_key.KEY
    path.chmod(0o640)
    before, owner = opened(root), path.stat()
    node_key.unlock(root, UNLOCK_KEY, secretbox.unseal)
    after = opened(root, None)
    assert text_of(root).startswith("-----BEGIN PRIVATE KEY-----\n")
    assert (after.deks, after.der) == (before.deks, before.der)
    assert set(after.deks) == ({"raft-dek", "raft-dek-pending"} if pending else {"raft-dek"})
    assert {name: after.key.headers[name] for name in ("kek-version", "flavour")} == {
        "kek-version": "22",
        "flavour": "unknown",
    }
    assert core.decode_record(after.key.headers["raft-dek"]) == Record(PLAIN, DEK)
    found = path.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, owner.st_uid, owner.st_gid)
    assert raft_state.open_raft(root, after.raft_keys, secretbox.unseal).startswith("3 entries")


def test_the_pending_key_comes_first(tmp_path: Path) -> None:
    assert opened(raft_files.make_state(tmp_path / "swarm", pending=OTHER_DEK)).raft_keys == [OTHER_DEK, DEK]


def test_a_key_that_is_not_locked_stays_as_it_is(tmp_path: Path) -> None:
    root = raft_files.make_state(tmp_path / "swarm", locked=False)
    before = text_of(root)
    node_key.unlock(root, "", secretbox.unseal)
    assert text_of(root) == before


def test_what_can_not_be_opened_stays_as_it_is(tmp_path: Path) -> None:
    root = raft_files.make_state(tmp_path / "swarm")
    before = text_of(root)
    with pytest.raises(HostError):
        node_key.unlock(root, WRONG_KEY, secretbox.unseal)
    assert text_of(root) == before
    assert sorted(path.name for path in (root / "certificates").iterdir()) == ["swarm-node.crt", "swarm-node.key"]


def test_a_full_disk_leaves_the_key_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = raft_files.make_state(tmp_path / "swarm")
    before = text_of(root)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HostError, match="No space left"):
        node_key.unlock(root, UNLOCK_KEY, secretbox.unseal)
    assert text_of(root) == before
    assert sorted(path.name for path in (root / "certificates").iterdir()) == ["swarm-node.crt", "swarm-node.key"]
