# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the docker CLI says of a file (26.1), with what to do about it."""

from __future__ import annotations

import pytest
from ansible_collections.flotilla.swarm.plugins.module_utils._core.stack import cli_refusal


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        # on: as a key, of a service, a variable, a label; and at the top.
        ("non-string key in services: true", "a key is a text: write it in quotes"),
        ("non-string key in services.a.environment: true", "a key is a text: write it in quotes"),
        ("non-string key in services.a.labels: <nil>", "a key is a text: write it in quotes"),
        ("non-string key at top level: true", "a key is a text: write it in quotes"),
        ("services.a.environment.A must be a string, number or null", "the value is to be a text: write it in quotes"),
        ("services.a.command.0 must be a string", "the value is to be a text"),
        ("services.a.stop_grace_period Does not match format 'duration'", "like 90s or 1m30s"),
        ("services Additional property größe is not allowed", "a name there takes letters from a to z"),
        ("services.a Additional property foo is not allowed", "docker stack doesn't know that key there"),
        ("services.a Additional property oom_score_adj is not allowed", "it came with Docker 27.1"),
        ("unsupported Compose file version: 2.4", "write version: '3.12'"),
    ],
)
def test_the_mend_follows_the_clis_words(words: str, mend: str) -> None:
    told = cli_refusal.explained(words + "\n")
    assert told.startswith(words + ": ")
    assert mend in told


def test_what_needs_no_mend_stays_as_it_is() -> None:
    assert cli_refusal.explained("services.a.ports must be a list\n") == "services.a.ports must be a list"
