// A node directory made for one test and removed after it.
#ifndef NVML_MIG_TESTS_NODE_DIRECTORY_H
#define NVML_MIG_TESTS_NODE_DIRECTORY_H

#include <string>
#include <vector>

#include "simulator/image.h"

namespace nvml_mig::tests {

// The bytes of a fresh image: every GPU with MIG off, nothing created.
std::vector<std::uint8_t> MakeImage(const simulator::Node& node,
                                    const std::vector<simulator::GpuBoard>& boards);

// Puts right what a test changed on purpose, so that the check behind the checksum is met.
void SealHeader(std::vector<std::uint8_t>& image);
void SealBoards(std::vector<std::uint8_t>& image);
void SealSlot(std::vector<std::uint8_t>& image, unsigned slot);

simulator::ImageHeader& HeaderOf(std::vector<std::uint8_t>& image);
simulator::GpuBoard& BoardOf(std::vector<std::uint8_t>& image, unsigned gpu);
std::uint8_t* SlotOf(std::vector<std::uint8_t>& image, unsigned slot);
simulator::State& StateOf(std::vector<std::uint8_t>& image, unsigned slot);

void WriteFile(const std::string& path, const std::vector<std::uint8_t>& bytes);

class NodeDirectory {
 public:
  NodeDirectory();
  explicit NodeDirectory(const std::vector<std::uint8_t>& image);
  ~NodeDirectory();
  NodeDirectory(const NodeDirectory&) = delete;
  NodeDirectory& operator=(const NodeDirectory&) = delete;

  std::string image_path() const { return path_ + "/node.image"; }
  const std::string& path() const { return path_; }
  void Write(const std::vector<std::uint8_t>& image) const;
  // Puts another file in the image's place, as a writer that renames does.
  void Replace(const std::vector<std::uint8_t>& image) const;

 private:
  std::string path_;
};

}  // namespace nvml_mig::tests
#endif  // NVML_MIG_TESTS_NODE_DIRECTORY_H
