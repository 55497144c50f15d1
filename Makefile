# Diptych. `make run` and `make test` do all the set-up that a new machine needs.
#   DEPS=no     install nothing (where there is no apt or no root)
#   RANKS=N     ranks for `make run`      JOB=FILE   job for `make run`
#   PREFIX=DIR  where `make install` puts the two programs

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

DEPS ?= yes
PREFIX ?= /usr/local
JOB ?= jobs/fashion-mnist.yaml
PROGRAMS := .build/release
BUILD := swift build -c release --static-swift-stdlib
PYTHON := .build-python/bin/python

.PHONY: help run test test-cluster torture sanitize build install lint format bench deps test-deps parity report-pictures clean

help:
	@echo "make run      build, then train two teachers and a student on Fashion-MNIST (JOB=, RANKS=)"
	@echo "make test     lint, build, and run every test"
	@echo "make test-cluster   run jobs on a real SLURM cluster of three nodes, made on this machine (root)"
	@echo "make torture  hours of kills, power cuts, failing system calls and fuzzing (KILLS=, SECONDS_EACH=)"
	@echo "make sanitize the tests of what calls C, under the address sanitizer; a part of torture"
	@echo "make build    build diptych and diptych-worker into $(PROGRAMS)"
	@echo "make install  put both programs into PREFIX/bin (PREFIX=$(PREFIX))"
	@echo "make bench    training and forward speed of the two reference networks (TORCH=PYTHON adds the peer)"
	@echo "make parity   compare outputs and all gradients in full with PyTorch (TORCH=PYTHON)"
	@echo "make report-pictures   an audit's report as PNG files, light, dark, narrow, printed and grey (needs chromium, pdftoppm)"
	@echo "make lint     formatting and the direction of imports; make format mends the former"
	@echo "make deps     install the Debian packages that are missing (DEPS=no: only name them)"

run: build
	$(PROGRAMS)/diptych run $(JOB) $(if $(RANKS),--ranks $(RANKS))

build: deps
	$(BUILD) --product diptych
	$(BUILD) --product diptych-worker

install: build
	install -d $(DESTDIR)$(PREFIX)/bin
	install -s -m 755 $(PROGRAMS)/diptych $(PROGRAMS)/diptych-worker $(DESTDIR)$(PREFIX)/bin

deps:
	@scripts/install-packages $(if $(filter no,$(DEPS)),--check) build

test-deps: deps
	@scripts/install-packages $(if $(filter no,$(DEPS)),--check) test

# The tests read our HDF5 files with h5py and its zstd plug-in, from PyPI.
PACKAGES := .build-python/installed

$(PACKAGES):
	python3 -m venv .build-python
	$(PYTHON) -m pip install --quiet --disable-pip-version-check numpy h5py hdf5plugin
	touch $@

test: test-deps lint build $(PACKAGES)
	swift build -c release --build-tests --scratch-path .build-tests
	scripts/test-mpi .build-tests/release/mpi-tests
	DIPTYCH_PYTHON=$(CURDIR)/$(PYTHON) DIPTYCH_PROGRAMS=$(CURDIR)/$(PROGRAMS) \
	    swift test -c release --skip-build --no-parallel --scratch-path .build-tests | scripts/tell-skipped

test-cluster: build
	@scripts/install-packages $(if $(filter no,$(DEPS)),--check) cluster
	swift build -c release --build-tests --scratch-path .build-tests
	scripts/test-cluster

# Hours: every crash point and error of a save, power cuts, KILLS kills of jobs/tiny.yaml and as many requests to stop it,
# random jobs on all rank counts, and SECONDS_EACH seconds of fuzzing for each reader. Prints its figures as lines that begin
# with `torture:`.
# ERRORS="EROFS EACCES" lets the calls of a save fail with these alone.
KILLS ?= 200
SECONDS_EACH ?= 600
ERRORS ?=

torture: test-deps build $(PACKAGES) sanitize
	swift build -c release --build-tests --scratch-path .build-tests
	DIPTYCH_TORTURE=yes DIPTYCH_ERRORS="$(ERRORS)" DIPTYCH_KILLS=$(KILLS) DIPTYCH_PYTHON=$(CURDIR)/$(PYTHON) DIPTYCH_PROGRAMS=$(CURDIR)/$(PROGRAMS) \
	    swift test -c release --skip-build --no-parallel --scratch-path .build-tests \
	    --filter 'ReliabilityTests|ExactnessTests|RandomKillTests'
	SECONDS_EACH=$(SECONDS_EACH) scripts/fuzz

# The modules with C of ours or a shim.h of a library, and the MPI tests, under the address sanitizer, in a build of their own.
# What libhdf5 leaks in files that it refuses is not ours to mend, so leaks are left out of account; the libraries themselves,
# and oneDNN's code made at run time, are not instrumented, but use its heap. -Xcc: also what Swift compiles of the shims'
# headers.
sanitize: test-deps $(PACKAGES)
	DIPTYCH_SANITIZE=yes swift build -c release --sanitize address -Xcc -fsanitize=address --build-tests \
	    --scratch-path .build-asan
	ASAN_OPTIONS=detect_leaks=0 scripts/test-mpi .build-asan/release/mpi-tests
	ASAN_OPTIONS=detect_leaks=0 DIPTYCH_PYTHON=$(CURDIR)/$(PYTHON) DIPTYCH_SANITIZE=yes \
	    swift test -c release --sanitize address -Xcc -fsanitize=address --skip-build --no-parallel \
	    --scratch-path .build-asan

lint:
	swift format lint --strict --recursive --parallel Package.swift Sources Tests
	scripts/check-imports

format:
	swift format --in-place --recursive --parallel Package.swift Sources Tests

bench: build
	bench/run --programs $(PROGRAMS) --long --floor $(if $(TORCH),--torch $(TORCH))
	bench/first-step --programs $(PROGRAMS)

parity: test-deps
	@test -n "$(TORCH)" || { echo "make parity TORCH=PYTHON: name a Python that has torch and diffusers"; exit 64; }
	swift build -c release --build-tests --scratch-path .build-tests
	DIPTYCH_TORCH_PYTHON=$(TORCH) swift test -c release --skip-build --scratch-path .build-tests --filter DiffusionTests

# For looking at after a change to the report's page (docs/report.md).
report-pictures: test-deps
	swift build -c release --build-tests --scratch-path .build-tests
	DIPTYCH_REPORT=$(CURDIR)/.build-report swift test -c release --skip-build --scratch-path .build-tests --filter ReportTests
	scripts/report-pictures .build-report/owner/report.html .build-report

clean:
	rm -rf .build .build-tests .build-fuzz .build-asan .build-python .build-report
