#!/bin/sh
# Asks the built-in model about the demonstration pictures and says how many answers are right.
#   tools/demo.sh build/release/bin/ocelli
# The pictures come from a seed that training never uses (tools/tiny/); the right answers lie beside them.
set -eu
ocelli=$1
folder=$(dirname "$0")/../tests/fixtures/tiny
right=0
total=0
# demo.json holds one "file", "question" and "answer" each on a line of its own.
value() { sed -n "s/^ *\"$1\": \"\(.*\)\",\{0,1\}\$/\1/p" "$folder/demo.json"; }
value file > "${TMPDIR:-/tmp}/ocelli-demo-$$.files"
value question > "${TMPDIR:-/tmp}/ocelli-demo-$$.questions"
value answer > "${TMPDIR:-/tmp}/ocelli-demo-$$.answers"
trap 'rm -f "${TMPDIR:-/tmp}"/ocelli-demo-$$.*' EXIT
count=$(wc -l < "${TMPDIR:-/tmp}/ocelli-demo-$$.files")
while [ "$total" -lt "$count" ]; do
  total=$((total + 1))
  file=$(sed -n "${total}p" "${TMPDIR:-/tmp}/ocelli-demo-$$.files")
  question=$(sed -n "${total}p" "${TMPDIR:-/tmp}/ocelli-demo-$$.questions")
  expected=$(sed -n "${total}p" "${TMPDIR:-/tmp}/ocelli-demo-$$.answers")
  answer=$("$ocelli" run -q "$folder/$file" "$question" | sed 's/^ *//; s/ *$//')
  mark="wrong, it is: $expected"
  if [ "$answer" = "$expected" ]; then
    right=$((right + 1))
    mark="right"
  fi
  printf '%-16s %-42s %s  (%s)\n' "$file" "$question" "$answer" "$mark"
done
echo "$right of $total right"
[ "$right" -ge 8 ]
