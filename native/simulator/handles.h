// What NVML hands out for devices and instances: integers that say whose they are. They name ids and
// the stamp of the instance, never a place in a table, so one that outlived its instance matches
// nothing, also after another instance got the same ids. Nothing is ever dereferenced.
//
//   bits 63..48  two bytes of the node's id: a handle of another node is no handle here
//        47..44  kind        43..40  GPU        39..36  GPU instance        35..32  compute instance
//        31..0   the instance's stamp; of a GPU four more bytes of the node's id
#ifndef NVML_MIG_SIMULATOR_HANDLES_H
#define NVML_MIG_SIMULATOR_HANDLES_H

#include <cstdint>
#include <cstring>

#include "image_layout.h"

namespace nvml_mig::simulator {

enum class HandleKind : unsigned {
  kGpu = 1,
  kMigDevice = 2,
  kGpuInstance = 3,
  kComputeInstance = 4,
};

struct Handle {
  HandleKind kind;
  unsigned gpu;
  unsigned gpuInstance;      // id; 0 of a GPU
  unsigned computeInstance;  // id; 0 of a GPU or a GPU instance
  std::uint32_t stamp;
};

inline std::uint64_t HandleTag(const ImageHeader& header) {
  std::uint16_t tag;
  std::memcpy(&tag, header.nodeId, sizeof(tag));
  return tag;
}

// Stands where an instance's stamp would.
inline std::uint32_t GpuStamp(const ImageHeader& header) {
  std::uint32_t stamp;
  std::memcpy(&stamp, header.nodeId + 2, sizeof(stamp));
  return stamp;
}

template <class Opaque>
Opaque EncodeHandle(const ImageHeader& header, const Handle& handle) {
  static_assert(sizeof(Opaque) == sizeof(std::uint64_t));
  return reinterpret_cast<Opaque>(
      HandleTag(header) << 48 | static_cast<std::uint64_t>(handle.kind) << 44 |
      std::uint64_t{handle.gpu} << 40 | std::uint64_t{handle.gpuInstance} << 36 |
      std::uint64_t{handle.computeInstance} << 32 | handle.stamp);
}

// False for what cannot be a handle of this node. Whether the instance still lives is another
// question.
inline bool DecodeHandle(const ImageHeader& header, const void* opaque, Handle* handle) {
  const auto bits = reinterpret_cast<std::uint64_t>(opaque);
  *handle = {static_cast<HandleKind>(bits >> 44 & 15), static_cast<unsigned>(bits >> 40 & 15),
             static_cast<unsigned>(bits >> 36 & 15), static_cast<unsigned>(bits >> 32 & 15),
             static_cast<std::uint32_t>(bits)};
  if (bits >> 48 != HandleTag(header) || handle->gpu >= header.gpuCount) return false;
  switch (handle->kind) {
    case HandleKind::kGpu:
      return handle->stamp == GpuStamp(header) && handle->gpuInstance == 0 &&
             handle->computeInstance == 0;
    case HandleKind::kGpuInstance:
      return handle->stamp != 0 && handle->computeInstance == 0;
    case HandleKind::kMigDevice:
    case HandleKind::kComputeInstance:
      return handle->stamp != 0;
  }
  return false;
}

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_HANDLES_H
