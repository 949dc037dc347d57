# Everything a checkout can do. Each target is a script of the same name in scripts/, or a playbook.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help bootstrap engine lab demo test test-fast lint types unit sanity importer molecule oracle contract bench \
	drills drills-test lock lab-down clean

playbook := .venv/bin/ansible-playbook --inventory inventories/local

help: ## Show this list
	@sed -nE 's/^([a-z -]+):.*## (.*)/  make \1|\2/p' Makefile | column -t -s '|'

bootstrap: ## Make .venv and .collections, the Python and the collections that all else runs on
	@scripts/bootstrap

engine: ## Start a Docker Engine, if none answers
	@scripts/check engine

lab: bootstrap engine ## Start the lab: eight bare nodes and a registry on this machine
	@$(playbook) lab/up.yml

demo: bootstrap engine ## From nothing to MediaNest on a swarm of 3 managers and 5 workers, on this machine
	@scripts/demo

test: ## Every check and every test; needs what `make demo` needs
	@scripts/check bootstrap lint types unit importer engine sanity+ molecule oracle contract

test-fast: ## What needs no engine and little time: lint, types, unit
	@scripts/check bootstrap lint+ types unit

lint types unit sanity importer: bootstrap ## One check of `make test`
	@scripts/check $@

molecule: bootstrap engine ## The scenarios on the lab's swarm
	@scripts/check molecule

oracle: bootstrap ## Our reading of stack files held against the docker CLI's, on the running lab
	@scripts/check oracle

contract: bootstrap ## The unit tests' engine held against a real one, the running lab's
	@scripts/check contract

bench: bootstrap ## Measure a no-op of site.yml on the running lab
	@.venv/bin/python benchmarks/noop.py

drills: bootstrap ## Destroy the running lab's nodes, recover them, and print what each recovery took
	@scripts/drills

drills-test: bootstrap ## Backups under load, a restore cut short, the quorum lost, a leak, then everything: on the running lab, and compared
	@source scripts/lib.sh && FLOTILLA_BACKUPS_UNDER_LOAD=20 python -m pytest -s -v \
		molecule/recovery/tests/test_backups.py::test_backups_under_write_load_are_all_restored molecule/recovery/drills

lock: bootstrap ## Lock requirements/*.in again (UPGRADE=1 takes newer versions)
	@scripts/lock $(if $(UPGRADE),--upgrade)

lab-down: bootstrap ## Remove the lab's nodes, registry and network
	@$(playbook) lab/down.yml

clean: ## Remove what was generated: .venv, .collections, .cache, dist
	@rm -rf .venv .collections .cache dist
