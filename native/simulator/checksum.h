// The checksum of node.image. lib/simulator writes images in JavaScript, so the same sum is computed
// there: every step is a 32-bit operation that Math.imul, `>>>` and `|0` express exactly.
//
// The bytes are read as little-endian 32-bit words; every range that is summed is a multiple of four
// bytes. Four lanes start at 0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344. Word i goes into lane
// i mod 4:
//
//   lane = rotl(lane ^ word, 13) * 0x9E3779B1 + 0x7F4A7C15        (all mod 2^32)
//
// and at the end
//
//   lo = (lane0 ^ rotl(lane1, 7)) * 0x85EBCA6B,  lo = lo ^ (lo >>> 16)
//   hi = (lane2 ^ rotl(lane3, 11)) * 0xC2B2AE35,  hi = hi ^ (hi >>> 16)
//
// The sum is hi * 2^32 + lo. It guards against torn and truncated files, not against intent.
#ifndef NVML_MIG_SIMULATOR_CHECKSUM_H
#define NVML_MIG_SIMULATOR_CHECKSUM_H

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace nvml_mig::simulator {

static_assert(std::endian::native == std::endian::little, "node.image is little-endian");

inline std::uint64_t Checksum(const void* bytes, std::size_t length) {
  std::uint32_t lanes[4] = {0x243F6A88u, 0x85A308D3u, 0x13198A2Eu, 0x03707344u};
  const char* at = static_cast<const char*>(bytes);
  for (std::size_t i = 0; i < length / 4; i++) {
    std::uint32_t word;
    std::memcpy(&word, at + 4 * i, 4);
    std::uint32_t& lane = lanes[i % 4];
    lane = std::rotl(lane ^ word, 13) * 0x9E3779B1u + 0x7F4A7C15u;
  }
  std::uint32_t lo = (lanes[0] ^ std::rotl(lanes[1], 7)) * 0x85EBCA6Bu;
  std::uint32_t hi = (lanes[2] ^ std::rotl(lanes[3], 11)) * 0xC2B2AE35u;
  lo ^= lo >> 16;
  hi ^= hi >> 16;
  return static_cast<std::uint64_t>(hi) << 32 | lo;
}

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_CHECKSUM_H
