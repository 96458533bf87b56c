// 6 of 12: a process that may read the image and not write it: reads work, changes are refused as
// such.
//
//   unprivileged     another user's, after root's rights were dropped
//   read-only-file   its own, with mode 0444
//   read-only-mount  on a file system that is mounted read-only
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "audit.h"
#include "churn.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

constexpr uid_t kNobody = 65534;

void DropRights() {
  if (geteuid() != 0) Skip("dropping root's rights takes root's rights");
  if (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0) {
    Skip("another user's rights cannot be taken: %s", std::strerror(errno));
  }
}

void MountReadOnly(const std::string& folder) {
  if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    Skip("no right to make a mount namespace: %s", std::strerror(errno));
  }
  const char* path = folder.c_str();
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount(path, path, nullptr, MS_BIND, nullptr) != 0 ||
      mount("none", path, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
    Skip("no right to mount: %s", std::strerror(errno));
  }
}

// Root may write what nobody may, so root's rights go too.
void MakeReadOnly(const std::string& path) {
  EXPECT(chmod(path.c_str(), 0444) == 0, "chmod: %s", std::strerror(errno));
  if (geteuid() == 0) {
    EXPECT(chown(path.c_str(), kNobody, kNobody) == 0, "chown: %s", std::strerror(errno));
    DropRights();
  }
}

void Run(const Options& options) {
  GiveUpAfter(60);
  const std::string path = CopyImage(options, "rights");
  const bool root = geteuid() == 0;
  Random random(options.seed);
  Image owned;
  MustOpen(&owned, path);
  EnableMig(&owned);
  for (int i = 0; i < 20; i++) MustChangeOnce(&owned, &random);
  const std::uint64_t number = owned.current();
  const Event looked, changed;
  const pid_t owner = Spawn([&] {
    looked.MustCome("the reader has looked");
    if (root) MustChangeOnce(&owned, &random);
    changed.Signal();
  });

  if (options.has("unprivileged")) DropRights();
  if (options.has("read-only-file")) MakeReadOnly(path);
  if (options.has("read-only-mount")) MountReadOnly(path.substr(0, path.rfind('/')));
  if (access(path.c_str(), R_OK) != 0) {
    Skip("another user cannot reach %s: %s", path.c_str(), std::strerror(errno));
  }
  Image image;
  MustOpen(&image, path);
  EXPECT(!image.writable(), "the image is writable");
  State state;
  Reason reason;
  EXPECT(image.Read(&state) == number && StateIsGood(image, state, &reason), "%s", reason.text);
  const ChangeStatus status = ChangeOnce(&image, &random);
  EXPECT(status == ChangeStatus::kReadOnly, "a change answered %s", Name(status));
  EXPECT(image.Retire() == ChangeStatus::kReadOnly, "the node could be retired");
  EXPECT(image.current() == number, "a refused change was published");
  looked.Signal();
  changed.MustCome("the owner changes the node");
  EXPECT(image.Read(&state) == number + root && StateIsGood(image, state, &reason),
         "a reader does not see what the owner changed. %s", reason.text);
  MustSucceed(owner, "the owner");
  Figure("changes_seen", root);
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
