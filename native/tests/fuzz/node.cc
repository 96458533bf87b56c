#include "node.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "calls.h"
#include "client.h"
#include "guard.h"
#include "program.h"
#include "simulator/exported.h"
#include "simulator/image_layout.h"

namespace nvml_mig::fuzz {
namespace {

namespace files = std::filesystem;

const files::path& Beside() {
  static const files::path folder = files::read_symlink("/proc/self/exe").parent_path();
  return folder;
}
const std::string& ImagePath() {
  static const std::string path = Beside() / "node.image";
  return path;
}

// What is in place; the image is mapped to put its live part back.
struct Placed {
  const Node* node = nullptr;  // of which it is a copy, but for the live part
  std::uint8_t* image = nullptr;
  std::size_t bytes = 0;
};
Placed placed;

FileBytes ReadFile(const files::path& path) {
  std::ifstream file(path, std::ios::binary);
  return FileBytes(std::istreambuf_iterator<char>(file), {});
}

void PlaceDescription(const FileBytes& text) {
  static FileBytes last;
  const std::string path = Beside() / "node.json";
  if (text == last && access(path.c_str(), F_OK) == 0) return;
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(text.data()), static_cast<std::streamsize>(text.size()));
  MUST(file.flush(), "%s cannot be written.", path.c_str());
  last = text;
}

Node Learned(const Files& made, bool alive) {
  Node node{made, {}};
  Place(made);
  MUST(nvmlInit_v2() == NVML_SUCCESS, "A node that simulate() made is not taken.");
  if (alive) BringToLife();
  Learn(&node.known);
  ShutDown();
  node.files.image = ReadFile(ImagePath());
  return node;
}

Ring<Node> MakeNodes() {
  GuardGaps(kSectionGap != 0);
  Ring<Node> ring;
  for (const auto& entry : files::directory_iterator(FUZZ_NODES)) {
    files::path path = entry.path();
    if (path.extension() != ".image") continue;
    const std::string name = path.stem();
    const FileBytes image = ReadFile(path);
    const std::uint32_t gpus = reinterpret_cast<const simulator::ImageHeader*>(image.data())->gpuCount;
    const Files made = {kSectionGap == 0 ? image : LaidOut(image, gpus, kSectionGap),
                        ReadFile(path.replace_extension(".json"))};
    ring.Add(name, Learned(made, false));
    ring.Add(name + " alive", Learned(made, true));
  }
  MUST(ring.size() != 0, "There are no nodes in %s.", FUZZ_NODES);
  return ring;
}

}  // namespace

const Ring<Node>& Nodes() {
  static const Ring<Node> nodes = MakeNodes();
  return nodes;
}

void Place(const Files& files) {
  if (placed.image != nullptr) munmap(placed.image, placed.bytes);
  placed = {};
  PlaceDescription(files.description);
  const FileBytes& image = files.image;
  const std::string next = ImagePath() + ".next";
  unlink(next.c_str());
  const int file = open(next.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  MUST(file >= 0 && write(file, image.data(), image.size()) == static_cast<ssize_t>(image.size()),
       "%s cannot be written: %s.", next.c_str(), std::strerror(errno));
  if (!image.empty()) {
    void* bytes = mmap(nullptr, image.size(), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    MUST(bytes != MAP_FAILED, "%s cannot be mapped: %s.", next.c_str(), std::strerror(errno));
    placed = {nullptr, static_cast<std::uint8_t*>(bytes), image.size()};
  }
  close(file);
  MUST(rename(next.c_str(), ImagePath().c_str()) == 0, "rename: %s.", std::strerror(errno));
}

void RemovePlaced() {
  unlink(ImagePath().c_str());
  placed.node = nullptr;
}

bool IsPlaced() { return access(ImagePath().c_str(), F_OK) == 0; }

void Restore(const Node& node) {
  const FileBytes& image = node.files.image;
  if (placed.node == &node) {
    const auto* header = reinterpret_cast<const simulator::ImageHeader*>(image.data());
    const auto put = [&](std::size_t from, std::size_t to) {
      std::memcpy(placed.image + from, image.data() + from, to - from);
    };
    put(offsetof(simulator::ImageHeader, current), sizeof(simulator::ImageHeader));
    for (const std::uint64_t slot : header->slotOffset) put(slot, slot + header->slotBytes);
    put(header->commonsOffset, header->commonsOffset + header->commonsBytes);
    return;
  }
  Place(node.files);
  placed.node = &node;
}

}  // namespace nvml_mig::fuzz
