"""Sum up pytest's JUnit files: what failed and where, why tests were skipped, then ``N passed, N failed, N skipped``.

Usage: count_tests.py FILE...

A test that could not be set up or collected counts as failed. Often the end of a long log is all that is kept of it, so
each failure is told here once more, in a few lines.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

MOST_LINES = 12
"""Of one failure."""
WIDEST = 400
"""Characters of one line."""
SAYS_WHY = re.compile(r"fatal: |failed: |\[ERROR\]|Error\b|^assert ")
OF_THE_ERROR = re.compile(r"^E(?: +(.*))?$")


def message(problem: ElementTree.Element) -> list[str]:
    """The lines of the error itself: pytest has all of them in the text, and only its first ones in the attribute."""
    whole = [found[1] or "" for found in map(OF_THE_ERROR.match, (problem.text or "").splitlines()) if found]
    return [line.rstrip() for line in whole or (problem.get("message") or "").splitlines() if line.strip()]


def told(problem: ElementTree.Element) -> list[str]:
    """The few lines of a failure that say most: where it was, its first line, and those that look like a reason.

    A test that ran a playbook has all that the playbook printed in its message.
    """
    lines = message(problem)
    where = [line.strip() for line in (problem.text or "").splitlines() if re.match(r"\S+\.py:\d+: ", line)]
    reasons = [line for line in lines[1:] if SAYS_WHY.search(line)]
    rest = [line for line in lines[1:] if line not in reasons]
    few = [*where[-1:], *lines[:1], *reasons][:MOST_LINES]
    few += rest[len(rest) - max(0, MOST_LINES - len(few)) :]
    return [line[:WIDEST] for line in few]


def count(paths: list[Path]) -> None:
    passed = failed = 0
    skipped: Counter[str] = Counter()
    for path in paths:
        # Written a moment ago by our own pytest.
        for case in ElementTree.parse(path).getroot().iter("testcase"):  # noqa: S314
            skip = case.find("skipped")
            problems = [*case.iter("failure"), *case.iter("error")]
            if problems:
                failed += 1
                print(f"  FAILED in {path.stem}: {case.get('classname')}::{case.get('name')}")
                print(*(f"    {line}" for line in told(problems[0])), sep="\n")
            elif skip is not None:
                skipped[f"{path.stem}: {skip.get('message')}"] += 1
            else:
                passed += 1
    for reason, number in skipped.items():
        print(f"  {number} skipped in {reason}")
    print(f"{passed} passed, {failed} failed, {skipped.total()} skipped")


if __name__ == "__main__":
    count([Path(argument) for argument in sys.argv[1:]])
