#!/usr/bin/env bash
# Builds the C++ unit tests with CMake and runs them: native-tests.sh plain | address,undefined | thread
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:-plain}
folder=native/build-tests-${kind//,/-}
sanitize=$([ "$kind" = plain ] || echo "$kind")
cmake -S native -B "$folder" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DMIG_SANITIZE="$sanitize"
cmake --build "$folder" -j 2
ctest --test-dir "$folder" --output-on-failure --no-tests=error -j 2
