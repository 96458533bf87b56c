#include "image_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace nvml_mig::image_tests {

ImageFile::ImageFile(std::string path)
    : path_(std::move(path)), descriptor_(open(path_.c_str(), O_RDWR | O_CLOEXEC)) {
  EXPECT(descriptor_ >= 0, "%s: %s", path_.c_str(), std::strerror(errno));
  Keep();
}

ImageFile::~ImageFile() { close(descriptor_); }

void ImageFile::Put(std::size_t at, const void* bytes, std::size_t length) {
  EXPECT(pwrite(descriptor_, bytes, length, static_cast<off_t>(at)) ==
             static_cast<ssize_t>(length),
         "pwrite: %s", std::strerror(errno));
}

void ImageFile::FlipBit(std::size_t bit) {
  const std::uint8_t flipped = bytes_[bit / 8] ^ static_cast<std::uint8_t>(1u << bit % 8);
  Put(bit / 8, &flipped, 1);
}

void ImageFile::Resize(std::size_t length) {
  EXPECT(ftruncate(descriptor_, static_cast<off_t>(length)) == 0, "ftruncate: %s",
         std::strerror(errno));
}

void ImageFile::Fill(const std::vector<std::uint8_t>& bytes) {
  Resize(bytes.size());
  Put(0, bytes.data(), bytes.size());
}

void ImageFile::Restore() { Fill(bytes_); }

void ImageFile::Keep() { bytes_ = ReadFile(path_); }

}  // namespace nvml_mig::image_tests
