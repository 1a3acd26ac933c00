# The commands a person types. The work is CMake's.
PREFIX ?= /usr/local
GENERATOR := $(if $(shell command -v ninja),-G Ninja,)
TESTED = ctest --output-on-failure --no-tests=error

demo_run = build/demo

.PHONY: tour all demo install setup check check-asan check-tsan check-bits check-arm64 fuzz bench format lint clean

all:
	@cmake -S . -B build $(GENERATOR) -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=$(PREFIX) > build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }
	@rm -f build.log
	@cmake --build build

# Trains on digits that the program draws, and shows a few of them with what the model says.
demo: setup all
	@rm -rf $(demo_run)
	@build/soma train recipes/glyphs-mlp.yaml --out $(demo_run) --show

install: all
	@cmake --install build --prefix $(PREFIX)

setup:
	@tools/setup

check: setup all
	@cmake --build build --target tests
	@cd build && $(TESTED)

check-asan:
	@cmake --preset asan $(GENERATOR) > /dev/null
	@cmake --build build-asan --target tests
	@cd build-asan && $(TESTED)

# The tests that start threads. setarch: the sanitizer wants the addresses it knows.
check-tsan:
	@cmake --preset tsan $(GENERATOR) > /dev/null
	@cmake --build build-tsan --target tests
	@cd build-tsan && setarch -R $(TESTED) -L threads

# The same digests from other compilers and levels.
check-bits:
	@set -e; for way in "gcc -O0" "gcc -O3" "clang -O3"; do \
	    set -- $$way; dir=build-bits-$$1$$2; \
	    cmake -S . -B $$dir $(GENERATOR) -DCMAKE_BUILD_TYPE=None -DCMAKE_C_COMPILER=$$1 -DCMAKE_C_FLAGS="$$2" > /dev/null; \
	    cmake --build $$dir --target tests; (cd $$dir && $(TESTED) -L bits); done

check-arm64:
	@cmake --preset arm64 $(GENERATOR) > /dev/null
	@cmake --build build-arm64 --target tests
	@cd build-arm64 && $(TESTED) -L bits

# Readers under libFuzzer, each for SECONDS; what it finds new goes into fuzz/corpus.
SECONDS ?= 60
fuzz:
	@cmake -S . -B build-fuzz $(GENERATOR) -DCMAKE_BUILD_TYPE=Asan -DCMAKE_C_COMPILER=clang -DSOMA_FUZZ=ON -DSOMA_TESTS=OFF -DCMAKE_C_FLAGS=-fsanitize=fuzzer-no-link > /dev/null
	@cmake --build build-fuzz
	@set -e; for name in archive csv image model recipe tar yaml; do ASAN_OPTIONS=detect_leaks=$$([ $$name = yaml ] && echo 0 || echo 1) build-fuzz/fuzz/$$name -max_total_time=$(SECONDS) -max_len=$$([ $$name = tar ] && echo 8192 || echo 4096) -timeout=10 -verbosity=0 -print_final_stats=1 fuzz/corpus/$$name; done # libfyaml leaks a little where it fails

# Draws the chapters' pictures anew.
tour: all
	@for chapter in build/examples/[0-9][0-9]_*; do $$chapter docs/tour/pictures > /dev/null || exit 1; done; rm -f docs/tour/pictures/*.png

bench: all
	@cmake --build build --target bench
	@bench/run $(if $(OPS),--ops)$(if $(NETS),--nets)

SOURCES = $$(git ls-files '*.c' '*.h' | while read f; do [ ! -e "$$f" ] || echo "$$f"; done)

format:
	@clang-format -i $(SOURCES)

# clang-tidy reads compile_commands.json; its errors go to stdout, counts of what .clang-tidy leaves out to stderr.
lint: all
	@tools/check-layers && tools/check-headers
	@clang-format --dry-run -Werror $(SOURCES)
	@clang-tidy --version > /dev/null
	@mkdir -p build/lint && sed 's/ -mmemset-strategy=[^ ]*//' build/compile_commands.json > build/lint/compile_commands.json # an option of GCC alone
	@git ls-files 'src/*.c' 'cli/*.c' | xargs -P 2 -n 4 sh -c 'clang-tidy --quiet -p build/lint "$$@" 2> /dev/null' clang-tidy
	@cppcheck --quiet --error-exitcode=1 --enable=warning,portability --inline-suppr --suppress=nullPointerRedundantCheck --suppress=funcArgOrderDifferent -DSOMA_ISA_PORTABLE -I include -I src src/base src/tensor src/graph src/plan src/exec src/nn src/optim src/data src/io src/train cli

clean:
	@rm -rf build build-*
