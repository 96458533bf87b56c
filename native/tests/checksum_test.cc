#include "simulator/checksum.h"

#include <doctest/doctest.h>

#include <vector>

using nvml_mig::simulator::Checksum;

namespace {

std::vector<std::uint8_t> Counting(std::size_t bytes) {
  std::vector<std::uint8_t> out(bytes);
  for (std::size_t i = 0; i < bytes; i++) out[i] = static_cast<std::uint8_t>(7 * i + 3);
  return out;
}

}  // namespace

// Computed outside this project's code, from the definition, in arithmetic without a word size.
TEST_CASE("checksums of known bytes") {
  CHECK(Checksum(nullptr, 0) == 0xebcca935bcb07f5eull);
  const std::vector<std::uint8_t> zeros(64);
  CHECK(Checksum(zeros.data(), 64) == 0xc5e220f6850ad4f4ull);
  const std::vector<std::uint8_t> counting = Counting(2040);
  CHECK(Checksum(counting.data(), 4) == 0xebcca93551bceb24ull);
  CHECK(Checksum(counting.data(), 20) == 0xe7103d4bd521eaeeull);
  CHECK(Checksum(counting.data(), 2040) == 0x4869c5a30f47e16full);
}

TEST_CASE("every single bit counts") {
  std::vector<std::uint8_t> bytes = Counting(256);
  const std::uint64_t whole = Checksum(bytes.data(), bytes.size());
  for (std::size_t bit = 0; bit < bytes.size() * 8; bit++) {
    const auto mask = static_cast<std::uint8_t>(1 << bit % 8);
    bytes[bit / 8] ^= mask;
    CHECK(Checksum(bytes.data(), bytes.size()) != whole);
    bytes[bit / 8] ^= mask;
  }
}
