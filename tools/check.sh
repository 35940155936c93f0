#!/bin/sh
# make check: what `make test` does not do. Long; each part can be named: tools/check.sh asan isa
#   asan  every test under AddressSanitizer and UBSan      tsan  under ThreadSanitizer
#   isa   models and kernels with each instruction set forced in turn; NEON under qemu
#   fuzz  libFuzzer: 120 seconds for each target (SECONDS_EACH=...), or RUNS_EACH=1000000 runs;
#         FUZZ_TARGETS="json gguf" picks some. A table of what they did comes at the end
set -eu
cd "$(dirname "$0")/.."
jobs=$(nproc)
parts=${*:-asan isa fuzz tsan}
generator=""
command -v ninja >/dev/null && generator="-G Ninja"

build() { # preset [cmake --build's options]
  preset=$1
  shift
  # shellcheck disable=SC2086
  cmake --preset "$preset" $generator >/dev/null
  cmake --build "build/$preset" -j "$jobs" "$@"
}

for part in $parts; do
  echo "== $part"
  case $part in
    asan | tsan)
      build "$part"
      ctest --test-dir "build/$part" --output-on-failure -j "$jobs" ;;
    isa)
      build release
      for isa in x86-64-v3 avx-vnni avx512 avx512-vnni avx512-bf16; do
        echo "-- $isa"
        if OCELLI_ISA=$isa build/release/bin/ocelli doctor --json 2>&1 | grep -q "\"kernels\": \"$isa\""; then
          OCELLI_ISA=$isa ctest --test-dir build/release --output-on-failure -R '^(parity|engine|backend_cpu)'
        else
          echo "$isa: not on this CPU; its kernels run emulated in test backend_cpu"
        fi
      done
      tools/check_arm.sh build/arm ;;
    fuzz)
      build fuzz --target fuzzers
      limit="-max_total_time=${SECONDS_EACH:-120}"
      [ -n "${RUNS_EACH:-}" ] && limit="-runs=$RUNS_EACH"
      table=$(mktemp)
      findings=0
      for target in build/fuzz/fuzz/*_fuzz; do
        name=$(basename "$target" _fuzz)
        case " ${FUZZ_TARGETS:-$name} " in *" $name "*) ;; *) continue ;; esac
        mkdir -p "build/corpus/$name" "build/findings/$name"
        seeds="tests/fixtures/fuzz/$name"
        [ -d "$seeds" ] || seeds=""
        began=$(date +%s)
        result=clean
        # shellcheck disable=SC2086
        "$target" "$limit" -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 \
          -artifact_prefix="build/findings/$name/" "build/corpus/$name" $seeds \
          >"build/findings/$name.log" 2>&1 || { result="FOUND: build/findings/$name.log"; findings=1; }
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "build/findings/$name.log")
        printf '%-16s %12s %8s  %s\n' "$name" "${runs:-?}" "$(($(date +%s) - began))" "$result" | tee -a "$table"
      done
      printf '\n%-16s %12s %8s  %s\n' target runs seconds findings
      cat "$table"
      rm -f "$table"
      [ "$findings" -eq 0 ] ;;
    *)
      echo "error: no such part: $part" >&2
      exit 2 ;;
  esac
done
