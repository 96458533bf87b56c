#include "guard.h"

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "simulator/image_layout.h"

namespace nvml_mig::fuzz {
namespace {

using simulator::ImageHeader;

constexpr std::size_t kPage = 4096;
// Further than an index that fits in a byte leads, from any table of an image.
constexpr std::size_t kGuard = std::size_t{1} << 20;

// A guard, the file's pages, and a guard.
struct Mapping {
  char* room = nullptr;
  std::size_t pages = 0;

  char* file() const { return room + kGuard; }
  std::size_t bytes() const { return kGuard + pages + kGuard; }
};
// As many as are ever mapped at once. No destructor: the library unmaps when the program ends.
constinit Mapping mappings[8];
bool guardGaps = false;

Mapping* Find(const char* room) {
  return std::find_if(std::begin(mappings), std::end(mappings),
                      [&](const Mapping& it) { return it.room == room; });
}

// The kernel's own, because the sanitizer's cleans the shadow of all that is mapped, guards included.
void* Map(void* at, std::size_t bytes, int protection, int flags, int file, off_t offset) {
  return reinterpret_cast<void*>(syscall(SYS_mmap, at, bytes, protection, flags, file, offset));
}
int Unmap(void* at, std::size_t bytes) { return static_cast<int>(syscall(SYS_munmap, at, bytes)); }

std::size_t RoundUp(std::size_t bytes, std::size_t to) { return (bytes + to - 1) / to * to; }

void PoisonGaps(const char* image) {
  ImageHeader header;
  std::memcpy(&header, image, sizeof(header));
  struct Section {
    std::uint64_t at, bytes;
  };
  Section sections[] = {{0, sizeof(header)},
                        {header.boardsOffset, header.boardsBytes},
                        {header.slotOffset[0], header.slotBytes},
                        {header.slotOffset[1], header.slotBytes},
                        {header.commonsOffset, header.commonsBytes}};
  std::sort(std::begin(sections), std::end(sections),
            [](const Section& a, const Section& b) { return a.at < b.at; });
  for (std::size_t i = 1; i < std::size(sections); i++) {
    const std::uint64_t end = sections[i - 1].at + sections[i - 1].bytes;
    ASAN_POISON_MEMORY_REGION(image + end, sections[i].at - end);
  }
}

}  // namespace

void GuardGaps(bool on) { guardGaps = on; }

}  // namespace nvml_mig::fuzz

using namespace nvml_mig::fuzz;

extern "C" void* __wrap_mmap(void* at, std::size_t bytes, int protection, int flags, int file,
                             off_t offset) {
  Mapping* const free = Find(nullptr);
  if (at != nullptr || file < 0 || bytes == 0 || free == std::end(mappings)) {
    return Map(at, bytes, protection, flags, file, offset);
  }
  Mapping mapping;
  mapping.pages = RoundUp(bytes, kPage);
  void* const room = Map(nullptr, mapping.bytes(), PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return MAP_FAILED;
  mapping.room = static_cast<char*>(room);
  if (Map(mapping.file(), bytes, protection, flags | MAP_FIXED, file, offset) == MAP_FAILED) {
    Unmap(room, mapping.bytes());
    return MAP_FAILED;
  }
  *free = mapping;
  ASAN_POISON_MEMORY_REGION(mapping.file() + bytes, mapping.pages - bytes);
  std::uint64_t magic = 0;
  if (guardGaps && bytes >= sizeof(ImageHeader)) std::memcpy(&magic, mapping.file(), sizeof(magic));
  if (magic == nvml_mig::simulator::kImageMagic) PoisonGaps(mapping.file());
  return mapping.file();
}

extern "C" int __wrap_munmap(void* at, std::size_t bytes) {
  Mapping* const mapping = Find(static_cast<char*>(at) - kGuard);
  if (mapping == std::end(mappings)) return Unmap(at, bytes);
  ASAN_UNPOISON_MEMORY_REGION(mapping->file(), mapping->pages);
  const int result = Unmap(mapping->room, mapping->bytes());
  *mapping = {};
  return result;
}
