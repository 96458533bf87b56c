// 8 of 12, too: an image damaged at random is refused or holds a good state; nothing crashes. Half of
// the damage carries checksums that fit, as no accident would leave it: then every count, size and
// offset that the opener lets through must be safe to follow.
#include <sys/wait.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "audit.h"
#include "churn.h"
#include "image_file.h"
#include "simulator/checksum.h"
#include "simulator/machine.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

using simulator::ImageHeader;

struct Progress {
  std::uint64_t iteration, refused, opened, changes;
};

using Bytes = std::vector<std::uint8_t>;

constexpr std::uint32_t kEdges[] = {0,  1,  2,  7,   8,   9,   10,   11,     15,         16,         17, 20,
                                    21, 31, 32, 33,  64,  127, 128,  255,    256,        4096,       65'535,
                                    0x7fffffff, 0x80000000, 0xffffffff};

// One of the numbers that say how much there is of something or where it lies.
std::size_t ANumber(Random* random) {
  using simulator::ComputeProfile, simulator::GpuBoard, simulator::GpuInstanceProfile;
  constexpr std::size_t header[] = {
      offsetof(ImageHeader, fileBytes),      offsetof(ImageHeader, boardsOffset),
      offsetof(ImageHeader, boardsBytes),    offsetof(ImageHeader, slotOffset),
      offsetof(ImageHeader, slotOffset) + 8, offsetof(ImageHeader, slotBytes),
      offsetof(ImageHeader, gpuCount),       offsetof(ImageHeader, descriptionBytes)};
  constexpr std::size_t board[] = {offsetof(GpuBoard, memorySlices), offsetof(GpuBoard, profileCount),
                                   offsetof(GpuBoard, maxMigDevices),
                                   offsetof(GpuBoard, alignedComputeSlots)};
  constexpr std::size_t profile[] = {
      offsetof(GpuInstanceProfile, instanceCount), offsetof(GpuInstanceProfile, placementSize),
      offsetof(GpuInstanceProfile, startCount),    offsetof(GpuInstanceProfile, computeProfileCount),
      offsetof(GpuInstanceProfile, excludes),      offsetof(GpuInstanceProfile, starts)};
  constexpr std::size_t compute[] = {
      offsetof(ComputeProfile, instanceCount), offsetof(ComputeProfile, placementSize),
      offsetof(ComputeProfile, startCount), offsetof(ComputeProfile, starts)};
  const auto one_of = [&](const auto& offsets) { return offsets[random->Below(std::size(offsets))]; };
  const std::size_t at_board = simulator::kImageHeaderBytes + sizeof(simulator::Node);
  const std::size_t at_profile =
      at_board + offsetof(GpuBoard, profiles) + random->Below(8) * sizeof(GpuInstanceProfile);
  const std::size_t at_compute = at_profile + offsetof(GpuInstanceProfile, computeProfiles) +
                                 random->Below(6) * sizeof(ComputeProfile);
  switch (random->Below(4)) {
    case 0: return one_of(header);
    case 1: return at_board + one_of(board);
    case 2: return at_profile + one_of(profile);
    default: return at_compute + one_of(compute);
  }
}

void Damage(Bytes* bytes, Random* random) {
  const std::uint32_t edge = kEdges[random->Below(std::size(kEdges))];
  const std::size_t at = random->Below(bytes->size());
  const std::size_t length = std::min<std::size_t>(1u << random->Below(8), bytes->size() - at);
  const auto from = bytes->begin() + static_cast<std::ptrdiff_t>(at);
  const auto end = from + static_cast<std::ptrdiff_t>(length);
  switch (random->Below(8)) {
    case 0:
      *from ^= static_cast<std::uint8_t>(1u << random->Below(8));
      break;
    case 1:
      std::generate(from, end, [&] { return static_cast<std::uint8_t>(random->Next()); });
      break;
    case 2:
      std::fill(from, end, static_cast<std::uint8_t>(edge));
      break;
    case 3: {
      const std::size_t other = random->Below(bytes->size() - length + 1);
      const Bytes moved(bytes->begin() + static_cast<std::ptrdiff_t>(other),
                        bytes->begin() + static_cast<std::ptrdiff_t>(other + length));
      std::copy(moved.begin(), moved.end(), from);
      break;
    }
    default:
      std::memcpy(&(*bytes)[ANumber(random)], &edge, sizeof(edge));
  }
}

// Checksums that fit the damage, as far as the header says where they are.
void Seal(Bytes* bytes) {
  auto* header = reinterpret_cast<ImageHeader*>(bytes->data());
  if (header->boardsOffset <= bytes->size() &&
      header->boardsBytes <= bytes->size() - header->boardsOffset) {
    header->boardsChecksum =
        simulator::Checksum(bytes->data() + header->boardsOffset, header->boardsBytes);
  }
  header->headerChecksum = simulator::Checksum(header, offsetof(ImageHeader, headerChecksum));
}

// What a client does with an image that opened. Only of a damage that its checksums show can more be
// asked than that nothing breaks: other boards are other rules.
void Use(Image* image, bool sealed, Random* random, Progress* progress) {
  State state{};
  Reason reason;
  image->Read(&state);
  // The library's own look at a state before it uses it.
  if (!simulator::CheckState(*image, state, &reason)) {
    EXPECT(sealed, "damage was taken for a node: %s", reason.text);
    progress->refused++;
    return;
  }
  EXPECT(sealed || StateIsGood(*image, state, &reason), "a bad state: %s", reason.text);
  progress->opened++;
  if (image->gpu_count() == 0) return;
  for (int i = 0; i < 10; i++) {
    const ChangeStatus status = image->Change([&](State& next) {
      if (!CreateOrDestroy(*image, random, next)) return false;
      EXPECT(simulator::CheckState(*image, next, &reason), "the rules led to: %s", reason.text);
      return true;
    });
    EXPECT(status == ChangeStatus::kDone || status == ChangeStatus::kDeclined ||
               status == ChangeStatus::kRetired,
           "a change answered %s", Name(status));
    progress->changes += status == ChangeStatus::kDone;
  }
}

void Fuzz(ImageFile* file, std::uint64_t iterations, Random* random, Progress* progress) {
  for (; progress->iteration < iterations; progress->iteration++) {
    Bytes bytes = file->bytes();
    for (std::uint64_t i = 1 + random->Below(4); i > 0; i--) Damage(&bytes, random);
    const bool sealed = random->Below(2) == 0;
    if (sealed) Seal(&bytes);
    if (random->Below(8) == 0) bytes.resize(random->Below(2 * bytes.size()));
    file->Fill(bytes);
    Image image;
    Reason reason;
    const OpenStatus status = image.Open(file->path().c_str(), &reason);
    if (status != OpenStatus::kOpened) {
      // The header may now want a node.json, which is not there.
      EXPECT(status == OpenStatus::kRefused || status == OpenStatus::kMissing,
             "refused with status %d", int(status));
      EXPECT(reason.text[0] != '\0', "refused without a reason");
      progress->refused++;
      continue;
    }
    Use(&image, sealed, random, progress);
    image.Close();
  }
}

void Run(const Options& options) {
  GiveUpAfter(options.full ? 600 : 100);
  const std::uint64_t iterations = options.full ? 300'000 : 6'000;
  ImageFile file(CopyImage(options, "opener-fuzz"));
  Random random(options.seed);
  {
    Image image;
    MustOpen(&image, file.path());
    EnableMig(&image);
    for (int i = 0; i < 20; i++) MustChangeOnce(&image, &random);
    image.Close();
    file.Keep();
  }
  auto* progress = MakeShared<Progress>();
  const int status = Join(Spawn([&] { Fuzz(&file, iterations, &random, progress); }));
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0,
         "with seed %.0f, damage %.0f: ended by %s %d", double(options.seed),
         double(progress->iteration), WIFSIGNALED(status) ? "signal" : "exit",
         WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  Figure("damages", double(progress->iteration));
  Figure("refused", double(progress->refused));
  Figure("opened", double(progress->opened));
  Figure("changes", double(progress->changes));
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
