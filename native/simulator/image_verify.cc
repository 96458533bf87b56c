#include "image_verify.h"

#include <cstring>

#include "checksum.h"

namespace nvml_mig::simulator {
namespace {

struct Section {
  const char* name;
  std::uint64_t offset;
  std::uint64_t bytes;
};

bool Terminated(const char* text, std::size_t size) { return std::memchr(text, 0, size) != nullptr; }

// The listed starts of a profile, each inside `units`. A profile may list none: then nobody knows
// where it goes, and it is reported but never created.
bool PlacementsFit(const std::uint8_t* starts, std::uint32_t count, std::uint32_t size,
                   std::uint32_t units) {
  if (count == 0) return true;
  if (count > sizeof(GpuInstanceProfile::starts) || size == 0 || size > units) return false;
  for (std::uint32_t i = 0; i < count; i++) {
    if (starts[i] + size > units) return false;
  }
  return true;
}

// Compute slots of a GPU instance; a whole eight-slice board in aligned slots has the most.
constexpr std::uint32_t kMaxComputeSlots = 8;
// A set of placement units is kept in 32 bits; ids of a board's instances stay below 15.
constexpr std::uint32_t kMaxMemorySlices = 32;
constexpr std::uint32_t kMaxGpuInstanceIds = 15;

bool ProfileIsSound(const GpuBoard& board, const GpuInstanceProfile& profile) {
  constexpr std::uint32_t computeProfiles =
      sizeof(profile.computeProfiles) / sizeof(profile.computeProfiles[0]);
  if (!PlacementsFit(profile.starts, profile.startCount, profile.placementSize,
                     board.memorySlices) ||
      profile.computeProfileCount > computeProfiles ||
      profile.instanceCount > kMaxGpuInstances ||
      (profile.startCount != 0 &&
       2 * (board.memorySlices / profile.placementSize) - 1 > kMaxGpuInstanceIds) ||
      !Terminated(profile.name, sizeof(profile.name))) {
    return false;
  }
  for (std::uint32_t i = 0; i < profile.computeProfileCount; i++) {
    const ComputeProfile& compute = profile.computeProfiles[i];
    if (!PlacementsFit(compute.starts, compute.startCount, compute.placementSize,
                       kMaxComputeSlots) ||
        compute.instanceCount > kMaxComputeInstances ||
        !Terminated(compute.name, sizeof(compute.name))) {
      return false;
    }
  }
  return true;
}

bool BoardIsSound(const GpuBoard& board) {
  constexpr std::uint32_t profiles = sizeof(board.profiles) / sizeof(board.profiles[0]);
  if (board.profileCount > profiles || board.memorySlices > kMaxMemorySlices ||
      !Terminated(board.name, sizeof(board.name)) || !Terminated(board.uuid, sizeof(board.uuid)) ||
      !Terminated(board.serial, sizeof(board.serial)) ||
      !Terminated(board.boardPartNumber, sizeof(board.boardPartNumber)) ||
      !Terminated(board.vbiosVersion, sizeof(board.vbiosVersion)) ||
      !Terminated(board.busId, sizeof(board.busId))) {
    return false;
  }
  for (std::uint32_t i = 0; i < board.profileCount; i++) {
    if (!ProfileIsSound(board, board.profiles[i])) return false;
  }
  return true;
}

}  // namespace

bool VerifyHeader(const ImageHeader& header, std::uint64_t fileBytes, Reason* reason) {
  if (header.magic != kImageMagic) {
    reason->Say("The file does not start as a node.image does.");
    return false;
  }
  // Before the checksum: another version may sum other bytes.
  if (header.layoutVersion != kImageLayoutVersion) {
    reason->Say("The image has layout version %u; this library reads version %u.",
                header.layoutVersion, kImageLayoutVersion);
    return false;
  }
  if (header.headerChecksum != Checksum(&header, offsetof(ImageHeader, headerChecksum))) {
    reason->Say("The image's header is damaged: its checksum does not fit.");
    return false;
  }
  if (header.headerBytes != kImageHeaderBytes || header.nodeBytes != sizeof(Node) ||
      header.gpuBoardBytes != sizeof(GpuBoard) || header.nodeStateBytes != sizeof(NodeState) ||
      header.gpuStateBytes != sizeof(GpuState) || header.commonsBytes != sizeof(Commons)) {
    reason->Say("The image's records have other sizes than this library's.");
    return false;
  }
  if (header.gpuCount > kMaxGpus) {
    reason->Say("The image has %u GPUs; at most %u are possible.", header.gpuCount, kMaxGpus);
    return false;
  }
  if (header.fileBytes != fileBytes) {
    reason->Say("The image is %llu bytes long and should be %llu.",
                static_cast<unsigned long long>(fileBytes),
                static_cast<unsigned long long>(header.fileBytes));
    return false;
  }
  const std::uint64_t boardsNeed = sizeof(Node) + std::uint64_t{header.gpuCount} * sizeof(GpuBoard);
  const std::uint64_t slotNeeds = SlotContentBytes(header.gpuCount);
  if (header.boardsBytes < boardsNeed || header.boardsBytes - boardsNeed >= kSectionAlignment ||
      header.boardsBytes % 8 != 0 || header.slotBytes < slotNeeds ||
      header.slotBytes - slotNeeds >= kSectionAlignment || header.slotBytes % 8 != 0) {
    reason->Say("The image's sections do not have the size that %u GPUs need.", header.gpuCount);
    return false;
  }
  const Section sections[] = {{"the header", 0, kImageHeaderBytes},
                              {"the boards", header.boardsOffset, header.boardsBytes},
                              {"slot 0", header.slotOffset[0], header.slotBytes},
                              {"slot 1", header.slotOffset[1], header.slotBytes},
                              {"the commons", header.commonsOffset, header.commonsBytes}};
  for (const Section& section : sections) {
    if (section.offset % kSectionAlignment != 0 || section.offset > fileBytes ||
        section.bytes > fileBytes - section.offset) {
      reason->Say("In the image %s lie outside the file or off a 64-byte boundary.", section.name);
      return false;
    }
    for (const Section* other = sections; other != &section; other++) {
      if (section.offset < other->offset + other->bytes &&
          other->offset < section.offset + section.bytes) {
        reason->Say("In the image %s and %s overlap.", other->name, section.name);
        return false;
      }
    }
  }
  return true;
}

bool VerifyBoards(const std::uint8_t* image, Reason* reason) {
  const auto& header = *reinterpret_cast<const ImageHeader*>(image);
  const std::uint8_t* boards = image + header.boardsOffset;
  if (header.boardsChecksum != Checksum(boards, header.boardsBytes)) {
    reason->Say("The image's boards are damaged: their checksum does not fit.");
    return false;
  }
  const auto& node = *reinterpret_cast<const Node*>(boards);
  if (!Terminated(node.driverVersion, sizeof(node.driverVersion)) ||
      !Terminated(node.nvmlVersion, sizeof(node.nvmlVersion))) {
    reason->Say("The image's driver release has no end.");
    return false;
  }
  const auto* board = reinterpret_cast<const GpuBoard*>(boards + sizeof(Node));
  for (std::uint32_t gpu = 0; gpu < header.gpuCount; gpu++) {
    if (!BoardIsSound(board[gpu])) {
      reason->Say("The image's board of GPU %u is not possible: a count or a placement is out of "
                  "bounds.", gpu);
      return false;
    }
  }
  return true;
}

bool SlotIsSealed(const void* slot, std::uint64_t slotBytes) {
  Slot head;
  std::memcpy(&head, slot, sizeof(head));
  return head.checksum ==
         Checksum(static_cast<const char*>(slot) + sizeof(head), slotBytes - sizeof(head));
}

}  // namespace nvml_mig::simulator
