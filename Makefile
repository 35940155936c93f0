# What a person types. Plain CMake is underneath (CMakePresets.json) and can be used as it is.
#
#   make demo       build a release and answer questions about pictures with the built-in model
#   make test       build a release and run every test
#   make check      sanitizers, every instruction set, fuzzers (long)
#   make reference  cross-checks against transformers (needs Python; long)
#   make bench      speed on this machine
#   make install PREFIX=/usr/local

BUILD := build/release
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
GENERATOR := $(if $(shell command -v ninja),-G Ninja,)

.PHONY: all demo test check reference bench install setup setup-check clean
all: build

setup:
	@tools/setup.sh

setup-check:
	@tools/setup.sh tools/packages.txt tools/packages-check.txt

$(BUILD)/CMakeCache.txt: | setup
	cmake --preset release $(GENERATOR)

build: setup $(BUILD)/CMakeCache.txt
	cmake --build $(BUILD) -j $(JOBS)

demo: setup $(BUILD)/CMakeCache.txt
	cmake --build $(BUILD) -j $(JOBS) --target ocelli
	tools/demo.sh $(BUILD)/bin/ocelli

test: build
	ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)

check: setup-check
	tools/check.sh

reference: setup
	tools/reference/run.sh

bench: setup-check build
	benchmarks/run.sh $(BUILD)

install: build
	cmake --install $(BUILD) --prefix $(PREFIX)

clean:
	rm -rf build
