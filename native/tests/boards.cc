#include "boards.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "abi/nvml_abi.h"

namespace nvml_mig::tests {

using simulator::ComputeProfile;
using simulator::GpuBoard;
using simulator::GpuInstanceProfile;
using simulator::Node;

namespace {

struct ComputeRow {
  unsigned slices;
  unsigned id;  // also its slot
  unsigned limit;
  unsigned size;
  std::initializer_list<unsigned> starts;
};

struct Row {
  const char* name;
  unsigned slot;
  unsigned id;
  unsigned slices;
  unsigned limit;
  unsigned memoryMiB;
  unsigned size;
  std::initializer_list<unsigned> starts;
  std::initializer_list<ComputeRow> computes;
};

void Copy(char* to, std::size_t size, const char* text) { std::snprintf(to, size, "%s", text); }

// "1c.3g.20gb" for a part of "3g.20gb"; the whole has the GPU instance's name, without +me.
void NameCompute(const Row& row, const ComputeRow& compute, ComputeProfile& out) {
  char whole[64];
  std::snprintf(whole, sizeof(whole), "%.*s", static_cast<int>(std::strcspn(row.name, "+")),
                row.name);
  if (compute.slices == row.slices) {
    std::snprintf(out.name, sizeof(out.name), "MIG %s", whole);
  } else {
    std::snprintf(out.name, sizeof(out.name), "MIG %uc.%s", compute.slices, whole);
  }
}

void Add(GpuBoard& board, unsigned multiprocessorsPerSlice, const Row& row) {
  GpuInstanceProfile& profile = board.profiles[board.profileCount++];
  profile.slot = row.slot;
  profile.id = row.id;
  profile.sliceCount = row.slices;
  profile.instanceCount = profile.reportedInstanceCount = row.limit;
  profile.multiprocessorCount = row.slices * multiprocessorsPerSlice;
  profile.copyEngineCount = row.slices;
  profile.memorySizeMiB = row.memoryMiB;
  profile.idleMemoryMiB = 12;
  profile.placementSize = row.size;
  for (unsigned start : row.starts) {
    profile.starts[profile.startCount++] = static_cast<std::uint8_t>(start);
  }
  std::snprintf(profile.name, sizeof(profile.name), "MIG %s", row.name);
  for (const ComputeRow& it : row.computes) {
    ComputeProfile& compute = profile.computeProfiles[profile.computeProfileCount++];
    compute.slot = it.id;
    compute.id = it.id;
    compute.sliceCount = it.slices;
    compute.instanceCount = it.limit;
    compute.multiprocessorCount = it.slices * multiprocessorsPerSlice;
    compute.sharedCopyEngineCount = row.slices;
    compute.placementSize = it.size;
    for (unsigned start : it.starts) {
      compute.starts[compute.startCount++] = static_cast<std::uint8_t>(start);
    }
    NameCompute(row, it, compute);
  }
}

GpuBoard Blank(const char* name, unsigned memorySlices, unsigned memoryMiB, unsigned bar1MiB) {
  GpuBoard board = {};
  Copy(board.name, sizeof(board.name), name);
  Copy(board.uuid, sizeof(board.uuid), "GPU-11111111-2222-3333-4444-555555555555");
  Copy(board.serial, sizeof(board.serial), "1320021000001");
  Copy(board.busId, sizeof(board.busId), "00000000:07:00.0");
  board.pciBus = 7;
  board.memorySlices = memorySlices;
  board.maxMigDevices = memorySlices == 4 ? 4 : 7;
  board.memoryTotalMiB = memoryMiB;
  board.bar1TotalMiB = bar1MiB;
  for (unsigned i = 0; i < sizeof(board.migUuids); i++) {
    board.migUuids[i] = static_cast<std::uint8_t>(i / 16 + (i % 16) * 16);
  }
  return board;
}

constexpr unsigned kOneSlice = NVML_GPU_INSTANCE_PROFILE_1_SLICE;
constexpr unsigned kOneSliceMe = NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1;
constexpr unsigned kOneSliceDouble = NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV2;
constexpr unsigned kTwoSlices = NVML_GPU_INSTANCE_PROFILE_2_SLICE;
constexpr unsigned kTwoSlicesMe = NVML_GPU_INSTANCE_PROFILE_2_SLICE_REV1;
constexpr unsigned kThreeSlices = NVML_GPU_INSTANCE_PROFILE_3_SLICE;
constexpr unsigned kFourSlices = NVML_GPU_INSTANCE_PROFILE_4_SLICE;
constexpr unsigned kSevenSlices = NVML_GPU_INSTANCE_PROFILE_7_SLICE;

GpuBoard Ampere(const char* name, unsigned memorySlices, unsigned memoryMiB, unsigned bar1MiB) {
  GpuBoard board = Blank(name, memorySlices, memoryMiB, bar1MiB);
  board.architecture = NVML_DEVICE_ARCH_AMPERE;
  board.computeCapabilityMajor = 8;
  board.modeNeedsReset = 1;
  return board;
}

GpuBoard A100With(std::initializer_list<Row> ones) {
  constexpr unsigned sms = 14;
  GpuBoard board = Ampere("NVIDIA A100-SXM4-40GB", 8, 40960, 65536);
  for (const Row& row : ones) Add(board, sms, row);
  Add(board, sms, {"2g.10gb", kTwoSlices, 14, 2, 3, 9856, 2, {0, 2, 4},
                   {{1, 0, 2, 1, {0, 1}}, {2, 1, 1, 2, {0}}}});
  Add(board, sms, {"3g.20gb", kThreeSlices, 9, 3, 2, 19968, 4, {0, 4},
                   {{1, 0, 3, 1, {0, 1, 2}}, {2, 1, 1, 2, {0, 1}}, {3, 2, 1, 3, {0}}}});
  Add(board, sms, {"4g.20gb", kFourSlices, 5, 4, 1, 19968, 4, {0},
                   {{1, 0, 4, 1, {0, 1, 2, 3}}, {2, 1, 2, 2, {0, 1, 2}}, {4, 3, 1, 4, {0}}}});
  Add(board, sms, {"7g.40gb", kSevenSlices, 0, 7, 1, 40192, 8, {0},
                   {{1, 0, 7, 1, {0, 1, 2, 3, 4, 5, 6}}, {2, 1, 3, 2, {0, 1, 2, 3, 4, 5}},
                    {3, 2, 2, 3, {0, 1, 2, 3, 4}}, {4, 3, 1, 4, {0, 1, 2, 3}}, {7, 4, 1, 7, {0}}}});
  return board;
}

}  // namespace

GpuBoard A100() {
  return A100With({{"1g.5gb", kOneSlice, 19, 1, 7, 4864, 1, {0, 1, 2, 3, 4, 5, 6},
                    {{1, 0, 1, 1, {0}}}},
                   {"1g.5gb+me", kOneSliceMe, 20, 1, 1, 4864, 1, {0, 1, 2, 3, 4, 5, 6},
                    {{1, 0, 1, 1, {0}}}},
                   {"1g.10gb", kOneSliceDouble, 15, 1, 4, 9856, 2, {0, 2, 4, 6},
                    {{1, 0, 1, 1, {0}}}}});
}

GpuBoard A100OfR460() {
  return A100With({{"1g.5gb", kOneSlice, 19, 1, 7, 4864, 1, {0, 1, 2, 3, 4, 5, 6},
                    {{1, 0, 1, 1, {0}}}}});
}

GpuBoard A30() {
  constexpr unsigned sms = 14;
  GpuBoard board = Ampere("NVIDIA A30", 4, 24576, 32768);
  const std::initializer_list<ComputeRow> ofTwo = {{1, 0, 2, 1, {0, 1}}, {2, 1, 1, 2, {0}}};
  Add(board, sms, {"1g.6gb", kOneSlice, 14, 1, 4, 5952, 1, {0, 1, 2, 3}, {{1, 0, 1, 1, {0}}}});
  Add(board, sms, {"1g.6gb+me", kOneSliceMe, 21, 1, 1, 5952, 1, {0, 1, 2, 3}, {{1, 0, 1, 1, {0}}}});
  Add(board, sms, {"2g.12gb", kTwoSlices, 5, 2, 2, 11968, 2, {0, 2}, ofTwo});
  Add(board, sms, {"2g.12gb+me", kTwoSlicesMe, 6, 2, 1, 11968, 2, {0, 2}, ofTwo});
  Add(board, sms, {"4g.24gb", kFourSlices, 0, 4, 1, 24000, 4, {0},
                   {{1, 0, 4, 1, {0, 1, 2, 3}}, {2, 1, 2, 2, {0, 1, 2}}, {4, 3, 1, 4, {0}}}});
  board.profiles[1].excludes = 1u << 3;
  board.profiles[3].excludes = 1u << 1;
  return board;
}

GpuBoard H100() {
  constexpr unsigned sms = 16;
  GpuBoard board = Blank("NVIDIA H100 80GB HBM3", 8, 81559, 131072);
  board.architecture = NVML_DEVICE_ARCH_HOPPER;
  board.computeCapabilityMajor = 9;
  board.alignedComputeSlots = 1;
  Add(board, sms, {"1g.10gb", kOneSlice, 19, 1, 7, 9984, 1, {0, 1, 2, 3, 4, 5, 6},
                   {{1, 0, 1, 1, {0}}}});
  Add(board, sms, {"1g.10gb+me", kOneSliceMe, 20, 1, 1, 9984, 1, {0, 1, 2, 3, 4, 5, 6},
                   {{1, 0, 1, 1, {0}}}});
  Add(board, sms, {"1g.20gb", kOneSliceDouble, 15, 1, 4, 20096, 2, {0, 2, 4, 6},
                   {{1, 7, 1, 2, {0}}}});
  Add(board, sms, {"2g.20gb", kTwoSlices, 14, 2, 3, 20096, 2, {0, 2, 4},
                   {{1, 0, 2, 1, {0, 1}}, {2, 1, 1, 2, {0}}}});
  Add(board, sms, {"3g.40gb", kThreeSlices, 9, 3, 2, 40448, 4, {0, 4},
                   {{1, 0, 3, 1, {0, 1, 2}}, {2, 1, 1, 2, {0}}, {3, 2, 1, 4, {0}}}});
  Add(board, sms, {"4g.40gb", kFourSlices, 5, 4, 1, 40448, 4, {0},
                   {{1, 0, 4, 1, {0, 1, 2, 3}}, {2, 1, 2, 2, {0, 2}}, {4, 3, 1, 4, {0}}}});
  Add(board, sms, {"7g.80gb", kSevenSlices, 0, 7, 1, 81152, 8, {0},
                   {{1, 0, 7, 1, {0, 1, 2, 3, 4, 5, 6}}, {2, 1, 3, 2, {0, 2, 4}},
                    {3, 2, 2, 4, {0, 4}}, {4, 3, 1, 4, {0}}, {7, 4, 1, 8, {0}}}});
  return board;
}

GpuBoard RtxPro6000() {
  constexpr unsigned sms = 46;
  GpuBoard board = Blank("NVIDIA RTX PRO 6000 Blackwell Server Edition", 12, 97887, 131072);
  board.architecture = NVML_DEVICE_ARCH_BLACKWELL;
  board.computeCapabilityMajor = 12;
  board.maxMigDevices = 4;
  const std::initializer_list<ComputeRow> ofOne = {{1, 0, 1, 1, {0}}};
  const std::initializer_list<ComputeRow> ofTwo = {{1, 0, 2, 1, {0, 1}}, {2, 1, 1, 2, {0}}};
  Add(board, sms, {"1g.24gb", kOneSlice, 14, 1, 4, 24192, 3, {0, 3, 6, 9}, ofOne});
  Add(board, sms, {"1g.24gb+me", kOneSliceMe, 21, 1, 1, 24192, 3, {0, 3, 6, 9}, ofOne});
  Add(board, sms, {"2g.48gb", kTwoSlices, 5, 2, 2, 48512, 6, {0, 6}, ofTwo});
  Add(board, sms, {"4g.96gb", kFourSlices, 0, 4, 1, 97408, 12, {0},
                   {{1, 0, 4, 1, {0, 1, 2, 3}}, {2, 1, 2, 2, {0, 1, 2}}, {4, 3, 1, 4, {0}}}});
  return board;
}

Node Driver(unsigned branch) {
  Node node = {};
  std::snprintf(node.driverVersion, sizeof(node.driverVersion), "%u.1", branch);
  std::snprintf(node.nvmlVersion, sizeof(node.nvmlVersion), "12.%u.1", branch);
  node.cudaDriverVersion = 12040;
  node.driverBranch = branch;
  node.gpuInstanceProfileSlots = 10;
  node.computeInstanceProfileSlots = 8;
  return node;
}

unsigned ProfileIndex(const GpuBoard& board, unsigned id) {
  for (unsigned i = 0; i < board.profileCount; i++) {
    if (board.profiles[i].id == id) return i;
  }
  FAIL("the board has no profile " << id);
  return 0;
}

}  // namespace nvml_mig::tests
