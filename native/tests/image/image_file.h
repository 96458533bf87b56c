// A node.image that is damaged and put right again, byte by byte.
#ifndef NVML_MIG_TESTS_IMAGE_IMAGE_FILE_H
#define NVML_MIG_TESTS_IMAGE_IMAGE_FILE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "simulator/image_layout.h"
#include "support.h"

namespace nvml_mig::image_tests {

class ImageFile {
 public:
  explicit ImageFile(std::string path);
  ~ImageFile();
  ImageFile(const ImageFile&) = delete;
  ImageFile& operator=(const ImageFile&) = delete;

  const std::string& path() const { return path_; }
  // As the file was when it was taken on, or last kept.
  const std::vector<std::uint8_t>& bytes() const { return bytes_; }
  const simulator::ImageHeader& header() const {
    return *reinterpret_cast<const simulator::ImageHeader*>(bytes_.data());
  }
  std::size_t slot(std::uint64_t number) const { return header().slotOffset[number & 1]; }

  void Put(std::size_t at, const void* bytes, std::size_t length);
  void FlipBit(std::size_t bit);
  void Resize(std::size_t length);
  void Fill(const std::vector<std::uint8_t>& bytes);
  // Everything as it was.
  void Restore();
  // What is in the file now is what Restore brings back.
  void Keep();

 private:
  const std::string path_;
  int descriptor_;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace nvml_mig::image_tests
#endif  // NVML_MIG_TESTS_IMAGE_IMAGE_FILE_H
