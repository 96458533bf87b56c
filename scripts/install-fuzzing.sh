#!/usr/bin/env bash
# Brings what `npm run fuzz` needs of Debian's: clang, its run-time libraries and llvm's coverage tools.
# As root; what is there stays.
set -euo pipefail

can_fuzz() {
  local program
  program=$(mktemp)
  echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
    clang++ -x c++ -fsanitize=fuzzer,address,undefined -fprofile-instr-generate - -o "$program" 2>/dev/null &&
    command -v llvm-cov llvm-profdata >/dev/null
  local result=$?
  rm -f "$program"
  return $result
}

can_fuzz && exit 0
command -v apt-get >/dev/null || { echo 'install-fuzzing: this is no Debian; get clang with libFuzzer, and llvm' >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo 'install-fuzzing: run it as root' >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends clang llvm
# The libraries are a package that is named after the version that clang has.
apt-get install -y -qq --no-install-recommends "libclang-rt-$(clang++ -dumpversion | cut -d. -f1)-dev"
can_fuzz
