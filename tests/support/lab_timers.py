# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The timers of the backups on the lab's nodes, held still while tests look on.

One that comes due in the middle of a test makes the newest snapshot, and stops a manager's engine, for nobody.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.support.lab import MANAGERS, WORKERS, Lab

TIMERS = ("flotilla-backup.timer", "flotilla-verify.timer")
RUN_DEADLINE = 300
"""Seconds for a run to end that began before."""

_RELOAD = """
systemctl daemon-reload
for timer in $timers; do
  if [ -e /etc/systemd/system/$timer ]; then systemctl try-restart $timer; fi
done
"""
# A timer stays enabled and active, so that the collection finds nothing to change. It is held in /etc, because nodes
# restart, and before there is one, because a playbook may bring it. The name sorts before test_timers' own.
_HOLD = f"""
for timer in $timers; do
  mkdir -p /etc/systemd/system/$timer.d
  printf '[Timer]\\nOnCalendar=\\nOnCalendar=2199-01-01\\n' > /etc/systemd/system/$timer.d/10-held.conf
done
{_RELOAD}
runs="systemctl list-units --no-legend --state=activating flotilla-backup@* flotilla-verify@*"
timeout {RUN_DEADLINE} sh -c "while $runs | grep -q .; do sleep 1; done"
"""
# A persistent timer makes up for a turn that is later than its stamp.
_RELEASE = f"""
for timer in $timers; do
  rm -f /etc/systemd/system/$timer.d/10-held.conf
  if [ -e /var/lib/systemd/timers/stamp-$timer ]; then touch /var/lib/systemd/timers/stamp-$timer; fi
done
{_RELOAD}
"""


def hold(lab: Lab, *nodes: str) -> None:
    """From here on nothing is backed up or verified on these nodes (all where none is named) but by a test."""
    _each(lab, nodes, _HOLD)


def release(lab: Lab, *nodes: str) -> None:
    """The timers run again as the collection set them."""
    _each(lab, nodes, _RELEASE)


def _each(lab: Lab, nodes: tuple[str, ...], script: str) -> None:
    script = f"set -e; timers='{' '.join(TIMERS)}'; {script}"
    with ThreadPoolExecutor(max_workers=len(MANAGERS) + len(WORKERS)) as pool:
        list(pool.map(lambda node: lab.run(node, script), nodes or (*MANAGERS, *WORKERS)))
