#!/bin/sh
# Asks about the 20 pictures that training has not seen and counts right answers.
#   ask.sh OCELLI FOLDER [further arguments of ocelli run, such as -m MODEL or --adapter DIR]
set -eu
ocelli=$1
folder=$2
shift 2
"$ocelli" run -q "$@" "$folder"/test/*.png -p "Which flag is this?" --jsonl |
  sed -n 's|^.*"files":\["[^"]*/\([a-z]*\)-[0-9]*\.png"\].*"answer":"\([^"]*\)".*$|\1 \2|p' |
  awk '{ asked++; truth = $1; sub(/^[^ ]* /, ""); if ($0 == truth) right++; else wrong[truth " taken for: " $0]++ }
       END { for (w in wrong) print w; printf "%d of %d right\n", right, asked }'
