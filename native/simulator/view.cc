#include "view.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "checksum.h"
#include "machine.h"

namespace nvml_mig::simulator {
namespace {

static_assert(sizeof(View::devices) == kMaxGpus * kViewIds);

const std::uint8_t* DevicesOf(const View& view, unsigned gpu) {
  return view.devices + gpu * kViewIds;
}

bool IsSound(const View& view) {
  return view.magic == kViewMagic && view.layoutVersion == kImageLayoutVersion &&
         view.checksum == Checksum(&view, offsetof(View, checksum)) &&
         (view.rights & ~(kConfigRight | kMonitorRight)) == 0;
}

}  // namespace

Sight SightOf(const View* view, unsigned gpu) {
  if (view == nullptr || (view->gpus >> gpu & 1) != 0) return Sight::kWhole;
  const std::uint8_t* const devices = DevicesOf(*view, gpu);
  if (std::any_of(devices, devices + kViewIds, [](std::uint8_t bits) { return bits != 0; })) {
    return Sight::kParts;
  }
  return view->othersAbsent != 0 ? Sight::kAbsent : Sight::kDenied;
}

const std::uint8_t* VisibleDevices(const View* view, unsigned gpu) {
  const Sight sight = SightOf(view, gpu);
  const bool all = sight == Sight::kWhole || (sight == Sight::kParts && MayList(view->rights));
  return all ? nullptr : DevicesOf(*view, gpu);
}

OpenStatus ReadView(const char* path, View* view, Reason* reason) {
  int descriptor;
  do {
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) {
    const int error = errno;
    if (error == ENOENT) return OpenStatus::kMissing;
    reason->Say("%s, which says what this container sees, cannot be read: %s.", path,
                strerrordesc_np(error));
    return error == EACCES ? OpenStatus::kForbidden : OpenStatus::kRefused;
  }
  char bytes[sizeof(View) + 1] = {};  // one more, which must not be there
  const ssize_t got = read(descriptor, bytes, sizeof(bytes));
  close(descriptor);
  View found;
  std::memcpy(&found, bytes, sizeof(found));
  if (got != sizeof(View) || !IsSound(found)) {
    reason->Say("%s is not what a container of this version of nvml-mig sees: it is damaged or "
                "another version's.", path);
    return OpenStatus::kRefused;
  }
  *view = found;
  return OpenStatus::kOpened;
}

}  // namespace nvml_mig::simulator
