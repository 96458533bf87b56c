// Where instances go: against recorded creations and counted state spaces.
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "boards.h"
#include "simulator/placement.h"

using namespace nvml_mig::simulator;
using namespace nvml_mig::tests;

namespace {

// One recorded run: GPU instances live before it by (profile id, instance id), then the profile ids
// asked for and the instance ids that came out; kRefused for "Insufficient Resources".
constexpr unsigned kRefused = 999;
struct Step {
  unsigned profile;
  unsigned id;
};
struct Recording {
  const char* transcript;
  GpuBoard (*board)();
  bool swapped;
  std::vector<Step> before;
  std::vector<Step> asked;
  std::vector<Step> freeAfter;  // profile id, free count of -lgip
};

// Source: the project's collection of recorded nvidia-smi runs, by the transcript's name.
const Recording kRecordings[] = {
    {"guide-a100-cgi-4-2-1", A100, false, {}, {{19, 13}, {14, 5}, {5, 1}}, {}},
    {"guide-a100-cgi-fail-order", A100, false, {},
     {{19, 13}, {19, 11}, {14, 3}, {9, kRefused}}, {}},
    {"guide-a100-cgi-3-1-2-1", A100, false, {}, {{9, 2}, {19, 7}, {14, 4}, {19, 8}}, {}},
    {"rtx6000-cgi-4x1g", RtxPro6000, false, {}, {{14, 3}, {14, 4}, {14, 5}, {14, 6}}, {}},
    {"h100nvl-cgi-7x1g", H100, false, {},
     {{19, 13}, {19, 11}, {19, 12}, {19, 7}, {19, 8}, {19, 9}, {19, 10}}, {}},
    {"gh200-cgi-7x1g", H100, false, {},
     {{19, 13}, {19, 11}, {19, 12}, {19, 7}, {19, 8}, {19, 9}, {19, 10}}, {}},
    {"h100-8gpu-7x1g", H100, false, {},
     {{19, 13}, {19, 11}, {19, 12}, {19, 7}, {19, 8}, {19, 9}, {19, 10}}, {}},
    {"a100-40-cgi-4g", A100, true, {}, {{5, 2}},
     {{19, 3}, {20, 1}, {15, 2}, {14, 1}, {9, 1}, {5, 0}, {0, 0}}},
    {"a100-40-cgi-4g-2g", A100, true, {{5, 2}}, {{14, 3}},
     {{19, 1}, {20, 1}, {15, 1}, {14, 0}, {9, 0}, {5, 0}, {0, 0}}},
    {"a100-40-cgi-4g-2g-1g", A100, true, {{5, 2}, {14, 3}}, {{19, 9}},
     {{19, 0}, {20, 0}, {15, 0}, {14, 0}, {9, 0}, {5, 0}, {0, 0}}},
    {"a100-80-cgi-2-2-1", A100, true, {}, {{14, 3}, {14, 5}, {19, 9}}, {}},
    {"a100-80-cgi-7x1g-swapped", A100, true, {},
     {{19, 9}, {19, 7}, {19, 8}, {19, 11}, {19, 12}, {19, 13}, {19, 14}}, {}},
    {"a100-80-cgi-3-3-swapped", A100, true, {}, {{9, 1}, {9, 2}}, {}},
    {"a100-r460-cgi-7x1g", A100OfR460, false, {},
     {{19, 13}, {19, 11}, {19, 12}, {19, 7}, {19, 8}, {19, 9}, {19, 10}}, {}},
    {"rtx6000mq-cgi", RtxPro6000, false, {}, {{14, 3}}, {}},
    {"cgi-3-3-then-1", A100, false, {}, {{9, 2}, {9, 1}, {19, kRefused}}, {}},
    {"h100-cgi-3-3", H100, false, {}, {{9, 2}, {9, 1}}, {}},
};

Partition Empty(const GpuBoard& board) { return PartitionOf(board, GpuState{}); }

// The id that the driver's own choice leads to, and the instance put there.
unsigned Create(const GpuBoard& board, Partition& partition, unsigned profileId) {
  const unsigned profile = ProfileIndex(board, profileId);
  unsigned start;
  if (!LeastLoss(partition, profile, &start)) return kRefused;
  Occupy(partition, profile, start);
  return GpuInstanceIdAt(board, {start, partition.shapes[profile].size});
}

// Puts an instance where its id says it was.
void Restore(const GpuBoard& board, Partition& partition, Step live) {
  const unsigned profile = ProfileIndex(board, live.profile);
  const Shape& shape = partition.shapes[profile];
  for (unsigned i = 0; i < shape.start_count; i++) {
    if (GpuInstanceIdAt(board, {shape.starts[i], shape.size}) != live.id) continue;
    Occupy(partition, profile, shape.starts[i]);
    return;
  }
  FAIL("no start of profile " << live.profile << " has the id " << live.id);
}

}  // namespace

TEST_CASE("the driver's own choice reproduces the recorded creations") {
  for (const Recording& recorded : kRecordings) {
    CAPTURE(recorded.transcript);
    GpuBoard board = recorded.board();
    board.swappedNumbering = recorded.swapped;
    Partition partition = Empty(board);
    for (const Step& live : recorded.before) Restore(board, partition, live);
    for (const Step& step : recorded.asked) {
      CAPTURE(step.profile);
      CHECK(Create(board, partition, step.profile) == step.id);
    }
    for (const Step& free : recorded.freeAfter) {
      CAPTURE(free.profile);
      CHECK(RemainingCapacity(partition, ProfileIndex(board, free.profile)) == free.id);
    }
  }
}

// Two 3g of the R450 guide came out as 2 then 1 on a board whose other examples say otherwise; it is
// the one recording that the rule does not explain.
TEST_CASE("guide-a100-cgi-9-9 differs from the rule") {
  GpuBoard board = A100();
  board.swappedNumbering = 1;
  Partition partition = Empty(board);
  CHECK(Create(board, partition, 9) == 1);
  CHECK(Create(board, partition, 9) == 2);
}

TEST_CASE("a fresh board offers what -lgip prints as Total") {
  for (const GpuBoard& board : {A100(), A30(), H100(), RtxPro6000()}) {
    CAPTURE(board.name);
    const Partition partition = Empty(board);
    for (unsigned i = 0; i < board.profileCount; i++) {
      CHECK(RemainingCapacity(partition, i) == board.profiles[i].instanceCount);
    }
  }
}

// From the table of GPU instance ids by start, in both numberings.
TEST_CASE("GPU instance ids by place") {
  GpuBoard board = A100();
  const unsigned straightOnes[] = {7, 8, 9, 10, 11, 12, 13};
  const unsigned swappedOnes[] = {11, 12, 13, 14, 7, 8, 9};
  const unsigned straightTwos[] = {3, 4, 5, 6};
  const unsigned swappedTwos[] = {5, 6, 3, 4};
  for (unsigned swapped = 0; swapped < 2; swapped++) {
    board.swappedNumbering = swapped;
    for (unsigned i = 0; i < 7; i++) {
      CHECK(GpuInstanceIdAt(board, {i, 1}) == (swapped ? swappedOnes : straightOnes)[i]);
    }
    for (unsigned i = 0; i < 4; i++) {
      CHECK(GpuInstanceIdAt(board, {2 * i, 2}) == (swapped ? swappedTwos : straightTwos)[i]);
    }
    CHECK(GpuInstanceIdAt(board, {0, 4}) == (swapped ? 2 : 1));
    CHECK(GpuInstanceIdAt(board, {4, 4}) == (swapped ? 1 : 2));
    CHECK(GpuInstanceIdAt(board, {0, 8}) == 0);
  }
  const GpuBoard rtx = RtxPro6000();
  CHECK(GpuInstanceIdAt(rtx, {0, 12}) == 0);
  CHECK(GpuInstanceIdAt(rtx, {6, 6}) == 2);
  CHECK(GpuInstanceIdAt(rtx, {9, 3}) == 6);
}

namespace {

struct Space {
  std::size_t layouts;
  std::size_t edges;
  std::size_t maximal;
};

// Every layout that explicit creates reach from the empty board. A layout is its set of (profile,
// start), which occupied units and live counts alone do not tell.
Space Walk(const GpuBoard& board) {
  using Layout = std::set<std::pair<unsigned, unsigned>>;
  std::set<Layout> seen = {{}};
  std::vector<Layout> open = {{}};
  Space space = {};
  while (!open.empty()) {
    const Layout layout = open.back();
    open.pop_back();
    Partition partition = Empty(board);
    for (const auto& [profile, start] : layout) Occupy(partition, profile, start);
    std::size_t creatable = 0;
    for (unsigned profile = 0; profile < partition.count; profile++) {
      for (unsigned i = 0; i < partition.shapes[profile].start_count; i++) {
        const unsigned start = partition.shapes[profile].starts[i];
        if (!IsCreatable(partition, profile, start)) continue;
        creatable++;
        Layout next = layout;
        next.insert({profile, start});
        if (seen.insert(next).second) open.push_back(next);
      }
    }
    space.edges += creatable;
    space.maximal += creatable == 0;
  }
  space.layouts = seen.size();
  return space;
}

}  // namespace

// Counted by two independent programs from the profile tables alone.
TEST_CASE("explicit creates reach exactly the layouts that exist") {
  const Space a100 = Walk(A100());
  CHECK(a100.layouts == 2319);
  CHECK(a100.edges == 9129);
  CHECK(a100.maximal == 239);
  const Space classic = Walk(A100OfR460());
  CHECK(classic.layouts == 298);
  CHECK(classic.edges == 1005);
  CHECK(classic.maximal == 19);
  const Space a30 = Walk(A30());
  CHECK(a30.layouts == 76);
  CHECK(a30.edges == 171);
  CHECK(a30.maximal == 17);
}

TEST_CASE("only a listed start with the profile's own size is a placement") {
  const GpuBoard board = A100();
  const Partition partition = Empty(board);
  const Shape& three = partition.shapes[ProfileIndex(board, 9)];
  CHECK(IsListed(three, {4, 4}));
  CHECK_FALSE(IsListed(three, {4, 3}));
  CHECK_FALSE(IsListed(three, {2, 4}));
  CHECK_FALSE(IsListed(three, {9, 4}));
}

TEST_CASE("one +me instance on an A30, whichever size") {
  const GpuBoard board = A30();
  Partition partition = Empty(board);
  Occupy(partition, ProfileIndex(board, 21), 0);
  CHECK(RemainingCapacity(partition, ProfileIndex(board, 6)) == 0);
  CHECK(RemainingCapacity(partition, ProfileIndex(board, 5)) == 1);
  unsigned start;
  CHECK_FALSE(LeastLoss(partition, ProfileIndex(board, 6), &start));
}

TEST_CASE("a profile without known placements is never created") {
  GpuBoard board = A100();
  GpuInstanceProfile& unknown = board.profiles[0];
  unknown.startCount = 0;
  unknown.placementSize = 0;
  const Partition partition = Empty(board);
  unsigned start;
  CHECK(RemainingCapacity(partition, 0) == 0);
  CHECK_FALSE(LeastLoss(partition, 0, &start));
  CHECK_FALSE(IsListed(partition.shapes[0], {0, 0}));
}
