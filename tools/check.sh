#!/bin/sh
# make check: what `make test` does not do. Long; each part can be named: tools/check.sh asan isa
#   asan  every test under AddressSanitizer and UBSan      tsan  under ThreadSanitizer
#   isa   models and kernels with each instruction set forced in turn; NEON under qemu
#   fuzz  one minute of libFuzzer for each target (SECONDS_EACH=...)
set -eu
cd "$(dirname "$0")/.."
jobs=$(nproc)
parts=${*:-asan isa fuzz tsan}
generator=""
command -v ninja >/dev/null && generator="-G Ninja"

build() { # preset
  # shellcheck disable=SC2086
  cmake --preset "$1" $generator >/dev/null
  cmake --build "build/$1" -j "$jobs"
}

for part in $parts; do
  echo "== $part"
  case $part in
    asan | tsan)
      build "$part"
      ctest --test-dir "build/$part" --output-on-failure -j "$jobs" ;;
    isa)
      build release
      for isa in x86-64-v3 avx512 avx512-vnni; do
        echo "-- $isa"
        if OCELLI_ISA=$isa build/release/bin/ocelli doctor --json 2>&1 | grep -q "\"kernels\": \"$isa\""; then
          OCELLI_ISA=$isa ctest --test-dir build/release --output-on-failure -R '^(parity|engine|backend_cpu)'
        else
          echo "$isa: not on this CPU; its kernels run emulated in test backend_cpu"
        fi
      done
      tools/check_arm.sh build/arm ;;
    fuzz)
      build fuzz
      for target in build/fuzz/fuzz/*_fuzz; do
        name=$(basename "$target" _fuzz)
        mkdir -p "build/corpus/$name"
        "$target" -max_total_time="${SECONDS_EACH:-60}" -timeout=5 -rss_limit_mb=2048 "build/corpus/$name" \
          $( [ -d "tests/fixtures/fuzz/$name" ] && echo "tests/fixtures/fuzz/$name" )
      done ;;
    *)
      echo "error: no such part: $part" >&2
      exit 2 ;;
  esac
done
