# Plumbline's commands. `make help` lists them; README.md tells when to use which.
PYTHON ?= python3
HOST   ?= 127.0.0.1
PORT   ?= 3000
VENV   := .venv
BIN    := $(VENV)/bin
MODEL  ?= house_prices

# BentoML's usage statistics stay off: nothing leaves this machine unasked.
export BENTOML_DO_NOT_TRACK := True
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help serve train test check format lock clean bench flame replay calibrate report metrics-docs grafana
.PHONY: proof-swap proof-drift proof-outcomes
.PHONY: openapi openapi-released proof-contract
.PHONY: audit sbom licences

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

serve: $(VENV)/train.stamp  ## serve on PORT (3000), HOST (127.0.0.1); the first time fetch the data and train
	@$(BIN)/python -m serving.port_check "$(HOST)" "$(PORT)"
	@$(BIN)/python -m training --recipe training.$(MODEL) --if-missing
	@echo "Starting. When it is ready, open http://$(HOST):$(PORT)/ in a browser."
	@exec $(BIN)/bentoml serve service:HousePrices --host $(HOST) --port $(PORT)

train: $(VENV)/train.stamp  ## train, evaluate and, when the gate agrees, publish a new version
	@$(BIN)/python -m training --recipe training.$(MODEL)

test: $(VENV)/dev.stamp  ## everything that CI runs: the checks, then all tests
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest

check: $(VENV)/dev.stamp  ## format, lint, types and import layers
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/dev.stamp  ## format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

grafana: $(VENV)/dev.stamp  ## write monitoring/grafana/plumbline.json, the dashboard to import into Grafana
	@$(BIN)/python -m monitoring.grafana.build

openapi: $(VENV)/dev.stamp  ## write docs/openapi.json from the code, and say whether API_VERSION fits the change
	@$(BIN)/python -m tests.openapi_file

openapi-released: $(VENV)/dev.stamp  ## make the present API the one that later changes must not break (at a release)
	@$(BIN)/python -m tests.openapi_file --released

CASES ?= 10000
proof-contract: $(VENV)/dev.stamp  ## CASES (10,000) requests that schemathesis makes of the OpenAPI document (about 10 minutes)
	@SCHEMATHESIS_CASES=$(CASES) $(BIN)/python -m pytest -s tests/contract/test_schemathesis.py

proof-swap: $(VENV)/dev.stamp  ## 100 swaps under load, 20 of them to broken versions (about 5 minutes)
	@$(BIN)/python -m training --if-missing
	@$(BIN)/python -m benchmarks.swap

proof-outcomes: $(VENV)/dev.stamp  ## outcome alarms: how often wrong, how soon, and when on real sales (about 3 minutes)
	@$(BIN)/python -m benchmarks.outcomes

proof-drift: $(VENV)/dev.stamp  ## false alarms and delays of the drift alarm beside other tools' (about 15 minutes)
	@$(BIN)/python -m benchmarks.drift

calibrate: $(VENV)/dev.stamp  ## what the drift contract of MODEL (house_prices) is worth (options: CALIBRATE=--ignore-below=0.05)
	@$(BIN)/python -m training --if-missing
	@$(BIN)/python -m monitoring.calibrate $(MODEL) $(CALIBRATE)

bench: $(VENV)/dev.stamp  ## speed beside the floor and the peers, into docs/benchmarks (options: make bench BENCH=--quick)
	@$(BIN)/python -m training --if-missing
	@$(BIN)/python -m benchmarks $(BENCH)

flame: $(VENV)/dev.stamp  ## where the time of a request goes: a flame graph into docs/benchmarks (after make bench)
	@$(BIN)/python -m benchmarks.flame

replay: $(VENV)/dev.stamp  ## four years of sales through the real service, and which alarm rang when (about 8 minutes)
	@$(BIN)/python -m benchmarks.replay

.PHONY: bento image test-container
bento: $(VENV)/train.stamp  ## build the Bento of this commit with the versions that the plan names (options: BENTO=--files)
	@$(BIN)/python -m training --if-missing
	@$(BIN)/python -m deploy.bento $(BENTO)

image: $(VENV)/train.stamp  ## build the Bento's image with docker, podman or buildah (options: IMAGE="--name NAME")
	@$(BIN)/python -m training --if-missing
	@$(BIN)/python -m deploy.image $(IMAGE)

test-container: $(VENV)/dev.stamp  ## build and run the image within its limits; root, podman, debootstrap (about 5 minutes)
	@TEST_CONTAINER=1 $(BIN)/python -m pytest tests/container

OUTPUT ?= report.html
report: $(VENV)/train.stamp  ## a page of the prediction log of MODEL, as OUTPUT (report.html); LOG, OUTCOMES and PROFILE name others
	@$(BIN)/python -m monitoring.report $(if $(LOG),--log $(LOG),--model $(MODEL)) --output $(OUTPUT) \
		$(if $(OUTCOMES),--outcomes $(OUTCOMES)) $(if $(PROFILE),--profile $(PROFILE))

RESOLVE = $(BIN)/uv pip compile --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet
COMPILE = $(RESOLVE) pyproject.toml --universal
UPGRADE ?= --upgrade
lock: $(VENV)/dev.stamp  ## resolve the hash-locked requirements anew from pyproject.toml (UPGRADE= keeps what they have)
	$(COMPILE) $(UPGRADE) --extra cpu -o requirements/serve.txt
	$(COMPILE) --extra cpu --extra train -c requirements/serve.txt -o requirements/train.txt
	$(COMPILE) --extra cpu --extra train --extra dev -c requirements/train.txt -o requirements/dev.txt
	$(COMPILE) --extra gpu -c requirements/serve.txt -o requirements/gpu.txt
	$(RESOLVE) --universal requirements/bench.in -c requirements/serve.txt -o requirements/bench.txt
	$(RESOLVE) requirements/bench-mlserver.in -o requirements/bench-mlserver.txt
	$(RESOLVE) --universal requirements/bench-drift.in -o requirements/bench-drift.txt
	$(RESOLVE) --universal requirements/load.in -o requirements/load.txt
	$(RESOLVE) requirements/check-kubernetes.in -o requirements/check-kubernetes.txt

.PHONY: prometheus-rule check-kubernetes
prometheus-rule: $(VENV)/dev.stamp  ## write the PrometheusRule of deploy/kubernetes from monitoring/prometheus
	@$(BIN)/python -m deploy.prometheus_rule

check-kubernetes: $(VENV)/dev.stamp  ## every check of the Kubernetes manifests, with checkov; your own: OVERLAY=folder
	@$(BIN)/python -m deploy.checks $(OVERLAY)
	@$(BIN)/python -m pytest tests/unit/deploy/test_policy.py

metrics-docs: $(VENV)/dev.stamp  ## write docs/metrics.md from the table of metrics
	@$(BIN)/python -m monitoring.metrics_page

.PHONY: load soak faults
load: $(VENV)/dev.stamp  ## 200 users of all kinds for two minutes; exit code by the objectives (LOAD=--users=50)
	@$(BIN)/python -m training --if-missing
	@$(BIN)/python -m tests.load $(LOAD)

soak: $(VENV)/dev.stamp  ## what grows with the requests, and whether within bounds (10 minutes; SOAK=--minutes=60)
	@$(BIN)/python -m training --if-missing
	@$(BIN)/python -m tests.load.soak $(SOAK)

faults: $(VENV)/dev.stamp  ## killed workers, full disks, a million paths ... with figures (about 8 minutes; FAULTS=--only=disk)
	@$(BIN)/python -m training --if-missing
	@$(BIN)/python -m tests.load.faults $(FAULTS)

AUDIT := .cache/audit
audit:  ## known vulnerabilities of the locked packages, from PyPI (before a release; needs the network)
	@test -x $(AUDIT)/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT) \
		&& $(AUDIT)/bin/pip install --quiet --disable-pip-version-check pip-audit; }
	@$(AUDIT)/bin/pip-audit --requirement requirements/serve.txt --require-hashes --disable-pip --strict --progress-spinner off \
		|| { echo "$$AUDIT_ADVICE" >&2; exit 1; }

define AUDIT_ADVICE
Where a vulnerability is named: `make lock` takes newer versions, within what pyproject.toml allows; then `make test`.
Where a package is "not found on PyPI", or nothing answers: nothing was audited, for this machine does not reach PyPI's
own data, which a mirror of packages need not have. Run `make audit` on one that does.
endef
export AUDIT_ADVICE

SBOM ?= sbom.cdx.json
sbom: $(VENV)/dev.stamp  ## bill of materials of the Bento, as SBOM (sbom.cdx.json, CycloneDX 1.6), with the versions of its plan
	@$(BIN)/python -m training --if-missing
	@$(BIN)/python -m release.sbom $(SBOM)

licences: $(VENV)/dev.stamp  ## write docs/licences.md from the installed packages
	@$(BIN)/python -m release.licences

clean:  ## remove the virtual environment and caches (never the model store)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Plumbline needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Cannot make $(VENV): on Debian, apt-get install python3-venv"; exit 1; }

# A stamp is newer than its lock file when the lock is installed.
$(VENV)/%.stamp: requirements/%.txt | $(VENV)/bin/python
	@echo "Installing the $$(grep -c == $<) packages of $< into $(VENV): once, a minute or two ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@
