// 5 of 12: one process loads two copies of the library that map one image. Their mutexes do not know
// each other, so it is the file's lock that keeps their changes apart.
#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "audit.h"
#include "churn.h"
#include "copy.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

constexpr unsigned kShortDeadline = 150;
constexpr unsigned kDeadline = 10'000;

struct Library {
  void* handle;
  const Copy* copy;
};

// Loads a copy of `copy.so`, which lies beside this program, from a file of its own.
Library Load(const Options& options, const char* name) {
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof(self));
  EXPECT(length > 0, "this program's own path is not known");
  const std::string beside = std::string(self, static_cast<std::size_t>(length));
  const std::string path = options.folder + "/" + name;
  WriteFile(path, ReadFile(beside.substr(0, beside.rfind('/')) + "/copy.so"));
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  EXPECT(handle != nullptr, "%s", dlerror());
  const auto get = reinterpret_cast<const Copy* (*)()>(dlsym(handle, kGetCopy));
  EXPECT(get != nullptr, "%s", dlerror());
  return {handle, get()};
}

// While one copy is inside a change, the other waits until its deadline.
void ExcludeEachOther(const Copy& holding, const Copy& waiting, const std::string& path) {
  Image* held = holding.open(path.c_str(), kDeadline);
  Image* late = waiting.open(path.c_str(), kShortDeadline);
  const Hold hold(Step::locked);
  Random random(1), other(2);
  std::thread changing([&] {
    const ChangeStatus status = holding.change(held, &random, &hold);
    EXPECT(status == ChangeStatus::kDone, "the held change answered %s", Name(status));
  });
  hold.reached.MustCome("one copy is inside a change");
  ChangeStatus status = waiting.change(late, &other, nullptr);
  EXPECT(status == ChangeStatus::kTimeout, "beside it the other copy's change answered %s",
         Name(status));
  hold.go_on.Signal();
  changing.join();
  status = waiting.change(late, &other, nullptr);
  EXPECT(status == ChangeStatus::kDone, "afterwards it answered %s", Name(status));
  holding.close(held);
  waiting.close(late);
}

// Two threads in each copy; every change that a copy calls done is there.
void ChurnInBoth(const Library (&libraries)[2], const std::string& path, unsigned changes) {
  std::vector<std::thread> threads;
  std::vector<Image*> images;
  for (const Library& library : libraries) {
    Image* image = library.copy->open(path.c_str(), kDeadline);
    images.push_back(image);
    for (int i = 0; i < 2; i++) {
      threads.emplace_back([&library, image, changes, seed = threads.size()] {
        Random random(seed);
        for (unsigned done = 0; done < changes;) {
          const ChangeStatus status = library.copy->change(image, &random, nullptr);
          EXPECT(status == ChangeStatus::kDone || status == ChangeStatus::kDeclined,
                 "a change answered %s", Name(status));
          done += status == ChangeStatus::kDone;
        }
      });
    }
  }
  // fork() waits for the changes of both copies, and a child may go on with either.
  for (int i = 0; i < 20; i++) {
    MustSucceed(Spawn([&] {
                  Random random(100);
                  for (int j = 0; j < 2; j++) {
                    (void)libraries[j].copy->change(images[static_cast<unsigned>(j)], &random, nullptr);
                  }
                }),
                "a forked child that changes through both copies");
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 2; i++) libraries[i].copy->close(images[static_cast<unsigned>(i)]);
}

void Run(const Options& options) {
  GiveUpAfter(120);
  const std::string path = CopyImage(options, "two-copies");
  const Library libraries[] = {Load(options, "one.so"), Load(options, "other.so")};
  EXPECT(libraries[0].copy != libraries[1].copy, "the loader took two files for one library");
  Image image;
  MustOpen(&image, path);
  EnableMig(&image);
  const ChangeCount since = CountFrom(image);
  ExcludeEachOther(*libraries[0].copy, *libraries[1].copy, path);
  ExcludeEachOther(*libraries[1].copy, *libraries[0].copy, path);
  const std::uint64_t before = image.current();
  ChurnInBoth(libraries, path, options.full ? 50'000 : 3'000);
  Reason reason;
  EXPECT(ImageIsGood(image, since, &reason), "%s", reason.text);
  Figure("changes", double(image.current() - before));

  // A copy that was unloaded leaves nothing behind that fork() would call.
  EXPECT(dlclose(libraries[0].handle) == 0, "%s", dlerror());
  EXPECT(dlopen((options.folder + "/one.so").c_str(), RTLD_NOW | RTLD_NOLOAD) == nullptr,
         "a copy that was closed is still loaded");
  MustSucceed(Spawn([&] {
                Image* own = libraries[1].copy->open(path.c_str(), kDeadline);
                Random random(3);
                while (libraries[1].copy->change(own, &random, nullptr) != ChangeStatus::kDone) {
                }
              }),
              "a child forked after one copy was unloaded");
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
