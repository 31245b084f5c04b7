# Everything from a bare machine: `make run`, `make label`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE # with it every start of a program compiles all its modules
PYTEST := $(BIN)/pytest -n 4 --dist worksteal # on two cores too: much of a test is waiting

FUZZ_SEED := $(or $(LAB2_SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))

QUEUES := tests/aws/sqs/test_message_queue.py tests/cli/test_server.py tests/crash/test_stats.py

HABITUAL := tests/cli/test_client.py tests/cli/test_client_runs.py tests/cli/test_server.py

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-annotate --upgrade \
	--custom-compile-command 'make locks' pyproject.toml

.PHONY: run label test check locks matrix fuzz long floors conformance habits boto3 soak bench pictures clean

run: .venv/run ## numbers answered, on the local emulator
	@$(BIN)/python client.py --local

label: .venv/label ## pictures labelled, on the local emulator
	@$(BIN)/python hotdog.py --local

test: .venv/dev ## all tests but the long ones
	@sh tests/system-packages.sh
	$(PYTEST) -m "not long"

check: .venv/dev ## formatting, linting, types, templates, declared dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	for system in linux darwin win32; do $(BIN)/mypy --platform $$system --cache-dir .mypy_cache/$$system || exit 1; done
	$(BIN)/cfn-lint aws.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yml
	$(BIN)/pre-commit validate-config
	$(BIN)/deptry lab2 --optional-dependencies-dev-groups dev
	$(BIN)/deptry bench lab2 tests tools --ignore DEP002

locks: .venv/dev ## the newest releases that pyproject.toml allows, pinned for `make`
	$(LOCK) --all-extras -o locks/dev.txt
	$(LOCK) --extra labeller --extra local -c locks/dev.txt -o locks/label.txt
	$(LOCK) --extra local -c locks/dev.txt -o locks/run.txt

matrix: .venv/dev ## the crash matrix in full, with its table
	$(BIN)/python tools/matrix.py

fuzz: .venv/dev ## input by chance, other input each time
	@echo "LAB2_SEED=$(FUZZ_SEED) make fuzz repeats this run."
	LAB2_SEED=$(FUZZ_SEED) $(PYTEST) -m fuzz --hypothesis-seed=$(FUZZ_SEED)

long: .venv/dev ## the long tests that are neither matrix, fuzz nor conformance
	@sh tests/system-packages.sh
	$(PYTEST) -m "long and not fuzz" --ignore=tests/crash --ignore=tests/conformance

floors: .venv/dev ## the programs with the oldest and the newest boto3, OpenCV and numpy
	@sh tests/system-packages.sh
	$(BIN)/python tools/floors.py

conformance: .venv/dev ## what we need of AWS, on two implementations; or: ENDPOINT=http://..., ENDPOINT=aws
	@sh tests/system-packages.sh
	$(BIN)/python tools/conformance.py $(ENDPOINT)

habits: .venv/dev ## ordinary tests of the queues, with what AWS does and the emulator does not
	for habits in null,short-receives,empty-polls,stale-attributes redelivery; do \
		LAB2_AWS_HABITS=$$habits $(PYTEST) -m "not long and not exact" $(HABITUAL) || exit 1; \
	done

boto3: .venv/dev ## ordinary tests of the queues with every call made by boto3; all tests: make boto3 TESTS=tests
	LAB2_TRANSPORT=boto3 $(PYTEST) $(or $(TESTS),-m "not long" $(QUEUES))

soak: .venv/dev ## five minutes of load: is memory flat?
	$(BIN)/python tests/support/soak.py

bench: .venv/dev ## the tables of bench/RESULTS.md
	@sh tests/system-packages.sh
	$(BIN)/python -m bench

pictures: .venv/dev ## the pictures of the README
	$(BIN)/python tools/pictures.py

clean:
	rm -rf .venv .local .floors .conformance .bench

# One lock for each of them, with hashes, for every Python that pyproject.toml takes: `make locks` renews them.
.venv/run .venv/label .venv/dev: .venv/%: locks/%.txt
	@echo "Setting up .venv with $<, once ..."
	@if command -v uv >/dev/null; then \
		{ test -x $(BIN)/pip || uv venv --quiet --seed --allow-existing --python $(PYTHON) .venv; } && \
		uv pip install --quiet --python $(BIN)/python -r $<; \
	else \
		{ test -x $(BIN)/pip || $(PYTHON) -m venv .venv; } && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r $<; \
	fi
	@touch $@
