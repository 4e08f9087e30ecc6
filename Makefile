# Two commands: `make demo` and `make test`. Each sets up its own environment in .venv.
PYTHON ?= python3
# What to install as torch; e.g. make test TORCH="torch torchvision --index-url URL" for a CPU build.
TORCH ?= torch torchvision
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: demo test lint types web clean

demo: $(VENV)/.runtime
	$(BIN)/region-fields demo --out demo_out

test: lint types web
	$(BIN)/python -m pytest tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

web:
	tools/check_web.sh

$(VENV)/.torch: Makefile
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Region Fields needs Python 3.10 or newer.")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install $(TORCH)
	$(PIP) install "setuptools>=77" wheel
	touch $@

# sam2 is built without isolation: an isolated build would download a second torch.
$(VENV)/.runtime: $(VENV)/.torch pyproject.toml requirements.txt
	SAM2_BUILD_CUDA=0 $(PIP) install --no-build-isolation -r requirements.txt
	$(PIP) install --no-build-isolation --no-deps -e .
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(PIP) install --no-build-isolation -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) node_modules demo_out build *.egg-info
