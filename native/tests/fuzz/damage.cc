#include "damage.h"

#include <cstring>
#include <iterator>

#include "simulator/image_layout.h"

namespace nvml_mig::fuzz {
namespace {

using simulator::ImageHeader;

enum Part { kImageHeader, kNode, kGpuBoard, kSlot, kNodeState, kGpuState, kCommons };

struct List {
  std::size_t count, stride;
};
struct Field {
  Part part;
  std::size_t offset;
  std::size_t bytes;
  std::vector<List> lists;  // from the outermost in
};

const Ring<Field>& Fields() {
  static const Ring<Field> fields = [] {
    Ring<Field> ring;
#define FIELD(part, name, offset, bytes, ...) ring.Add(name, Field{part, offset, bytes, {__VA_ARGS__}});
#include FUZZ_FIELDS
    return ring;
  }();
  return fields;
}

std::size_t PartAt(Part part, const ImageHeader& header, Bytes& bytes) {
  const std::size_t gpu = header.gpuCount == 0 ? 0 : bytes.Byte() % header.gpuCount;
  const std::size_t slot = header.slotOffset[bytes.Byte() & 1];
  switch (part) {
    case kImageHeader: return 0;
    case kNode: return header.boardsOffset;
    case kGpuBoard: return header.boardsOffset + sizeof(simulator::Node) + gpu * sizeof(simulator::GpuBoard);
    case kSlot: return slot;
    case kNodeState: return slot + sizeof(simulator::Slot);
    case kGpuState:
      return slot + sizeof(simulator::Slot) + sizeof(simulator::NodeState) +
             gpu * sizeof(simulator::GpuState);
    case kCommons: return header.commonsOffset;
  }
  return 0;
}

constexpr std::uint64_t kEdges[] = {0,   1,   2,    3,     7,          8,          9,         10,
                                    11,  15,  16,   17,    20,         21,         31,        32,
                                    33,  64,  127,  128,   255,        256,        4095,      4096,
                                    ~0u, ~1u, 1u << 31, (1u << 31) - 1, ~0ull, ~63ull, 1ull << 63, 1ull << 32};

constexpr std::uint64_t kSteps[] = {1, 1, 1, 8, 64, 4096};

std::uint64_t Changed(std::uint64_t value, Bytes& bytes) {
  const std::uint8_t way = bytes.Byte();
  switch (way % 4) {
    case 0: return bytes.Take<std::uint64_t>();
    case 1: return kEdges[bytes.Byte() % std::size(kEdges)];
    case 2: return value + (bytes.Byte() - 128ull) * kSteps[way / 4 % std::size(kSteps)];
    default: return value ^ std::uint64_t{1} << bytes.Byte() % 64;
  }
}

// Bytes that a damaged length has cut off are not there to be changed.
void ChangeAt(std::size_t at, std::size_t length, Bytes& bytes, FileBytes* file) {
  if (at > file->size() || length > file->size() - at) return;
  std::uint64_t value = 0;
  std::memcpy(&value, file->data() + at, length);
  value = Changed(value, bytes);
  std::memcpy(file->data() + at, &value, length);
}

}  // namespace

// Mostly to a field. Else the image gets another number of GPUs, in another order of sections; or bytes
// anywhere in one of the files change, or its length does.
void Damage(const Record& record, const Files& undamaged, Files* files) {
  Bytes bytes(record);
  const auto& header = *reinterpret_cast<const ImageHeader*>(undamaged.image.data());
  const std::uint8_t way = bytes.Byte();
  if (way < 216) {
    const Field& field = Fields().At(record.number);
    std::size_t at = PartAt(field.part, header, bytes) + field.offset;
    for (const List& list : field.lists) at += bytes.Byte() % list.count * list.stride;
    ChangeAt(at, field.bytes, bytes, &files->image);
    return;
  }
  const bool description = way % 4 == 3;
  FileBytes* const file = description ? &files->description : &files->image;
  const std::size_t size = (description ? undamaged.description : undamaged.image).size();
  if (way < 224) {
    files->image = LaidOut(undamaged.image, bytes.Byte() % 40, 64 * (bytes.Byte() % 4));
  } else if (way < 250) {
    ChangeAt(record.number % size, 1 + bytes.Byte() % 8, bytes, file);
  } else {
    file->resize(record.number % (size + size / 4));
  }
}

std::uint32_t FieldNumber(std::size_t index) { return Fields().NumberOf(index % Fields().size()); }

}  // namespace nvml_mig::fuzz
