// 12 of 12: threads that read against threads that change, for ThreadSanitizer to watch. With "race"
// it commits a race of its own, which the sanitizer must report: else its silence means nothing.
#include <atomic>
#include <thread>
#include <vector>

#include "audit.h"
#include "churn.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

void Race() {
  int shared = 0;
  std::thread other([&] { shared++; });
  shared++;
  other.join();
  Figure("raced", shared);
}

void Change(Image* image, std::uint64_t seed, unsigned changes, std::atomic<unsigned>* busy) {
  Random random(seed);
  for (unsigned i = 0; i < changes; i++) MustChangeOnce(image, &random);
  (*busy)--;
}

// Everything that a reader may do.
void Read(const Image& image, const std::atomic<unsigned>& busy, std::atomic<std::uint64_t>* reads) {
  std::uint64_t newest = 0;
  while (busy != 0) {
    State state;
    Reason reason;
    const std::uint64_t number = image.Read(&state);
    EXPECT(StateIsGood(image, state, &reason), "%s", reason.text);
    EXPECT(number >= newest, "the number of changes went back");
    newest = number;
    simulator::NodeState node;
    simulator::GpuState gpu;
    const std::uint32_t which = static_cast<std::uint32_t>(number % image.gpu_count());
    newest = image.ReadGpu(which, &node, &gpu);
    EXPECT(image.current() >= newest && image.IsSound() && !image.retired() && image.IsInPlace(),
           "a read went wrong");
    ++*reads;
  }
}

void Run(const Options& options) {
  GiveUpAfter(options.full ? 600 : 100);
  if (options.has("race")) return Race();
  const std::string path = CopyImage(options, "threads");
  Image image, second;
  MustOpen(&image, path);
  MustOpen(&second, path);
  EnableMig(&image);
  const ChangeCount since = CountFrom(image);
  const unsigned changes = options.full ? 20'000 : 1'500;
  std::atomic<unsigned> busy{4};
  std::atomic<std::uint64_t> reads{0};
  std::vector<std::thread> threads;
  for (Image* each : {&image, &second}) {
    threads.emplace_back(Change, each, options.seed + threads.size(), changes, &busy);
    threads.emplace_back(Change, each, options.seed + threads.size(), changes, &busy);
    threads.emplace_back([&, each] { Read(*each, busy, &reads); });
  }
  for (std::thread& thread : threads) thread.join();
  Reason reason;
  EXPECT(ImageIsGood(image, since, &reason), "%s", reason.text);
  Figure("changes", double(image.current() - since.current));
  Figure("reads", double(reads));
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
