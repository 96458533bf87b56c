#!/usr/bin/env bash
# Fuzzes the simulator from the kept corpus, then counts the lines that the corpus runs:
#   fuzz.sh [SECONDS] [keep]     SECONDS for each target, 600 if left out
# With `keep` the kept corpus becomes the smallest that reaches what was reached. An input that breaks
# something stays in native/build-fuzz/findings. NVML_MIG_TEST_SEED=N repeats a run's choices.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
keep=${2:-}
seed=${NVML_MIG_TEST_SEED:-$((RANDOM * 32768 + RANDOM + 1))}
build=$PWD/native/build-fuzz
corpus=native/tests/fuzz/corpus
findings=native/build-fuzz/findings
least=80 # per cent of the lines
targets=(calls image)

make -s -j2 -C native/tests/fuzz OUT="$build" "$build"/{fuzzed,covered}/{calls,image}_fuzz
mkdir -p "$findings"

# A program has its node beside it. In memory that is several times as quick, where memory may hold programs.
room=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d)
place() {
  mkdir -p "$room"/{fuzzed,covered}
  cp "$build"/fuzzed/*_fuzz "$room/fuzzed"
  cp "$build"/covered/*_fuzz "$room/covered"
}
place && "$room/fuzzed/calls_fuzz" -help=1 >"$room/log" 2>&1 || {
  rm -rf "$room"
  room=$(mktemp -d)
  place
}
trap 'rm -rf "$room"' EXIT

export UBSAN_OPTIONS=print_stacktrace=1
for target in "${targets[@]}"; do
  mkdir -p "$room/found/$target" "$corpus/$target"
  if ! "$room/fuzzed/${target}_fuzz" -seed="$seed" -max_total_time="$seconds" -max_len=1032 -timeout=10 -print_final_stats=1 \
    -artifact_prefix="$findings/$target-" "$room/found/$target" "$corpus/$target" >"$room/log" 2>&1; then
    grep -vE '^#[0-9]+|NEW_FUNC' "$room/log" | tail -n 100
    echo "# $target: seed $seed, a finding; native/build-fuzz/fuzzed/${target}_fuzz FILE repeats it with the FILE named above"
    exit 1
  fi
  execs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$room/log")
  echo "# $target: seed $seed, $execs inputs in $seconds s, nothing found"
  if [ "$keep" = keep ]; then
    mkdir "$room/kept"
    "$room/fuzzed/${target}_fuzz" -set_cover_merge=1 -use_counters=0 "$room/kept" "$corpus/$target" "$room/found/$target" >"$room/log" 2>&1
    rm -rf "${corpus:?}/$target"
    mv "$room/kept" "$corpus/$target"
  fi
done

for target in "${targets[@]}"; do
  LLVM_PROFILE_FILE="$room/$target.profraw" "$room/covered/${target}_fuzz" "$corpus/$target"/* >"$room/log" 2>&1 ||
    { tail -n 20 "$room/log"; exit 1; }
done
llvm-profdata merge -o "$room/profile" "$room"/*.profraw
llvm-cov export -summary-only -instr-profile="$room/profile" "$room/covered/calls_fuzz" -object "$room/covered/image_fuzz" \
  native/simulator/*.cc | node native/tests/fuzz/coverage.mjs "$least"
