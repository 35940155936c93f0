#!/bin/sh
# make reference: makes every fixture again with the original libraries and says whether anything changed.
#   PYTHON=.venv-reference/bin/python tools/reference/run.sh
# Without PYTHON a virtual environment is made in .venv-reference (downloads torch; several GB).
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv-reference/bin/python}
if [ ! -x "$python" ]; then
  python3 -m venv .venv-reference
  .venv-reference/bin/pip install -q -r tools/reference/requirements.txt
fi
case $python in /*) ;; *) python=$PWD/$python ;; esac
for script in make_gguf_blocks make_gguf_seeds \
  make_case_table \
  make_rope \
  make_gradients make_adapter_gradients \
  make_images \
  make_images_more \
  make_templates \
  make_conversations make_masks \
  make_tokenizers make_sentencepiece \
  make_processor \
  make_processor_files \
  make_smolvlm \
  make_smollm3 \
  make_adapters \
  make_steps \
  make_scripted \
  make_video \
  make_clips; do
  echo "== $script"
  (cd tools/reference && HF_HUB_OFFLINE=1 "$python" "$script.py")
done
if [ -x build/release/tests/hub/ocelli_hub_server ]; then
  echo "== hub_roundtrip"
  "$python" tools/reference/hub_roundtrip.py build/release
else
  echo "hub_roundtrip is left out: make build first"
fi
if [ -x build/release/tests/ocelli_parity_test ]; then
  echo "== check_adapters"
  (cd tools/reference && HF_HUB_OFFLINE=1 "$python" check_adapters.py ../../build/release)
else
  echo "check_adapters is left out: make build first"
fi
if [ -n "${LLAMA_CPP:-}" ]; then  # its converter and LLAMA_QUANTIZE, its quantizer
  echo "== make_gguf"
  (cd tools/reference && HF_HUB_OFFLINE=1 "$python" make_gguf.py)
else
  echo "make_gguf is left out: LLAMA_CPP does not say where llama.cpp's source is"
fi
if git diff --quiet -- tests/fixtures src; then
  echo "every fixture is what the originals say"
else
  git diff --stat -- tests/fixtures src
  echo "error: fixtures differ from what the originals say; see the list above" >&2
  exit 1
fi
