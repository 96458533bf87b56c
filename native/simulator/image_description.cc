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

// The checksum of a file's first bytes, made up to whole words with zeros; of what is left if it
// becomes shorter meanwhile, which is then another one. Read and not mapped: a mapped file that is cut
// short kills its reader.
std::uint64_t SumOf(int descriptor, std::uint64_t bytes) {
  const std::uint64_t room = (bytes + 3) / 4 * 4;
  void* const text =
      mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (text == MAP_FAILED) return 0;
  for (std::uint64_t done = 0; done < bytes;) {
    const ssize_t got = pread(descriptor, static_cast<char*>(text) + done, bytes - done,
                              static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::uint64_t>(got);
  }
  const std::uint64_t sum = Checksum(text, room);
  munmap(text, room);
  return sum;
}

}  // namespace

OpenStatus VerifyDescription(const char* path, const ImageHeader& header, Reason* reason) {
  if (header.descriptionBytes == 0) return OpenStatus::kOpened;
  char file[PATH_MAX];
  if (!PathBeside(path, file)) return CannotRead(kName, ENAMETOOLONG, reason);
  // Whoever may have put what there: a pipe must not make init wait.
  int descriptor;
  do {
    descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) return CannotRead(file, errno, reason);
  struct stat found;
  const bool asLong = fstat(descriptor, &found) == 0 && S_ISREG(found.st_mode) &&
                      static_cast<std::uint64_t>(found.st_size) == header.descriptionBytes;
  const bool asMade = asLong && SumOf(descriptor, header.descriptionBytes) == header.descriptionChecksum;
  close(descriptor);
  if (asMade) return OpenStatus::kOpened;
  reason->Say("%s is not the one that the node was made with: it was changed or is damaged.", file);
  return OpenStatus::kRefused;
}

}  // namespace nvml_mig::simulator
