// 10 of 12: a process that closes every descriptor it does not know, as daemons do, can go on
// changing the node; one that has none left is told so, and can once it has.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "audit.h"
#include "churn.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

void AllClosed(const std::string& path, std::uint64_t seed) {
  Image image;
  MustOpen(&image, path);
  Random random(seed);
  MustChangeOnce(&image, &random);
  closefrom(3);
  const ChangeCount since = CountFrom(image);
  for (int i = 0; i < 100; i++) MustChangeOnce(&image, &random);
  Reason reason;
  EXPECT(ImageIsGood(image, since, &reason), "after closefrom(3): %s", reason.text);
  EXPECT(fcntl(3, F_GETFD) == -1, "a change left a descriptor open");
}

void NoneLeft(const std::string& path, std::uint64_t seed) {
  Image image;
  MustOpen(&image, path);
  Random random(seed);
  const ChangeCount since = CountFrom(image);
  const int lowest = dup(0);
  close(lowest);
  const rlimit none = {static_cast<rlim_t>(lowest), static_cast<rlim_t>(lowest) + 1};
  EXPECT(setrlimit(RLIMIT_NOFILE, &none) == 0, "setrlimit: %s", std::strerror(errno));
  for (int i = 0; i < 10; i++) {
    const ChangeStatus status = ChangeOnce(&image, &random);
    EXPECT(status == ChangeStatus::kSystem, "without descriptors a change answered %s",
           Name(status));
  }
  EXPECT(image.current() == since.current, "a change without descriptors was published");
  Reason reason;
  EXPECT(ImageIsGood(image, since, &reason), "without descriptors: %s", reason.text);
  Image newcomer;
  EXPECT(newcomer.Open(path.c_str(), &reason) == OpenStatus::kRefused && reason.text[0] != '\0',
         "without descriptors an image was opened");
  const rlimit one = {static_cast<rlim_t>(lowest) + 1, static_cast<rlim_t>(lowest) + 1};
  EXPECT(setrlimit(RLIMIT_NOFILE, &one) == 0, "setrlimit: %s", std::strerror(errno));
  for (int i = 0; i < 100; i++) MustChangeOnce(&image, &random);
  EXPECT(ImageIsGood(image, since, &reason), "with one descriptor: %s", reason.text);
}

void Run(const Options& options) {
  GiveUpAfter(60);
  const std::string path = CopyImage(options, "descriptors");
  Image image;
  MustOpen(&image, path);
  EnableMig(&image);
  const ChangeCount since = CountFrom(image);
  MustSucceed(Spawn([&] { AllClosed(path, options.seed); }), "a process that closes everything");
  MustSucceed(Spawn([&] { NoneLeft(path, options.seed + 1); }), "a process without descriptors");
  Reason reason;
  EXPECT(ImageIsGood(image, since, &reason), "%s", reason.text);
  Figure("changes", double(image.current() - since.current));
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
