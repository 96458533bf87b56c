#include "simulator/handles.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <random>
#include <set>

#include "abi/nvml_abi.h"
#include "boards.h"
#include "node_directory.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

ImageHeader TwoGpus(std::uint8_t firstIdByte) {
  std::vector<std::uint8_t> image = MakeImage(Driver(550), {A100(), A100()});
  HeaderOf(image).nodeId[0] = firstIdByte;
  return HeaderOf(image);
}

}  // namespace

TEST_CASE("a handle names what it was made for, and no two are alike") {
  const ImageHeader header = TwoGpus(1);
  std::set<const void*> all;
  for (unsigned gpu = 0; gpu < 2; gpu++) {
    for (const Handle& it : std::initializer_list<Handle>{
             {HandleKind::kGpu, gpu, 0, 0, GpuStamp(header)},
             {HandleKind::kGpuInstance, gpu, 14, 0, 9},
             {HandleKind::kGpuInstance, gpu, 14, 0, 0xffffffff},
             {HandleKind::kComputeInstance, gpu, 14, 7, 10},
             {HandleKind::kMigDevice, gpu, 14, 7, 10}}) {
      const auto opaque = EncodeHandle<nvmlDevice_t>(header, it);
      CHECK(opaque != nullptr);
      CHECK(all.insert(opaque).second);
      Handle back;
      REQUIRE(DecodeHandle(header, opaque, &back));
      CHECK(back.kind == it.kind);
      CHECK(back.gpu == it.gpu);
      CHECK(back.gpuInstance == it.gpuInstance);
      CHECK(back.computeInstance == it.computeInstance);
      CHECK(back.stamp == it.stamp);
    }
  }
}

TEST_CASE("what is no handle of this node is none") {
  const ImageHeader header = TwoGpus(1);
  const ImageHeader other = TwoGpus(2);
  Handle back;
  const Handle gpu = {HandleKind::kGpu, 0, 0, 0, GpuStamp(other)};
  CHECK_FALSE(DecodeHandle(header, EncodeHandle<nvmlDevice_t>(other, gpu), &back));
  CHECK_FALSE(DecodeHandle(header, nullptr, &back));
  CHECK_FALSE(DecodeHandle(header, &back, &back));
  const auto none = EncodeHandle<nvmlDevice_t>(header, {HandleKind::kGpu, 2, 0, 0, GpuStamp(header)});
  CHECK_FALSE(DecodeHandle(header, none, &back));
  const auto unstamped = EncodeHandle<nvmlDevice_t>(header, {HandleKind::kGpuInstance, 0, 1, 0, 0});
  CHECK_FALSE(DecodeHandle(header, unstamped, &back));

  std::mt19937_64 random(20);
  unsigned accepted = 0;
  for (unsigned i = 0; i < 100'000; i++) {
    accepted += DecodeHandle(header, reinterpret_cast<const void*>(random()), &back);
  }
  // Two bytes of tag and four bits of kind: one in 2^19 random words may look like a handle. None
  // names an instance that lives.
  CHECK(accepted <= 2);
}
