#!/bin/sh
# Trains ocelli-tiny from random numbers with `ocelli train`, in parts of at most 90 minutes.
#   tools/tiny/train.sh WORK     one part; status 0: the model is ready, 7: there is more to do
#   while tools/tiny/train.sh WORK; [ $? -eq 7 ]; do :; done     the whole night
# A part that is cut off at any moment goes on from its last checkpoint when it is started again. The
# model is WORK/model in the end; those of the stages before it are kept. WORK takes up to
# 7 GB; everything is logged in WORK/train.log. In the environment: PROGRAM (build/release/bin/ocelli),
# PYTHON (python3), and for trials CELLS, MIXED, WORDS, SETTLE
# and CLIPS (rows), ASKED (held-out rows) and OPTIONS of train.
set -eu
cd "$(dirname "$0")/../.."
work=$1
program=${PROGRAM:-build/release/bin/ocelli}
python=${PYTHON:-python3}
cells=${CELLS:-120000} # rows of stage 1
mixed=${MIXED:-100000} # of stage 2
words=${WORDS:-80000} # of stage 3
settle=${SETTLE:-100000} # of stage 4
clips=${CLIPS:-80000} # of stage 5
mkdir -p "$work"
log() { echo "$(date -u +%FT%TZ) $*" | tee -a "$work/train.log"; }

data() { # kind rows seed
  [ -e "$work/data-$1/data.jsonl" ] && return
  log "dataset $1, $2 rows"
  "$python" tools/tiny/make_dataset.py "$work/data-$1" --scenes "$2" --seed "$3" --split train \
    --recipe "$1" >> "$work/train.log" 2>&1
}

# Status 7: time is up, and what was done is kept.
stage() { # name, model to begin with, dataset
  name=$1 before=$2 kind=$3
  resume=
  if ls -d "$work/$name"/step-* > /dev/null 2>&1; then
    log "stage $name goes on"
    resume=--resume
  else
    log "stage $name begins"
    rm -rf "${work:?}/$name" # cut off before its first checkpoint
  fi
  status=0
  "$program" train "$before" "$work/data-$kind/data.jsonl" -o "$work/$name" \
    --recipe "tools/tiny/recipes/$name.json" $resume ${OPTIONS:-} >> "$work/train.log" 2>&1 || status=$?
  log "stage $name: status $status"
  [ $status -eq 0 ] || exit $status
  log "stage $name: accuracy on held-out rows (a seed of its own)"
  "$python" tools/tiny/evaluate.py --program "$program" --models "$work/$name/model" \
    --names "$name" --seed 7 --rows "${ASKED:-500}" > "$work/$name/accuracy.md" \
    2>> "$work/train.log" || log "stage $name: could not be asked"
  tee -a "$work/train.log" < "$work/$name/accuracy.md"
  touch "$work/$name/finished"
}

if [ ! -e "$work/0/model.safetensors" ]; then
  log "random weights"
  "$python" tools/tiny/checkpoint.py "$work/0" --seed 1 >> "$work/train.log"
fi
if [ ! -e "$work/1-cells/finished" ]; then
  data cells "$cells" 1
  stage 1-cells "$work/0" cells
  rm -rf "$work/data-cells"
  exit 7
fi
if [ ! -e "$work/2-mixed/finished" ]; then
  data mixed "$mixed" 2
  stage 2-mixed "$work/1-cells/model" mixed
  exit 7
fi
if [ ! -e "$work/3-words/finished" ]; then
  data words "$words" 3
  stage 3-words "$work/2-mixed/model" words
  rm -rf "$work/data-words"
  exit 7
fi
if [ ! -e "$work/4-settle/finished" ]; then
  data settle "$settle" 4
  stage 4-settle "$work/3-words/model" settle
  exit 7
fi
if [ ! -e "$work/5-clips/finished" ]; then
  data clips "$clips" 5
  stage 5-clips "$work/4-settle/model" clips
fi
log "the mean of the last two stages"
"$python" tools/tiny/average.py "$work/model" "$work/4-settle/model" "$work/5-clips/model"
log "the model is $work/model"
