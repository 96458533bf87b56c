#!/usr/bin/env bash
# Runs the tests that go through native code with a sanitized addon and simulator:
#   sanitized-tests.sh address,undefined | thread [test files]
# The package loads its native code from build/Release only, so a copy of the tree gets sanitized ones there.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-address,undefined}
shift || true
name=${kind//,/-}
case $kind in
  address*)
    npm run build:asan
    preload="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
    built=native/build-asan
    ;;
  thread)
    npm run build:tsan
    preload=$(gcc -print-file-name=libtsan.so)
    built=native/build-tsan
    ;;
esac
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -co --exclude-standard | tar -c -T - | tar -x -C "$copy"
ln -s "$PWD/node_modules" "$copy/node_modules"
mkdir -p "$copy/build/Release"
find "$built" -name nvml_mig.node -exec cp {} "$copy/build/Release/" \;
find "$built" -name 'libnvidia-ml.so.1' -exec cp {} "$copy/build/Release/" \;
[ -e "$copy/build/Release/nvml_mig.node" ] && [ -e "$copy/build/Release/libnvidia-ml.so.1" ]
cp -r dist "$copy/dist" 2>/dev/null || true
cd "$copy"
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export ASAN_OPTIONS=detect_leaks=1:symbolize=1
export LSAN_OPTIONS=suppressions=$copy/scripts/lsan.supp:print_suppressions=0
export TSAN_OPTIONS=ignore_noninstrumented_modules=1
export NVML_MIG_SANITIZED=$name
[ $# -gt 0 ] || set -- test/addon/*.test.ts test/clients/*.test.ts test/session.test.ts test/transcripts.test.ts
# Preloaded into the tests alone: npm and tap itself end by process.exit(), where all of Node is a leak.
npx tap --disable-coverage --timeout=600 "--test-env=LD_PRELOAD=$preload" "$@"
