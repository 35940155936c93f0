#!/bin/sh
# Cross-compiles the CPU backend and its tests for AArch64 and runs them under qemu: with the dotprod
# and i8mm extensions and without.
#
#   tools/check_arm.sh build/arm [arguments of the test program]
#
# Debian packages: g++-aarch64-linux-gnu, qemu-user, googletest (sources of GoogleTest).
set -eu
out=${1:?usage: tools/check_arm.sh FOLDER [TEST ARGUMENTS]}
shift
root=$(cd "$(dirname "$0")/.." && pwd)
cxx=aarch64-linux-gnu-g++
gtest=/usr/src/googletest/googletest
for tool in "$cxx" qemu-aarch64; do
  command -v "$tool" > /dev/null || { echo "$tool is missing; apt install g++-aarch64-linux-gnu qemu-user googletest" >&2; exit 2; }
done
[ -d "$gtest" ] || { echo "$gtest is missing; apt install googletest" >&2; exit 2; }

mkdir -p "$out"
flags="-std=c++20 -O2 -ffp-contract=off -Wall -Wextra -Wno-unused-parameter -Wno-psabi -pthread
       -I$root/src -isystem $gtest/include -I$gtest"
for file in "$root"/src/base/check.cpp "$root"/src/base/error.cpp "$root"/src/base/utf8.cpp \
            "$root"/src/base/thread_pool.cpp "$root"/src/base/cgroup.cpp "$root"/src/base/memory.cpp \
            "$root"/src/encoding/*.cpp "$root"/src/tensor/*.cpp "$root"/src/backend/reference/*.cpp \
            "$root"/src/backend/cpu/*.cpp "$root"/src/backend/cpu/emulated/none.cpp \
            "$gtest"/src/gtest-all.cc "$gtest"/src/gtest_main.cc; do
  case $file in
    */encoding/*_test.cpp | */tensor/*_test.cpp | */reference/*_test.cpp) continue ;;
    */kernels_neon.cpp) set_flags="-O3 -march=armv8-a" ;;
    */kernels_neon_dotprod.cpp) set_flags="-O3 -march=armv8.2-a+dotprod" ;;
    */kernels_neon_i8mm.cpp) set_flags="-O3 -march=armv8.2-a+dotprod+i8mm" ;;
    *) set_flags="" ;;
  esac
  # One object per folder and name.
  echo "$cxx $(echo $flags) $set_flags -c $file -o $out/$(basename "$(dirname "$file")")_$(basename "$file").o"
done | xargs -P "$(nproc)" -I{} sh -c '{}'
$cxx -static "$out"/*.o -pthread -o "$out/backend_cpu_test" 2> "$out/link.log" || { cat "$out/link.log" >&2; exit 1; }

echo "--- with every extension (qemu -cpu max)"
qemu-aarch64 -cpu max "$out/backend_cpu_test" --gtest_brief=1 "$@"
echo "--- Armv8.0 alone (qemu -cpu cortex-a53)"
qemu-aarch64 -cpu cortex-a53 "$out/backend_cpu_test" --gtest_brief=1 "$@"
