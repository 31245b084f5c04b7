# Everything from a bare machine; `make help` lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE # with it every start of a program compiles all its modules
WORKERS ?= 6 # on two cores too: most of a test is waiting
PYTEST = $(BIN)/pytest -n $(WORKERS) --dist worksteal

SUITES ?= bookworm trixie testing

FUZZ_SEED := $(or $(LAB2_SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))

QUEUES := tests/aws/sqs/test_message_queue.py tests/cli/test_server.py tests/crash/test_stats.py

HABITUAL := tests/cli/test_client.py tests/cli/test_client_runs.py tests/cli/test_server.py

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-annotate --upgrade \
	--custom-compile-command 'make locks' pyproject.toml

.PHONY: help run label test check locks crashes fuzz long versions conformance queues bare soak bench pictures clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: .venv/run ## send numbers; AWS is emulated
	@$(BIN)/python client.py --local

label: .venv/label ## label pictures; AWS is emulated
	@$(BIN)/python hotdog.py --local

test: .venv/dev ## all tests but the long ones and the crash matrix
	@sh tests/system-packages.sh
	$(PYTEST) -m "not long" --ignore=tests/crash

check: .venv/dev ## formatting, linting, types, templates, declared dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	for system in linux darwin win32; do $(BIN)/mypy --platform $$system --cache-dir .mypy_cache/$$system || exit 1; done
	$(BIN)/cfn-lint --template aws.yaml --regions ALL_REGIONS
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yml
	$(BIN)/pre-commit validate-config
	$(BIN)/deptry lab2 --optional-dependencies-dev-groups dev,long
	$(BIN)/deptry bench lab2 tests tools --ignore DEP002

locks: .venv/dev ## the newest releases that pyproject.toml allows, pinned for `make`
	$(LOCK) --extra completion --extra dev --extra labeller --extra local -o locks/dev.txt
	$(LOCK) --all-extras -c locks/dev.txt -o locks/long.txt
	$(LOCK) --extra labeller --extra local -c locks/dev.txt -o locks/label.txt
	$(LOCK) --extra local -c locks/dev.txt -o locks/run.txt

crashes: .venv/dev ## each program killed and disturbed at each of its calls; writes tests/crash/RESULTS.md
	$(BIN)/python -m tools.crashes

fuzz: .venv/dev ## random input, other input each time
	@echo "LAB2_SEED=$(FUZZ_SEED) make fuzz repeats this run."
	LAB2_SEED=$(FUZZ_SEED) $(PYTEST) -m fuzz --hypothesis-seed=$(FUZZ_SEED)

long: .venv/dev .venv/long ## the long tests but those of crashes, fuzz and conformance
	@sh tests/system-packages.sh chromium miller
	$(PYTEST) -m "long and not fuzz" --ignore=tests/crash --ignore=tests/conformance

versions: .venv/dev ## the programs with the oldest and the newest boto3, OpenCV and numpy
	@sh tests/system-packages.sh
	$(BIN)/python -m tools.versions

conformance: .venv/dev ## what lab2 needs of AWS, on two emulators, or ENDPOINT=http://..., aws or stores
	@sh tests/system-packages.sh
	$(BIN)/python -m tools.conformance $(ENDPOINT)

queues: .venv/dev ## the queues' tests with what AWS does and the emulator doesn't, then with every call made by boto3
	for habits in null,short-receives,empty-polls,stale-attributes redelivery; do \
		LAB2_AWS_HABITS=$$habits $(PYTEST) -m "not long and not exact" $(HABITUAL) || exit 1; \
	done
	LAB2_TRANSPORT=boto3 $(PYTEST) -m "not long" $(QUEUES)

bare: .venv/dev ## run and test in bare Debians, as root; or: SUITES="bookworm trixie"
	@sh tests/system-packages.sh debootstrap
	$(BIN)/python -m tools.bare $(SUITES)

soak: .venv/dev ## five minutes of load: memory, connections and file handles stay flat
	$(BIN)/python tests/support/soak.py

bench: .venv/dev ## measure costs and speed; writes bench/RESULTS.md; or: SECTIONS="peers ids"
	@sh tests/system-packages.sh
	$(BIN)/python -m bench $(SECTIONS)

pictures: .venv/dev ## take the screenshots of README and docs again
	$(BIN)/python -m tools.pictures

clean: ## delete what make has set up; the data of --local stay
	rm -rf .venv .versions .conformance .bench

# One lock for each of them, with hashes, for every Python that pyproject.toml takes: `make locks` renews them.
.venv/run .venv/label .venv/dev .venv/long: .venv/%: locks/%.txt
	@echo "Setting up .venv with $<, once ..."
	@if command -v uv >/dev/null; then \
		{ test -x $(BIN)/pip || uv venv --quiet --seed --allow-existing --python $(PYTHON) .venv; } && \
		uv pip install --quiet --python $(BIN)/python -r $<; \
	else \
		{ test -x $(BIN)/pip || $(PYTHON) -m venv .venv; } && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r $<; \
	fi
	@touch $@
