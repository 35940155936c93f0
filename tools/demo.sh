#!/bin/sh
# Asks the built-in model about the demonstration pictures and clips: a picture, a word, a count, two
# pictures compared, what happens in a clip, and says how many answers are right.
#   tools/demo.sh build/release/bin/ocelli
# The scenes come from a seed that training never uses (tools/tiny/); the right answers lie beside them.
set -eu
case $1 in /*) ocelli=$1 ;; *) ocelli=$PWD/$1 ;; esac
folder=$(dirname "$0")/../tests/fixtures/tiny
least=14 # as many as the built-in model got right when it was put in
right=0
total=0
# demo.json holds one "files", "question" and "answer" each on a line of its own.
value() { sed -n "s/^ *\"$1\": \"\(.*\)\",\{0,1\}\$/\1/p" "$folder/demo.json"; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
value files > "$work/files"
value question > "$work/questions"
value answer > "$work/answers"
count=$(wc -l < "$work/files")
while [ "$total" -lt "$count" ]; do
  total=$((total + 1))
  files=$(sed -n "${total}p" "$work/files")
  question=$(sed -n "${total}p" "$work/questions")
  expected=$(sed -n "${total}p" "$work/answers")
  # Names without spaces: the words of $files are the arguments.
  answer=$(cd "$folder" && "$ocelli" run -q $files -p "$question" | sed 's/^ *//; s/ *$//')
  mark="wrong, it is: $expected"
  if [ "$answer" = "$expected" ]; then
    right=$((right + 1))
    mark="right"
  fi
  printf '%-24s %-46s %s  (%s)\n' "$files" "$question" "$answer" "$mark"
done
echo "$right of $total right"
[ "$right" -ge "$least" ]
