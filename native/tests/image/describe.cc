// 7 of 12: what C++ makes of bytes that JavaScript wrote, and bytes that C++ wrote, to be compared.
//
//   checksums  IMAGE is blocks, each a length in 4 bytes and as many bytes: the checksum of each
//   contents   IMAGE is opened, and what it says is printed; then FOLDER/node.image is a copy of it
//              with instances, which are printed too
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "churn.h"
#include "simulator/checksum.h"
#include "support.h"

namespace nvml_mig::image_tests {
namespace {

void PrintChecksums(const std::vector<std::uint8_t>& blocks) {
  for (std::size_t at = 0; at < blocks.size();) {
    std::uint32_t length;
    std::memcpy(&length, &blocks[at], sizeof(length));
    at += sizeof(length);
    std::printf("%016" PRIx64 "\n", simulator::Checksum(blocks.data() + at, length));
    at += length;
  }
}

void PrintBoards(const Image& image) {
  std::printf("driver %s %s %u\n", image.node().driverVersion, image.node().nvmlVersion,
              image.node().cudaDriverVersion);
  for (std::uint32_t i = 0; i < image.gpu_count(); i++) {
    const simulator::GpuBoard& board = image.boards()[i];
    std::printf("gpu %u %s %s %" PRIu64 "\n", i, board.uuid, board.busId, board.memoryTotalMiB);
    for (std::uint32_t j = 0; j < board.profileCount; j++) {
      const simulator::GpuInstanceProfile& profile = board.profiles[j];
      std::printf("profile %u %s %" PRIu64 " %u %u\n", profile.id, profile.name,
                  profile.memorySizeMiB, profile.placementSize, profile.computeProfileCount);
    }
  }
}

void PrintState(const Image& image) {
  State state;
  std::printf("change %" PRIu64 "\n", image.Read(&state));
  for (std::uint32_t gpu = 0; gpu < image.gpu_count(); gpu++) {
    for (const simulator::GpuInstance& it : state.gpus[gpu].gpuInstances) {
      if (it.stamp == 0) continue;
      std::printf("gi %u %u %u %u %u %u\n", gpu, it.stamp, it.id, it.profile, it.start, it.size);
      for (const simulator::ComputeInstance& compute : it.computeInstances) {
        if (compute.stamp == 0) continue;
        std::printf("ci %u %u %u %u %u %u\n", it.id, compute.stamp, compute.id, compute.profile,
                    compute.start, compute.size);
      }
    }
  }
}

void Run(const Options& options) {
  GiveUpAfter(60);
  if (options.has("checksums")) return PrintChecksums(ReadFile(options.image));
  Image fresh;
  MustOpen(&fresh, options.image);
  PrintBoards(fresh);
  const std::string path = options.folder + "/node.image";
  WriteFile(path, ReadFile(options.image));
  Image image;
  MustOpen(&image, path);
  EnableMig(&image);
  Random random(options.seed);
  for (int i = 0; i < 60; i++) MustChangeOnce(&image, &random);
  PrintState(image);
}

}  // namespace
}  // namespace nvml_mig::image_tests

int main(int count, char** arguments) {
  nvml_mig::image_tests::Run(nvml_mig::image_tests::ReadOptions(count, arguments));
}
