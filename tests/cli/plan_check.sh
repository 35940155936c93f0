#!/bin/sh
# Compares what `ocelli plan` says about memory with what `ocelli run` then takes (VmHWM).
#
#   tests/cli/plan_check.sh MODEL [PICTURE...]
#
# Ends with 0 where they differ by at most 10 % (PLAN_TOLERANCE=10), else with 1. OCELLI names the
# program. Small models are dominated by the program itself: this is for full-size ones.
set -eu
ocelli=${OCELLI:-build/release/bin/ocelli}
tolerance=${PLAN_TOLERANCE:-10}
tokens=${PLAN_TOKENS:-16}
if [ $# -lt 1 ]; then
  echo "usage: tests/cli/plan_check.sh MODEL [PICTURE...]" >&2
  exit 2
fi
number() { sed -n "s/^ *\"$1\": \([0-9]*\),\{0,1\}$/\1/p" | head -n 1; }
question="What is in the picture?"
planned=$("$ocelli" plan "$@" -p "$question" -n "$tokens" --json | number peak)
measured=$("$ocelli" run "$@" -p "$question" -n "$tokens" --ignore-eos --json -q | number peak_memory_bytes)
awk -v p="$planned" -v m="$measured" -v t="$tolerance" 'BEGIN {
  d = 100 * (p - m) / m
  printf "plan %.1f MiB, measured %.1f MiB: %+.1f %% (limit %s %%)\n", p / 1048576, m / 1048576, d, t
  exit d > t || d < -t
}'
