#include "presence.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace nvml_mig::simulator {
namespace {

// Far behind the end of every image.
constexpr off_t kFirstByte = off_t{1} << 40;

struct Presence {
  int descriptor = -1;
  dev_t device;
  ino_t inode;
};
Presence presence;

int OpenImage(const Image& image) {
  int descriptor;
  do {
    descriptor = open(image.path(), O_RDONLY | O_CLOEXEC);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

struct flock Bytes(short kind, off_t first, off_t count) {
  struct flock bytes = {};
  bytes.l_type = kind;
  bytes.l_whence = SEEK_SET;
  bytes.l_start = first;
  bytes.l_len = count;
  return bytes;
}

// Whether anybody holds one of the bytes; a count of 0 reaches to the end of all numbers.
bool AreHeld(int descriptor, off_t first, off_t count) {
  struct flock bytes = Bytes(F_WRLCK, first, count);
  return fcntl(descriptor, F_OFD_GETLK, &bytes) == 0 && bytes.l_type != F_UNLCK;
}

// A client may have closed the descriptor and been given its number for another file, which is none of
// ours to close.
bool IsStillOurs() {
  struct stat file;
  return presence.descriptor >= 0 && fstat(presence.descriptor, &file) == 0 &&
         file.st_dev == presence.device && file.st_ino == presence.inode;
}

}  // namespace

void AnnouncePresence(const Image& image) {
  if (image.node().countsProcesses == 0) return;
  const int descriptor = OpenImage(image);
  if (descriptor < 0) return;
  struct flock own = Bytes(F_RDLCK, kFirstByte + getpid(), 1);
  struct stat file;
  if (fcntl(descriptor, F_OFD_SETLK, &own) != 0 || fstat(descriptor, &file) != 0) {
    close(descriptor);
    return;
  }
  presence = {descriptor, file.st_dev, file.st_ino};
}

void WithdrawPresence() {
  if (IsStillOurs()) {
    // Said aloud: close alone would leave the lock to a child made without the fork handlers.
    struct flock own = Bytes(F_UNLCK, kFirstByte, 0);
    fcntl(presence.descriptor, F_OFD_SETLK, &own);
    close(presence.descriptor);
  }
  presence.descriptor = -1;
}

// No unlocking here: the lock belongs to the open file, which is the parent's too.
void WithdrawPresenceInChild() {
  if (IsStillOurs()) close(presence.descriptor);
  presence.descriptor = -1;
}

bool OthersArePresent(const Image& image) {
  if (image.node().countsProcesses == 0) return false;
  const int descriptor = OpenImage(image);
  if (descriptor < 0) return false;
  // Around the own byte, which other copies of the library in this process may hold.
  const off_t own = kFirstByte + getpid();
  const bool present =
      AreHeld(descriptor, kFirstByte, own - kFirstByte) || AreHeld(descriptor, own + 1, 0);
  close(descriptor);
  return present;
}

}  // namespace nvml_mig::simulator
