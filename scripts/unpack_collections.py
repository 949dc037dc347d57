"""Unpack chosen collections out of the community package's wheel.

Usage: unpack_collections.py WHEEL LIST DIRECTORY

LIST names one collection a line (``namespace.name``; ``#`` starts a comment). Each lands in
DIRECTORY/ansible_collections/namespace/name. A name that the wheel lacks is an error.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path


def unpack(wheel: Path, names: list[str], directory: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        members = archive.namelist()
        for name in names:
            prefix = "ansible_collections/{}/".format(name.replace(".", "/"))
            chosen = [member for member in members if member.startswith(prefix)]
            if not chosen:
                sys.exit(f"{wheel.name} holds no collection {name}: see requirements/collections.list")
            archive.extractall(directory, chosen)


def read_names(path: Path) -> list[str]:
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), read_names(Path(sys.argv[2])), Path(sys.argv[3]))
