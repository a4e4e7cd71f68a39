# SPDX-License-Identifier: GPL-2.0
# What one types. The work is done by the programs in scripts/, which also
# run alone; docs/testing.md tells more.

KDIR	?= /lib/modules/$(shell uname -r)/build
KERNEL	?= 6.12
TEST	?= *

export TEST

all:
	@scripts/module-for $(KDIR)

demo: $(if $(HOST),,setup)
	@scripts/demo $(if $(HOST),host,guest) $(DATA)

test: setup
	@scripts/run-tests

lint: setup
	@scripts/run-tests style 'build-*'

user-tests: setup
	@scripts/run-tests 'page-tree-*' kvsnap

selftest: setup
	@CYCLES=$${CYCLES:-1} RACE_SNAPSHOTS=$${RACE_SNAPSHOTS:-10} \
		scripts/run-tests 'selftest-$(KERNEL)-*'

kunit: setup
	@scripts/run-tests kunit

soak: setup
	@scripts/soak $(KERNEL)

bench: setup
	@scripts/bench

shell: setup
	@scripts/shell $(KERNEL)

setup:
	@scripts/setup

clean:
	rm -rf build

help:
	@echo 'make                     build the module for the running kernel, or'
	@echo '                         with KDIR=directory for that one'
	@echo 'make demo                boot a stock kernel in a guest and snapshot a store'
	@echo '                         DATA=directory: of these files; HOST=1: right here'
	@echo 'make test                everything; a line per stage, the sum at the end'
	@echo 'make selftest            test programs in a guest; KERNEL=6.1, 6.12 or debug,'
	@echo '                         TEST=pattern, FUZZ_SEED=n, FUZZ_STEPS=n,'
	@echo '                         RACE_SNAPSHOTS=n, CYCLES=n'
	@echo 'make kunit               the tests inside the debug kernel'
	@echo 'make user-tests          what runs in user space alone, under the sanitizers'
	@echo 'make lint                style, and builds with all warnings and sparse'
	@echo 'make soak                the fuzzers, for long; FUZZ_STEPS=n'
	@echo 'make bench               figures next to the peers, in build/bench'
	@echo 'make shell               a guest to type into, this tree at /mnt/tree'
	@echo 'make setup               install what is missing'
	@echo 'make clean               remove build/; kernels stay in the cache'

.PHONY: all demo test lint user-tests selftest kunit soak bench shell setup \
	clean help
