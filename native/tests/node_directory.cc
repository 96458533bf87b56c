#include "node_directory.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "simulator/checksum.h"
#include "simulator/image_verify.h"

namespace nvml_mig::tests {

using namespace simulator;

namespace {

std::uint64_t RoundUp(std::uint64_t bytes) {
  return (bytes + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

}  // namespace

ImageHeader& HeaderOf(std::vector<std::uint8_t>& image) {
  return *reinterpret_cast<ImageHeader*>(image.data());
}

GpuBoard& BoardOf(std::vector<std::uint8_t>& image, unsigned gpu) {
  return reinterpret_cast<GpuBoard*>(image.data() + HeaderOf(image).boardsOffset +
                                     sizeof(Node))[gpu];
}

std::uint8_t* SlotOf(std::vector<std::uint8_t>& image, unsigned slot) {
  return image.data() + HeaderOf(image).slotOffset[slot];
}

State& StateOf(std::vector<std::uint8_t>& image, unsigned slot) {
  return *reinterpret_cast<State*>(SlotOf(image, slot) + sizeof(Slot));
}

void SealHeader(std::vector<std::uint8_t>& image) {
  ImageHeader& header = HeaderOf(image);
  header.headerChecksum = Checksum(&header, offsetof(ImageHeader, headerChecksum));
}

void SealBoards(std::vector<std::uint8_t>& image) {
  ImageHeader& header = HeaderOf(image);
  header.boardsChecksum = Checksum(image.data() + header.boardsOffset, header.boardsBytes);
  SealHeader(image);
}

void SealSlot(std::vector<std::uint8_t>& image, unsigned slot) {
  std::uint8_t* const at = SlotOf(image, slot);
  reinterpret_cast<Slot*>(at)->checksum =
      Checksum(at + sizeof(Slot), HeaderOf(image).slotBytes - sizeof(Slot));
}

std::vector<std::uint8_t> MakeImage(const Node& node, const std::vector<GpuBoard>& boards) {
  ImageHeader header = {};
  header.magic = kImageMagic;
  header.layoutVersion = kImageLayoutVersion;
  header.headerBytes = kImageHeaderBytes;
  for (unsigned i = 0; i < sizeof(header.nodeId); i++) {
    header.nodeId[i] = static_cast<std::uint8_t>(0xa0 + i);
  }
  header.gpuCount = static_cast<std::uint32_t>(boards.size());
  header.nodeBytes = sizeof(Node);
  header.gpuBoardBytes = sizeof(GpuBoard);
  header.nodeStateBytes = sizeof(NodeState);
  header.gpuStateBytes = sizeof(GpuState);
  header.boardsOffset = kImageHeaderBytes;
  header.boardsBytes = RoundUp(sizeof(Node) + boards.size() * sizeof(GpuBoard));
  header.slotBytes = RoundUp(SlotContentBytes(header.gpuCount));
  header.slotOffset[0] = header.boardsOffset + header.boardsBytes;
  header.slotOffset[1] = header.slotOffset[0] + header.slotBytes;
  header.commonsOffset = header.slotOffset[1] + header.slotBytes;
  header.commonsBytes = sizeof(Commons);
  header.fileBytes = header.commonsOffset + RoundUp(sizeof(Commons));

  std::vector<std::uint8_t> image(header.fileBytes);
  std::memcpy(image.data(), &header, sizeof(header));
  std::memcpy(image.data() + header.boardsOffset, &node, sizeof(node));
  if (!boards.empty()) {
    std::memcpy(&BoardOf(image, 0), boards.data(), boards.size() * sizeof(GpuBoard));
  }
  SealBoards(image);
  for (unsigned slot : {0u, 1u}) {
    StateOf(image, slot).node.rights = kRootRight;
    SealSlot(image, slot);
  }
  return image;
}

void WriteFile(const std::string& path, const std::vector<std::uint8_t>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  REQUIRE(file.good());
}

NodeDirectory::NodeDirectory() {
  char name[] = "/tmp/nvml-mig-test-XXXXXX";
  REQUIRE(mkdtemp(name) != nullptr);
  path_ = name;
}

NodeDirectory::NodeDirectory(const std::vector<std::uint8_t>& image) : NodeDirectory() {
  Write(image);
}

NodeDirectory::~NodeDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void NodeDirectory::Write(const std::vector<std::uint8_t>& image) const {
  WriteFile(image_path(), image);
}

void NodeDirectory::Replace(const std::vector<std::uint8_t>& image) const {
  const NodeDirectory other(image);
  std::filesystem::rename(other.image_path(), image_path());
}

}  // namespace nvml_mig::tests
