# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs for nodes, made of this collection's own modules: what belongs to one, and that its bytes stay the same."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils import _zipapp
from ansible_collections.flotilla.swarm.plugins.module_utils._host.errors import HostError

ROOT = "tried.utils"
FILES = {
    "tried/__init__.py": "",
    "tried/utils/__init__.py": "raise_if_this_is_copied = True\n",
    "tried/utils/other.py": "",
    "tried/utils/_agent/__init__.py": "",
    "tried/utils/_agent/cli.py": """
import json
from .._core import CONSTANT, words
from . import helper

def main(arguments):
    from .._core.deep.late import ANSWER
    print(json.dumps([CONSTANT, words.GREETING, helper.NAME, ANSWER, arguments]))
    return 3
""",
    "tried/utils/_agent/helper.py": "from ..top import NAME\n",
    "tried/utils/_agent/unused.py": "",
    "tried/utils/top.py": "NAME = 'top'\n",
    "tried/utils/_core/__init__.py": "CONSTANT = 'constant'\n",
    "tried/utils/_core/words.py": "GREETING = 'ähoj'\n",
    "tried/utils/_core/deep/__init__.py": "",
    "tried/utils/_core/deep/late.py": "from . import later\nANSWER = later.VALUE\n",
    "tried/utils/_core/deep/later.py": "VALUE = 42\n",
}
EXPECTED = [
    "__main__.py",
    "flotilla/__init__.py",
    "flotilla/_agent/__init__.py",
    "flotilla/_agent/cli.py",
    "flotilla/_agent/helper.py",
    "flotilla/_core/__init__.py",
    "flotilla/_core/deep/__init__.py",
    "flotilla/_core/deep/late.py",
    "flotilla/_core/deep/later.py",
    "flotilla/_core/words.py",
    "flotilla/top.py",
]


def forget() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "tried"]:
        del sys.modules[name]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package whose modules lie in a directory."""
    directory = tmp_path / "checkout"
    for name, text in FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(directory))
    yield directory
    forget()


def build() -> bytes:
    return _zipapp.build(ROOT, "_agent.cli")


def members(data: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.namelist()


@pytest.mark.usefixtures("checkout")
def test_it_holds_what_is_imported_and_nothing_else() -> None:
    assert members(build()) == EXPECTED


@pytest.mark.usefixtures("checkout")
def test_the_package_itself_is_not_copied() -> None:
    with zipfile.ZipFile(io.BytesIO(build())) as archive:
        assert archive.read("flotilla/__init__.py") == b""


@pytest.mark.usefixtures("checkout")
def test_it_runs_alone_with_its_arguments_and_its_status(tmp_path: Path) -> None:
    made = tmp_path / "made.pyz"
    made.write_bytes(build())
    ran = subprocess.run([sys.executable, "-I", "-S", str(made), "run", "all"], capture_output=True, check=False)
    assert (ran.returncode, ran.stdout.decode()) == (
        3,
        '["constant", "\\u00e4hoj", "top", 42, ["run", "all"]]\n',
    )


def test_the_bytes_depend_on_the_sources_alone(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build()
    # Loaded by somebody else in a process that lives on.
    __import__("tried.utils.other")
    __import__("tried.utils._agent.unused")
    assert build() == first
    # As Ansible sends it: in an archive, whose files have other dates and another order.
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(FILES, reverse=True):
            archive.write(checkout / name, name)
    forget()
    monkeypatch.syspath_prepend(str(packed))
    assert build() == first
    assert "packed.zip" in str(sys.modules["tried"].__file__)
    forget()
    monkeypatch.undo()
    monkeypatch.syspath_prepend(str(checkout))
    (checkout / "tried/utils/top.py").write_text("NAME = 'new'\n", encoding="utf-8")
    assert build() != first


@pytest.mark.usefixtures("checkout")
def test_a_module_without_a_source_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    build()
    monkeypatch.setattr(sys.modules["tried.utils.top"].__spec__, "loader", object())
    with pytest.raises(HostError, match=r"the source of tried\.utils\.top can't be had"):
        build()
