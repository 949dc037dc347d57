"""Sum up pytest's JUnit files: each skipped test with its reason, then one line ``N passed, N failed, N skipped``.

Usage: count_tests.py FILE...

A test that could not be set up or collected counts as failed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree


def count(paths: list[Path]) -> None:
    passed = failed = skipped = 0
    for path in paths:
        # Written a moment ago by our own pytest.
        for case in ElementTree.parse(path).getroot().iter("testcase"):  # noqa: S314
            skip = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
            elif skip is not None:
                skipped += 1
                print(f"  skipped: {case.get('classname')}.{case.get('name')}: {skip.get('message')}")
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")


if __name__ == "__main__":
    count([Path(argument) for argument in sys.argv[1:]])
