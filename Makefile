# Needs make and Python 3.13, nothing else: run, test and check prepare .venv by themselves. A C++ compiler builds native/.

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
PIP_INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --quiet --index-strategy unsafe-best-match --generate-hashes --universal \
	--python-version 3.13 --no-header

# The one place that states it.
VERSION := $(shell sed -n 's/^VERSION = "\(.*\)"$$/\1/p' shared/settings.py)

# The package whose admin process is run.
PACKAGE := dist/dozen.zip

# The tests run in several processes, each with a mongod and servers of its own; a file alone starts sooner without.
# A MongoDB that is given cannot be shared.
DEPTH ?= quick
WORKERS := $(if $(TEST_MONGO_DB_URI)$(findstring .py,$(T)),,--numprocesses=auto --maxprocesses=8 --dist=worksteal)
COVERAGE := $(if $(T),,$(if $(filter full,$(DEPTH)),--cov --cov-report=term))

# The copies of the locks that are installed in .venv: what serves here, and what tests and checks need beside it.
RUNNABLE := $(VENV)/requirements-run.txt
READY := $(VENV)/requirements-dev.txt

# Says at which time something begins that takes a while.
SAY = @printf '%s  %s\n' "$$(date +%T)"

# Before each installation: Ctrl-C is said in a line, and two installations wait for each other where there is flock.
GUARDED = @trap 'echo "stopped; run make again to go on" >&2; exit 130' INT; \
	exec 9<Makefile; ! command -v flock >/dev/null || flock -n 9 || { echo 'another make installs here: waiting for it'; flock 9; }
NOT_INSTALLED = { echo "pip could not install: is there a network, does a proxy work, and is there space on the disk (README.md)?" >&2; exit 1; }

# Says that native/ was built, or could not be: tried again only when its sources or tools have changed, and at make native.
COMPILED := $(VENV)/native

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run func test twins torture haproxy fuzz fuzz-native test-mongo docs check check-bicep check-locks check-tag fix bench bench-connections lock clean
.PHONY: package package-twice package-azd sbom audit smoke admin image image-smoke image-test image-scan image-push
.PHONY: native check-package

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(COMPILED) ## Serve the API here, with a MongoDB and sample data
	@$(PYTHON) -m local

func: $(COMPILED) ## Serve it in Azure's own host, by func start, on LISTEN_PORT
	@$(PYTHON) -m local.core_tools

test: export DEPTH := $(DEPTH)
test: export PYTHONDONTWRITEBYTECODE := # empty: else each of hundreds of processes compiles all modules anew
test: $(READY) $(COMPILED) ## Run all tests against real servers; T=tests/test_log.py some, DEPTH=full as a commit must pass them
	$(PYTHON) -m pytest $(WORKERS) --durations=10 $(COVERAGE) $(T)

# The same calls for the same SEED.
N ?= 20000
SEED ?= 0
CHECK ?= twins

twins: $(READY) $(COMPILED) ## Ask N=100000 random calls of SEED=3 whether they tell apart what rules hide; CHECK=writes beside a model
	$(PYTHON) -m tests.twins --calls $(N) --seed $(SEED) --check $(CHECK)

torture: $(READY) $(COMPILED) ## Measure what docs/reliability.md promises under failure and load; T="failover soak" some of it
	$(PYTHON) -m tests.torture --seed $(SEED) $(T)

haproxy: ## Install HAProxy where it is missing, by apt-get: make torture measures through it, too
	@command -v haproxy /usr/sbin/haproxy >/dev/null || sudo apt-get install -qq -y --no-install-recommends haproxy

fuzz: N = 1000000
fuzz: $(READY) $(COMPILED) ## Send N=1000000 random requests of SEED=0 to the parser and the rules, and a tenth of them over HTTP
	$(PYTHON) -m tests.torture --cases $(N) --seed $(SEED) fuzz

fuzz-native: N = 100000
fuzz-native: $(READY) ## Compare native code, compiled with sanitizers, with Python on N=1000000 random batches of SEED=3
	$(PYTHON) -m tests.native_fuzz --cases $(N) --seed $(SEED)

test-mongo: $(READY) ## Run all tests against MONGO=7 or MONGO=8 from its container, with docker
	infra/with_mongo.sh $(MONGO) $(MAKE) --no-print-directory test

check: $(READY) ## Check format, lint, types, imports, pipeline, images, infrastructure and locks
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --regex-variant python --builtin-schema vendor.azure-pipelines \
		--data-transform azure-pipelines azure-pipelines.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/hadolint Dockerfile
	$(PYTHON) -m infra.bicep
	@$(MAKE) --no-print-directory check-locks

check-bicep: ## Compile and lint infra/*.bicep with the Azure CLI, which the pipeline has
	az bicep build --file infra/main.bicep --stdout >/dev/null
	az bicep lint --file infra/main.bicep

check-tag: ## See that TAG=v1.2.3 is the version that the code states
	@test "$(TAG)" = "v$(VERSION)" || { echo "the tag $(TAG) is not v$(VERSION), which shared/settings.py states" >&2; exit 1; }

# Compiles over copies of the locks: their pins are kept as long as requirements*.in allow them, so that a release of
# today changes nothing. Without a network there is nothing to compile with; tests/test_repository.py still compares names.
check-locks: $(READY)
	@for name in requirements requirements-run requirements-dev; do \
		again=$(VENV)/$$name.again.txt; \
		cp $$name.txt $$again; \
		if ! $(COMPILE) $$name.in -o $$again 2>$(VENV)/compile.log; then \
			grep -q 'Failed to fetch' $(VENV)/compile.log || { cat $(VENV)/compile.log >&2; exit 1; }; \
			echo "$$name.txt: not compared, the package index is out of reach"; \
			continue; \
		fi; \
		for file in $$name.txt $$again; do \
			sed -n '/^[a-z0-9]/s/ *\\$$//p' $$file > $(VENV)/$$(basename $$file).pins; \
		done; \
		diff $(VENV)/$$name.txt.pins $(VENV)/$$name.again.txt.pins \
			|| { echo "$$name.txt does not follow from $$name.in: run make lock" >&2; exit 1; }; \
		echo "$$name.txt follows from $$name.in"; \
	done

fix: $(READY) ## Format the code and mend what ruff can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: $(READY) ## Make a site of docs/ in dist/site, and check its links
	$(PIP_INSTALL) -r docs/requirements.txt
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

bench: $(READY) $(COMPILED) ## Measure against the other ways to do the same
	$(PIP_INSTALL) -r bench/requirements.txt
	$(PYTHON) -m bench

bench-connections: $(READY) $(COMPILED) ## Open the connections of many processes and count them
	$(PYTHON) -m bench.connections

lock: $(READY) ## Compile the locks; UPGRADE=--upgrade takes the newest versions
	$(COMPILE) $(UPGRADE) requirements.in -o requirements.txt
	$(COMPILE) $(UPGRADE) --constraints requirements.txt requirements-run.in -o requirements-run.txt
	$(COMPILE) $(UPGRADE) --constraints requirements-run.txt requirements-dev.in -o requirements-dev.txt

native: $(RUNNABLE) ## Build native/ and install it in .venv, which run, test and bench do by themselves
	@rm -f $(COMPILED)
	$(PYTHON) -m infra.native
	@touch $(COMPILED)

package: $(READY) ## Build dist/dozen.zip, which Azure runs
	$(PYTHON) -m infra.package

package-twice: package ## Build the package again and see that the bytes are the same
	$(PYTHON) -m infra.package dist/again.zip
	cmp dist/dozen.zip dist/again.zip && rm dist/again.zip

check-package: $(READY) ## See that dist/dozen.zip holds native/, and that it loads on Azure's Linux
	$(PYTHON) -m infra.azure_linux dist/dozen.zip

package-azd: package ## Lay the package out in dist/azd, which azd up zips and deploys
	rm -rf dist/azd
	$(PYTHON) -m zipfile -e dist/dozen.zip dist/azd
	@echo '# empty: without this file azd leaves every __pycache__ out' > dist/azd/.funcignore

sbom: $(READY) ## Write dist/sbom.json: what a release is made of, as CycloneDX
	@mkdir -p dist
	@sed 's/^dynamic = .*/version = "$(VERSION)"/' pyproject.toml > dist/project.toml
	$(BIN)/cyclonedx-py requirements requirements.txt --pyproject dist/project.toml --output-reproducible -o dist/sbom.json
	@rm dist/project.toml

audit: $(READY) ## Ask PyPI for known holes in the locked packages; fails too where it cannot ask
	$(BIN)/pip-audit --strict --disable-pip --no-deps -r requirements.txt

smoke: $(READY) ## Ask the deployment at URL=https://... whether it serves this version
	$(PYTHON) -m infra.smoke $(URL)

admin: | $(PYTHON) ## Run ARGS="keys list" as a one-off process of PACKAGE, dist/dozen.zip
	@PYTHON=$(PYTHON) infra/admin.sh "$(PACKAGE)" $(ARGS)

image: ## Build both images with docker
	infra/image.sh build $(VERSION)

image-smoke: $(READY) ## Start both images with docker, ask them, run an admin process, stop them
	infra/with_mongo.sh 8 infra/image.sh smoke $(VERSION)

image-scan: ## Look for known holes in both images
	infra/image.sh scan $(VERSION)

image-push: ## Push both images to REGISTRIES="one.azurecr.io docker.io/me"
	infra/image.sh push $(VERSION) $(REGISTRIES)

image-test: $(READY) ## Build both images with buildah on stand-ins, start, call and stop them; needs root
	$(PYTHON) -m tests.image

clean: export OURS = $(CURDIR)/$(BIN)/python
clean: ## Remove all that was built; your data and settings stay
	@ps -ww -eo pid=,args= 2>/dev/null | awk '{ run = $$0; sub(/^ *[0-9]+ /, "", run); ours = ENVIRON["OURS"] } \
		index(run, ours) == 1 && substr(run, length(ours) + 1) ~ /^[^ ]* (.* )?-m (server|local)/ { print; found = 1 } \
		END { exit found }' || { echo "stop this process first, which runs from $(VENV)" >&2; exit 1; }
	rm -rf $(VENV) dist bench/results .coverage .coverage.* coverage.xml junit.xml .python_packages
	rm -rf native/build native/*.egg-info native/*/*.cpp
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

$(COMPILED): $(RUNNABLE) infra/native.py $(wildcard native/*.toml native/*/*.p* native/*/*.h)
	$(SAY) 'building native/, which takes a minute or less'
	$(GUARDED); $(PYTHON) -m infra.native || true; touch $@

$(RUNNABLE): requirements-run.txt | $(PYTHON)
	$(SAY) 'installing what Dozen needs to run in $(VENV), which takes a minute where nothing is there yet'
	$(GUARDED); $(PIP_INSTALL) --require-hashes -r $< || $(NOT_INSTALLED); cp $< $@

$(READY): requirements-dev.txt | $(RUNNABLE)
	$(SAY) 'installing what tests and checks need in $(VENV), which takes a minute or two where nothing is there yet'
	$(GUARDED); $(PIP_INSTALL) --require-hashes -r $< || $(NOT_INSTALLED); cp $< $@

$(PYTHON):
	$(SAY) 'making $(VENV)'
	$(GUARDED); test ! -x $@ || exit 0; \
	trap 'rm -rf $(VENV); echo "stopped; run make again to go on" >&2; exit 130' INT; \
	for python in python3.13 python3; do \
		if $$python -c 'import ensurepip, sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then \
			said=$$($$python -m venv $(VENV) 2>&1) && exit 0; \
			echo "$(VENV) could not be made: $$said" >&2; rm -rf $(VENV); exit 1; \
		fi; \
	done; \
	echo "Dozen needs Python 3.13 with venv: install it, for example with 'pyenv install 3.13', and run make again." >&2; \
	exit 1
