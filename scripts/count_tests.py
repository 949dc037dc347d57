"""Sum up pytest's JUnit files: why tests were skipped, then one line ``N passed, N failed, N skipped``.

Usage: count_tests.py FILE...

A test that could not be set up or collected counts as failed.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree


def count(paths: list[Path]) -> None:
    passed = failed = 0
    skipped: Counter[str] = Counter()
    for path in paths:
        # Written a moment ago by our own pytest.
        for case in ElementTree.parse(path).getroot().iter("testcase"):  # noqa: S314
            skip = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
            elif skip is not None:
                skipped[f"{path.stem}: {skip.get('message')}"] += 1
            else:
                passed += 1
    for reason, number in skipped.items():
        print(f"  {number} skipped in {reason}")
    print(f"{passed} passed, {failed} failed, {skipped.total()} skipped")


if __name__ == "__main__":
    count([Path(argument) for argument in sys.argv[1:]])
