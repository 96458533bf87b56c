#include "layout.h"

#include <cstddef>
#include <cstring>

#include "simulator/checksum.h"
#include "simulator/image_layout.h"
#include "simulator/image_verify.h"

namespace nvml_mig::fuzz {

using namespace simulator;

namespace {

std::size_t RoundUp(std::size_t bytes) {
  return (bytes + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

// A head, then `count` items, made of those that are there, counted around.
void CopyItems(const std::uint8_t* from, std::size_t fromCount, std::uint8_t* to, std::size_t count,
               std::size_t head, std::size_t item) {
  std::memcpy(to, from, head);
  for (std::size_t i = 0; i < count && fromCount != 0; i++) {
    std::memcpy(to + head + i * item, from + head + i % fromCount * item, item);
  }
}

}  // namespace

FileBytes LaidOut(const FileBytes& image, std::uint32_t gpus, std::size_t gap) {
  const auto& old = *reinterpret_cast<const ImageHeader*>(image.data());
  ImageHeader header = old;
  header.gpuCount = gpus;
  header.slotBytes = RoundUp(SlotContentBytes(gpus));
  header.slotOffset[0] = sizeof(ImageHeader) + gap;
  header.slotOffset[1] = header.slotOffset[0] + header.slotBytes + gap;
  header.boardsOffset = header.slotOffset[1] + header.slotBytes + gap;
  header.boardsBytes = sizeof(Node) + gpus * sizeof(GpuBoard);
  header.commonsOffset = header.boardsOffset + RoundUp(header.boardsBytes) + gap;
  header.fileBytes = header.commonsOffset + header.commonsBytes;
  FileBytes laid(header.fileBytes);
  std::memcpy(laid.data(), &header, sizeof(header));
  CopyItems(&image[old.boardsOffset], old.gpuCount, &laid[header.boardsOffset], gpus, sizeof(Node),
            sizeof(GpuBoard));
  for (unsigned slot = 0; slot < 2; slot++) {
    CopyItems(&image[old.slotOffset[slot]], old.gpuCount, &laid[header.slotOffset[slot]], gpus,
              sizeof(Slot) + sizeof(NodeState), sizeof(GpuState));
  }
  std::memcpy(&laid[header.commonsOffset], &image[old.commonsOffset], header.commonsBytes);
  Seal({}, &laid);
  return laid;
}

void Disarm(FileBytes* image) {
  if (image->size() < sizeof(ImageHeader)) return;
  const std::uint64_t at = reinterpret_cast<const ImageHeader*>(image->data())->commonsOffset;
  if (at > image->size() || sizeof(Commons) > image->size() - at) return;
  std::uint8_t* const commons = image->data() + at;
  std::memset(commons + offsetof(Commons, armed), 0, sizeof(Commons::armed));
  std::memset(commons + offsetof(Commons, faults), 0, sizeof(Commons::faults));
}

void Seal(const Head& head, FileBytes* image) {
  if (image->size() < sizeof(ImageHeader)) return;
  auto* header = reinterpret_cast<ImageHeader*>(image->data());
  const auto holds = [&](std::uint64_t at, std::uint64_t length) {
    return at % 4 == 0 && at <= image->size() && length <= image->size() - at;
  };
  if ((head.flags & kStaleBoards) == 0 && holds(header->boardsOffset, header->boardsBytes)) {
    header->boardsChecksum =
        Checksum(image->data() + header->boardsOffset, header->boardsBytes);
  }
  for (const std::uint64_t at : header->slotOffset) {
    Slot slot;
    if ((head.flags & kStaleSlots) != 0 || header->slotBytes < sizeof(slot) ||
        !holds(at, header->slotBytes)) {
      continue;
    }
    std::memcpy(&slot, image->data() + at, sizeof(slot));
    slot.checksum = Checksum(image->data() + at + sizeof(slot), header->slotBytes - sizeof(slot));
    std::memcpy(image->data() + at, &slot, sizeof(slot));
  }
  if ((head.flags & kStaleHeader) == 0) {
    header->headerChecksum = Checksum(header, offsetof(ImageHeader, headerChecksum));
  }
}

}  // namespace nvml_mig::fuzz
