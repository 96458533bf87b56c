// Everything that can be wrong with a node.image before its live part is looked at. Each check that
// fails says so in one sentence; what passes may be indexed without further checks.
#ifndef NVML_MIG_SIMULATOR_IMAGE_VERIFY_H
#define NVML_MIG_SIMULATOR_IMAGE_VERIFY_H

#include <cstddef>
#include <cstdint>

#include "image_layout.h"
#include "reason.h"

namespace nvml_mig::simulator {

// Bytes of a slot that hold something: its head, the node's part, then one part per GPU.
constexpr std::uint64_t SlotContentBytes(std::uint32_t gpus) {
  return sizeof(Slot) + sizeof(NodeState) + std::uint64_t{gpus} * sizeof(GpuState);
}

// A slot and the boards may be padded to the next 64-byte boundary, no further.
inline constexpr std::uint64_t kSectionAlignment = 64;

// `header` are the first kImageHeaderBytes of a file that is `fileBytes` long.
[[nodiscard]] bool VerifyHeader(const ImageHeader& header, std::uint64_t fileBytes, Reason* reason);

// `image` starts with a header that passed VerifyHeader.
[[nodiscard]] bool VerifyBoards(const std::uint8_t* image, Reason* reason);

// Whether these bytes are a slot as it was sealed; slotBytes is the header's.
[[nodiscard]] bool SlotIsSealed(const void* slot, std::uint64_t slotBytes);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_IMAGE_VERIFY_H
