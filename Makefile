# One command for each thing that people, hooks and CI do. `make` alone lists them.

PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready
TORCH := $(shell grep '^torch==' constraints.txt)
CHROMIUM_PACKAGES := chromium chromium-driver fonts-liberation
WITHOUT_CLUSTER := /etc/postgresql-common/createcluster.d/without-cluster.conf
SLURM_PACKAGES := slurmctld slurmd slurm-client munge openssh-server openssh-client rsync curl

.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow test-skypilot test-skypilot-contract check format bench docs pictures ui debian debian-slurm debian-postgres

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 34

setup: $(READY) ## Make .venv with the pinned packages.

# torch first and alone: its exact version names the CPU build, a range would bring several GB of CUDA packages.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[trainer,orchestrator,postgres,skypilot,tensorboard,dev]'
	touch $(READY)

run: $(READY) ## Run the main job on the defaults: train, evaluate, analyze; then where everything is.
	$(BIN)/axiom run arena

test: $(READY) ## Run the tests (the browser's skip where chromium is missing; `make debian` installs it).
	$(BIN)/python -m pytest -m "not slow and not skypilot" -n auto --dist loadfile --no-loadscope-reorder

test-slow: $(READY) ## Run the tests that take longer than a minute each, or are many of a kind; on all cores.
	$(BIN)/python -m pytest -m "slow and not skypilot" -n auto --dist worksteal

test-skypilot: $(READY) ## Run whole trainings through real SkyPilot launches, as root (after `make debian-slurm`).
	$(BIN)/python -m pytest -m "skypilot and not slow" --durations=9

test-skypilot-contract: $(READY) ## Hold the real SkyPilot to all that is promised of it, in both modes; about ten minutes.
	$(BIN)/python -m pytest -m "skypilot and slow" --durations=9

check: $(READY) ## Check format, lint, types and the direction of imports.
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(READY) ## Format, and fix what can be fixed.
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(READY) ## Run the benchmarks and keep their tables in benchmarks/RESULTS.md.
	$(BIN)/python -m benchmarks

docs: $(READY) ## Make docs/spec.md and docs/manifest.schema.json anew from the models.
	$(BIN)/axiom spec reference > docs/spec.md
	$(BIN)/axiom spec schema --manifest > docs/manifest.schema.json

pictures: $(READY) ## Take the pictures of docs/pictures anew, by the browser's tests; look at them.
	AXIOM_PICTURES=docs/pictures $(BIN)/python -m pytest -m browser --basetemp=/tmp/axiom tests/end_to_end

ui: $(READY) ## Start the Dagster UI on http://127.0.0.1:3000.
	$(BIN)/axiom ui

debian-slurm: ## Install the Debian packages of the SkyPilot tests, as root; they may start services of their own.
	command -v slurmctld >/dev/null && command -v munged >/dev/null && command -v sshd >/dev/null && command -v rsync >/dev/null || \
	{ apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends $(SLURM_PACKAGES); }

# The package would make a cluster and start it; what it is told here is taken back afterwards.
debian-postgres: ## Install Debian's PostgreSQL for the test of a shared deployment, as root; it starts no service.
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || \
	{ apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends postgresql-common && \
	  mkdir -p $(dir $(WITHOUT_CLUSTER)) && echo 'create_main_cluster = false' >$(WITHOUT_CLUSTER) && \
	  { apt-get install --yes --quiet=2 --no-install-recommends postgresql; code=$$?; rm $(WITHOUT_CLUSTER); exit $$code; }; }

debian: ## Install the Debian packages of the browser tests, as root.
	command -v chromium >/dev/null && command -v chromedriver >/dev/null || \
	{ apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends $(CHROMIUM_PACKAGES); }
