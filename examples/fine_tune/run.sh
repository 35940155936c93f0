#!/bin/sh
# The tutorial of docs/tutorial-fine-tuning.md from beginning to end.
#   examples/fine_tune/run.sh OCELLI OUT
# Draws the pictures, asks about the test ones, trains, asks again; fails where fewer than 16 of the 20
# answers are right afterwards. PYTHON (python3) needs Pillow.
set -eu
ocelli=$1
out=$2
here=$(dirname "$0")
"${PYTHON:-python3}" "$here/make_flags.py" "$out"
echo "before:"
"$here/ask.sh" "$ocelli" "$out"
"$ocelli" train ocelli-tiny "$out/train.jsonl" -o "$out/out" --recipe "$here/recipe.json"
echo "after:"
"$here/ask.sh" "$ocelli" "$out" -m "$out/out/model" | tee "$out/after.txt"
[ "$(sed -n 's/^\([0-9]*\) of 20 right$/\1/p' "$out/after.txt")" -ge 16 ]
