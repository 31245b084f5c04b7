# Everything from a bare machine: `make run`, `make label`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE # with it every start of a program compiles all its modules
PYTEST := $(BIN)/pytest -n 4 --dist worksteal # on two cores too: much of a test is waiting

FUZZ_SEED := $(or $(LAB2_SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))

QUEUES := tests/aws/sqs/test_message_queue.py tests/cli/test_server.py tests/crash/test_stats.py

HABITUAL := tests/cli/test_client.py tests/cli/test_client_runs.py tests/cli/test_server.py

.PHONY: run label test check matrix fuzz long floors conformance habits boto3 summaries soak bench pictures clean

run: .venv/programs ## numbers answered, on the local emulator
	@$(BIN)/python client.py --local

label: .venv/programs ## pictures labelled, on the local emulator
	@$(BIN)/python hotdog.py --local

test: .venv/programs check ## the checks, and all tests but the long ones
	@sh tests/system-packages.sh
	$(PYTEST) -m "not long"

check: .venv/programs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	for system in linux darwin win32; do $(BIN)/mypy --platform $$system --cache-dir .mypy_cache/$$system || exit 1; done
	$(BIN)/cfn-lint aws.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yml
	$(BIN)/pre-commit validate-config

matrix: .venv/programs ## the crash matrix in full, with its table
	$(BIN)/python tools/matrix.py

fuzz: .venv/programs ## input by chance, other input each time
	@echo "LAB2_SEED=$(FUZZ_SEED) make fuzz repeats this run."
	LAB2_SEED=$(FUZZ_SEED) $(PYTEST) -m fuzz --hypothesis-seed=$(FUZZ_SEED)

long: .venv/programs ## the long tests that are neither matrix, fuzz nor conformance
	@sh tests/system-packages.sh
	$(PYTEST) -m "long and not fuzz" --ignore=tests/crash --ignore=tests/conformance

floors: .venv/programs ## the programs with the oldest and the newest boto3, OpenCV and numpy
	@sh tests/system-packages.sh
	$(BIN)/python tools/floors.py

conformance: .venv/programs ## what we need of AWS, on two implementations; or: ENDPOINT=http://..., ENDPOINT=aws
	@sh tests/system-packages.sh
	$(BIN)/python tools/conformance.py $(ENDPOINT)

habits: .venv/programs ## ordinary tests of the queues, with what AWS does and the emulator does not
	for habits in null,short-receives,empty-polls,stale-attributes redelivery; do \
		LAB2_AWS_HABITS=$$habits $(PYTEST) -m "not long and not exact" $(HABITUAL) || exit 1; \
	done

boto3: .venv/programs ## ordinary tests of the queues with every call made by boto3; all tests: make boto3 TESTS=tests
	LAB2_TRANSPORT=boto3 $(PYTEST) $(or $(TESTS),-m "not long" $(QUEUES))

summaries: .venv/programs ## ten million summaries, compared with the plain exact way
	$(BIN)/python tools/summaries.py

soak: .venv/programs ## five minutes of load: is memory flat?
	$(BIN)/python tests/support/soak.py

bench: .venv/programs ## the tables of bench/RESULTS.md
	@sh tests/system-packages.sh
	$(BIN)/python -m bench

pictures: .venv/programs ## the pictures of the README
	$(BIN)/python tools/pictures.py

clean:
	rm -rf .venv .local .floors .conformance .bench

.venv/programs: requirements.txt requirements-dev.txt
	@echo "Setting up .venv, once (about a minute) ..."
	@if command -v uv >/dev/null; then \
		{ test -x $(BIN)/python || uv venv --quiet --seed --python $(PYTHON) .venv; } && \
		uv pip install --quiet --python $(BIN)/python -r requirements-dev.txt; \
	else \
		{ test -x $(BIN)/python || $(PYTHON) -m venv .venv; } && \
		$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt; \
	fi
	@touch $@
