// 9 of 12: the node's directory is removed, or another one gets its place, while a process has the
// image mapped. Its reads go on, a change says so, and nothing is written into the new file.
#include <unistd.h>

#include <filesystem>

#include "audit.h"
#include "churn.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

namespace fs = std::filesystem;

// A node in use, and another one beside it that was never used.
struct Scene {
  fs::path image;
  fs::path other;
  fs::path folder() const { return image.parent_path(); }
};

void FileRemoved(const Scene& at) { fs::remove(at.image); }
void DirectoryRemoved(const Scene& at) { fs::remove_all(at.folder()); }
void DirectoryMoved(const Scene& at) { fs::rename(at.folder(), at.folder().string() + "-moved"); }
void FileReplaced(const Scene& at) { fs::rename(at.other, at.image); }
void DirectoryReplaced(const Scene& at) {
  fs::remove_all(at.folder());
  fs::rename(at.other.parent_path(), at.folder());
}
// A file has the name of the directory.
void PathBlocked(const Scene& at) {
  fs::remove_all(at.folder());
  WriteFile(at.folder(), {1, 2, 3});
}

struct Happening {
  const char* name;
  void (*happen)(const Scene& at);
};
constexpr Happening kHappenings[] = {
    {"file-removed", FileRemoved},           {"directory-removed", DirectoryRemoved},
    {"directory-moved", DirectoryMoved},     {"file-replaced", FileReplaced},
    {"directory-replaced", DirectoryReplaced}, {"path-blocked", PathBlocked},
};

void Try(const Options& options, const Happening& happening) {
  const Scene at = {CopyImage(options, happening.name),
                    CopyImage(options, (std::string(happening.name) + "-other").c_str())};
  Image image;
  MustOpen(&image, at.image);
  EnableMig(&image);
  Random random(options.seed);
  for (int i = 0; i < 20; i++) MustChangeOnce(&image, &random);
  State before;
  const std::uint64_t number = image.Read(&before);
  EXPECT(image.IsInPlace(), "%s: the image is not in its place to begin with", happening.name);

  happening.happen(at);
  EXPECT(!image.IsInPlace(), "%s: the image thinks that it is in its place", happening.name);
  for (int i = 0; i < 3; i++) {
    const ChangeStatus status = ChangeOnce(&image, &random);
    EXPECT(status == ChangeStatus::kReplaced, "%s: a change answered %s", happening.name,
           Name(status));
  }
  EXPECT(image.Retire() == ChangeStatus::kReplaced, "%s: the node could be retired",
         happening.name);
  State after;
  Reason reason;
  EXPECT(image.Read(&after) == number && StateIsGood(image, after, &reason) &&
             after.node.created == before.node.created,
         "%s: reads did not go on. %s", happening.name, reason.text);
  if (fs::is_regular_file(at.image)) {
    EXPECT(ReadFile(at.image) == ReadFile(options.image), "%s: the new file was written to",
           happening.name);
    Image fresh;
    MustOpen(&fresh, at.image);
    EnableMig(&fresh);
    EXPECT(image.current() == number, "%s: a change of the new node reached the old one",
           happening.name);
    fresh.Close();
  }
  image.Close();
}

void Run(const Options& options) {
  GiveUpAfter(60);
  for (const Happening& happening : kHappenings) Try(options, happening);
  Figure("happenings", double(std::size(kHappenings)));
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
