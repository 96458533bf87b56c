#include "image_description.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "checksum.h"

namespace nvml_mig::simulator {
namespace {

constexpr char kName[] = "node.json";

// The name in the directory of `path`.
bool PathBeside(const char* path, char (&out)[PATH_MAX]) {
  const char* const slash = std::strrchr(path, '/');
  const std::size_t directory = slash == nullptr ? 0 : static_cast<std::size_t>(slash - path) + 1;
  if (directory + sizeof(kName) > sizeof(out)) return false;
  std::memcpy(out, path, directory);
  std::memcpy(out + directory, kName, sizeof(kName));
  return true;
}

OpenStatus CannotRead(const char* path, int error, Reason* reason) {
  reason->Say("%s, which belongs to the node, cannot be read: %s.", path, strerrordesc_np(error));
  if (error == ENOENT) return OpenStatus::kMissing;
  return error == EACCES ? OpenStatus::kForbidden : OpenStatus::kRefused;
}

}  // namespace

OpenStatus VerifyDescription(const char* path, const ImageHeader& header, Reason* reason) {
  if (header.descriptionBytes == 0) return OpenStatus::kOpened;
  char file[PATH_MAX];
  if (!PathBeside(path, file)) return CannotRead(kName, ENAMETOOLONG, reason);
  const int descriptor = open(file, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return CannotRead(file, errno, reason);
  struct stat found;
  const bool asLong = fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode) &&
                      static_cast<std::uint64_t>(found.st_size) == header.descriptionBytes;
  void* const text = asLong ? mmap(nullptr, header.descriptionBytes, PROT_READ, MAP_PRIVATE,
                                   descriptor, 0)
                            : MAP_FAILED;
  const int error = errno;
  close(descriptor);
  if (asLong && text == MAP_FAILED) return CannotRead(file, error, reason);
  // Whole words are summed; after the end of a file its last page is zeros.
  const bool asMade =
      asLong && Checksum(text, (header.descriptionBytes + 3) / 4 * 4) == header.descriptionChecksum;
  if (asLong) munmap(text, header.descriptionBytes);
  if (asMade) return OpenStatus::kOpened;
  reason->Say("%s is not the one that the node was made with: it was changed or is damaged.", file);
  return OpenStatus::kRefused;
}

}  // namespace nvml_mig::simulator
