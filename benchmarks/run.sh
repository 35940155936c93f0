#!/bin/sh
# make bench: how fast this machine is with models of true size (random weights).
#   benchmarks/run.sh build/release [MODEL ...]     MODEL as random_checkpoint --list; 256M alone
# Checkpoints and GGUF files are made once, in BUILD/bench. Variables:
#   LLAMA_CPP=FOLDER   where llama-bench and llama-mtmd-cli are, if not on PATH
#   PYTHON=PROGRAM     with benchmarks/peers/requirements.txt installed, to write the GGUF files
#   OPENVINO=PROGRAM   a Python with benchmarks/peers/openvino-requirements.txt, to compare with that
#   TRANSFORMERS=PROGRAM   a Python with benchmarks/peers/transformers-requirements.txt, the same
#   THREADS=1,2  ROUNDS=3  COMPARE="--bits 16"   of the comparison (compare.py --help)
#   MICRO=REGEX        which micro-benchmarks (none: ^$)
#   CURVES=no          leave out how cost grows, and two threads against one
# What is left out, and why, is said at the end.
set -eu
cd "$(dirname "$0")/.."
build=${1:?usage: benchmarks/run.sh BUILD [MODEL ...]}
shift
[ $# -gt 0 ] || set -- SmolVLM2-256M
python=${PYTHON:-python3}
threads=${THREADS:-1,$(nproc)}
[ "$threads" != 1,1 ] || threads=1
ocelli=$build/bin/ocelli
micro=$build/benchmarks/micro/ocelli_micro
skipped=""
skip() { skipped="$skipped
  $1"; }

# The option is put back, so that other builds in this folder do not need the library.
if [ ! -x "$micro" ]; then
  if cmake -S . -B "$build" -DOCELLI_BENCHMARKS=ON >/dev/null 2>&1; then
    cmake --build "$build" --target ocelli_micro || true
  fi
  cmake -S . -B "$build" -DOCELLI_BENCHMARKS=OFF >/dev/null
fi
if [ ! -x "$micro" ]; then
  skip "micro-benchmarks: not built (libbenchmark-dev)"
elif [ "${MICRO:-.}" != '^$' ]; then
  echo "== kernels"
  "$micro" --benchmark_filter="${MICRO:-.}"
fi

peers=yes
if [ -n "${LLAMA_CPP:-}" ]; then
  PATH=$LLAMA_CPP:$LLAMA_CPP/bin:$PATH
  export PATH
fi
for tool in "$python" llama-bench llama-mtmd-cli; do
  if ! command -v "$tool" >/dev/null; then
    skip "comparison with llama.cpp: no $tool on PATH (LLAMA_CPP=FOLDER, PYTHON=PROGRAM)"
    peers=""
    break
  fi
done

for model in "$@"; do
  folder=$build/bench/$model
  if [ ! -f "$folder/model.safetensors" ]; then
    "$build/benchmarks/random_checkpoint" "$model" "$folder"
  fi
  echo "== $model"
  "$ocelli" bench "$folder" --width 1024 --height 256
  if [ "${CURVES:-yes}" != no ]; then
    echo "== $model: how cost grows"
    python3 benchmarks/growth.py --ocelli "$ocelli" --model "$folder" -- --weights q8 ||
      skip "growth of $model: failed, see above"
    echo "== $model: two threads against one"
    python3 benchmarks/two_threads.py --ocelli "$ocelli" --model "$folder" -- --weights q8 ||
      skip "two threads of $model: failed or slower, see above"
  fi
  [ -n "$peers" ] || continue
  if [ ! -f "$folder/gguf/text-Q4_0.gguf" ]; then  # the last that is written
    if ! "$python" -c "import gguf, numpy" 2>/dev/null; then
      skip "comparison with llama.cpp: $python lacks benchmarks/peers/requirements.txt"
      peers=""
      continue
    fi
    "$python" benchmarks/peers/write_gguf.py "$folder" "$folder/gguf"
  fi
  openvino=""
  if [ -n "${OPENVINO:-}" ]; then
    if [ -f "$folder/openvino/text-i4.xml" ] ||
      "$OPENVINO" benchmarks/peers/openvino_export.py "$folder" "$folder/openvino"; then
      openvino="--openvino $folder/openvino --python $OPENVINO"
    else
      skip "comparison of $model with OpenVINO: the export failed, see above"
    fi
  fi
  transformers=""
  if [ -n "${TRANSFORMERS:-}" ]; then
    if "$TRANSFORMERS" -c "import torch, transformers" 2>/dev/null; then
      transformers="--transformers $TRANSFORMERS"
    else
      skip "comparison of $model with transformers: $TRANSFORMERS lacks transformers-requirements.txt"
    fi
  fi
  echo "== $model beside its peers"
  # shellcheck disable=SC2086  # several words
  "$python" benchmarks/peers/compare.py --ocelli "$ocelli" --model "$folder" --gguf "$folder/gguf" $openvino \
    $transformers --micro "$micro" --threads "$threads" --rounds "${ROUNDS:-3}" --json "$folder/compare.json" ${COMPARE:-} ||
    skip "parts of the comparison of $model: failed, see above"
done

[ -z "$skipped" ] || echo "
skipped:$skipped"
