# Copyright (c) 2026, the flotilla.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that crashes fails the play with the container's own words, and the old one still serves."""

from __future__ import annotations

from tests.support.lab import Lab

DEPLOY = "playbooks/phase2_production_migration.yml"


def backend_image(lab: Lab) -> str:
    service = lab.inspect("service", "medianest_app-backend")
    return str(service["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"])


def test_crashing_release_fails_the_play_and_the_old_one_serves(lab: Lab) -> None:
    before = backend_image(lab)
    run = lab.playbook(DEPLOY, "-e", "medianest_version=crash")
    assert run.returncode != 0, run.stdout
    assert "medianest_app-backend" in run.stdout
    assert "rolled_back" in run.stdout
    assert "schema migration 0042 failed" in run.stdout
    assert backend_image(lab) == before
    assert "ok, version v1," in lab.fetch()


def test_run_after_it_deploys_the_good_release_again(lab: Lab) -> None:
    run = lab.playbook(DEPLOY)
    assert run.returncode == 0, run.stdout
    assert "ok, version v1," in lab.fetch()


def test_run_with_nothing_to_do_touches_no_service(lab: Lab) -> None:
    before = lab.service_indexes()
    run = lab.playbook(DEPLOY)
    assert run.returncode == 0, run.stdout
    assert lab.service_indexes() == before
