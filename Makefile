# What can be done with a checkout. Each target installs what it needs: Python packages into build/venv, programs and
# images into the user's cache. hack/ has the work; nothing here needs more than python3 and make.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
BIN := build/venv/bin
FAST_TESTS := $(wildcard tests/unit tests/properties tests/golden)
# What Python has compiled is kept, also where the environment says to keep nothing: each of the hundreds of processes of
# the tests would compile all of its imports again, which takes longer than most tests do.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/pycache

.PHONY: help
help: ## This list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: venv
venv: ## The Python environment in build/venv
	@python3 -m hack.venv

.PHONY: demo
demo: up ## A real cluster scales real workers, with a live table and a report
	@$(BIN)/python -m demo

.PHONY: test
test: ready ## All tests, on a real API server, broker and cluster
	@# In the order of tests/support/sharing.py
	@$(BIN)/pytest tests -n 4 --no-loadscope-reorder

.PHONY: e2e
e2e: ready ## The end-to-end tests alone: make e2e PYTEST_ARGS=--keep-cluster leaves their cluster
	@$(BIN)/pytest tests/e2e $(PYTEST_ARGS)

.PHONY: test-controlplane
test-controlplane: venv ## The tests on a real API server alone; K8S=1.35: on that version's, built from its sources
	@test -z "$(K8S)" -o "$(K8S)" = 1.34 -o -d "hack/tools/kubernetes-$(K8S)" || { echo "error: K8S=$(K8S): only 1.34 and$(patsubst hack/tools/kubernetes-%, %,$(wildcard hack/tools/kubernetes-*)) are built from sources" >&2; exit 1; }
	@python3 -m hack.tool_path >/dev/null
	@$(BIN)/pytest tests/controlplane -n 4 --no-loadscope-reorder

.PHONY: test-chart
test-chart: ready ## The chart alone: templates, rights, releases on a real cluster, an upgrade of the version BEFORE=COMMIT
	@$(BIN)/pytest -m "soak or not soak" tests/unit/chart tests/controlplane/test_chart_install.py \
		tests/controlplane/test_chart_rights.py tests/e2e/test_chart.py tests/e2e/test_releases.py

.PHONY: ready
ready: venv # All that takes minutes is made before the tests, which have time limits
	@python3 -m hack.prerequisites
	@python3 -m hack.testbed prepare

.PHONY: check
check: venv ## Format, lint, types, layers and the quick tests with fewer examples, in under a minute
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(MAKE) --silent --jobs 2 --output-sync types layers
	@# Which tests made it longer is said at its end.
	@QUICK=1 $(BIN)/pytest -q -n 2 -m "not soak and not thorough" --durations 10 --durations-min 1 $(FAST_TESTS)

.PHONY: types layers
types:
	@$(BIN)/mypy
layers:
	@$(BIN)/lint-imports

.PHONY: up
up: ## A cluster with RabbitMQ and the operator in it (CLUSTER=existing: the one of KUBECONFIG)
	@python3 -m hack.testbed up

.PHONY: down
down: ## Take away what `make up` made; the caches stay
	@python3 -m hack.testbed down

.PHONY: images
images: ## The images of the operator and of the reference application
	@python3 -m hack.testbed images

.PHONY: context
context: venv ## The context to build the operator's image from, for several processors: make context INTO=build/context
	@python3 -m hack.release_context $(or $(INTO),build/context) x86_64 aarch64

.PHONY: crds
crds: venv ## Generate the CRD and the chart's copy from the models
	@$(BIN)/python -m hack.crds

.PHONY: dashboards
dashboards: venv ## Generate the Grafana dashboards and the table of docs/metrics.md from code
	@$(BIN)/python -m hack.observability

.PHONY: test-observability
test-observability: venv ## Metrics, rules and dashboards on a real Prometheus that scrapes a real fleet; pictures in build/pictures
	@python3 -m hack.prerequisites pictures
	@python3 -m hack.tool_path >/dev/null
	@$(BIN)/pytest -n 0 tests/unit/metrics tests/unit/chart/test_dashboard.py tests/unit/chart/test_alerts.py tests/unit/chart/test_metrics_table.py
	@PICTURES=$(or $(PICTURES),build/pictures) $(BIN)/pytest -n 0 tests/integration/test_observability.py

.PHONY: grafana
grafana: venv ## A real Grafana and Prometheus with the dashboards, beside `make demo` (needs Docker): make grafana TARGET=127.0.0.1:8080
	@$(BIN)/python -m hack.observability.grafana up --target $(or $(TARGET),127.0.0.1:8080)

.PHONY: bench
bench: venv ## Measure: make bench BENCH=name prints one JSON object a line
	@test -n "$(BENCH)" || { echo "error: say which: make bench BENCH=name" >&2; exit 1; }
	@$(BIN)/python -m bench.$(BENCH)

.PHONY: soak
soak: venv ## A long proof: make soak NAME=faults
	@test -n "$(NAME)" || { echo "error: say which: make soak NAME=faults" >&2; exit 1; }
	@python3 -m hack.prerequisites
	@$(BIN)/pytest tests -m soak -k "$(NAME)"
