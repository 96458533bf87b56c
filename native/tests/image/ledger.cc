#include "ledger.h"

#include <algorithm>
#include <utility>

namespace nvml_mig::image_tests {
namespace {

std::set<std::uint32_t> StampsOf(const State& state, unsigned gpus) {
  std::set<std::uint32_t> stamps;
  for (unsigned gpu = 0; gpu < gpus; gpu++) {
    for (const simulator::GpuInstance& instance : state.gpus[gpu].gpuInstances) {
      if (instance.stamp == 0) continue;
      stamps.insert(instance.stamp);
      for (const simulator::ComputeInstance& compute : instance.computeInstances) {
        if (compute.stamp != 0) stamps.insert(compute.stamp);
      }
    }
  }
  return stamps;
}

}  // namespace

// Zeroes to begin with; the pages of stamps that are never given are never touched.
Ledger::Ledger()
    : shared_(MakeShared<Shared>()),
      fates_(static_cast<std::uint8_t*>(SharedMemory(kMostInstances))) {}

std::atomic_ref<std::uint8_t> Ledger::FateOf(std::uint64_t stamp) const {
  EXPECT(stamp < kMostInstances, "more instances than the ledger has room for");
  return std::atomic_ref(fates_[stamp]);
}

void Ledger::AcknowledgeCreation(ThreadRecord* record, std::uint32_t stamp) const {
  EXPECT((FateOf(stamp).fetch_or(kCreated) & kCreated) == 0, "instance %u was created twice", stamp);
  record->created++;
  record->newest = std::max(record->newest.load(), stamp);
}

void Ledger::AcknowledgeDestruction(ThreadRecord* record, std::uint32_t stamp) const {
  EXPECT((FateOf(stamp).fetch_or(kDestroyed) & kDestroyed) == 0, "instance %u was destroyed twice",
         stamp);
  record->destroyed++;
}

void Ledger::Abandon(unsigned process) {
  for (unsigned thread = 0; thread < kThreads; thread++) {
    const std::uint64_t changing = record(process, thread).changing.exchange(kNothing);
    if (changing == kCreation) {
      creations_cut_off_++;
    } else if (changing != kNothing) {
      destructions_cut_off_++;
      FateOf(changing).fetch_or(kPerhapsDestroyed);
    }
  }
}

// A destruction is told here before it begins and again after it ended, so whoever finds an instance
// gone and afterwards looks at what is under way, and then at what was acknowledged, meets it in one
// of the two.
bool Ledger::Agrees(const State& state, unsigned gpus, Reason* reason) {
  const std::set<std::uint32_t> live = StampsOf(state, gpus);
  std::set<std::uint64_t> under_way;
  for (const auto& client : shared_->records) {
    for (const ThreadRecord& record : client) under_way.insert(record.changing);
  }

  std::vector<std::uint32_t> candidates;
  std::set<std::uint32_t> were_told_gone;
  std::swap(candidates, open_);
  std::swap(were_told_gone, told_gone_);
  while (counted_ < state.node.lastStamp) candidates.push_back(++counted_);

  for (const std::uint32_t stamp : candidates) {
    const std::uint8_t fate = FateOf(stamp);
    const bool lives = live.count(stamp) != 0;
    if (lives && were_told_gone.count(stamp) != 0) {
      reason->Say("instance %u lives, and somebody was told before that it is destroyed", stamp);
      return false;
    }
    if (!lives && (fate & (kDestroyed | kPerhapsDestroyed)) != 0) continue;
    if (!lives && under_way.count(stamp) == 0) {
      reason->Say("instance %u is gone, and nobody destroyed it", stamp);
      return false;
    }
    open_.push_back(stamp);
    if ((fate & kDestroyed) != 0) told_gone_.insert(stamp);
  }
  return true;
}

bool Ledger::IsComplete(const State& state, Reason* reason) const {
  const std::uint32_t newest = state.node.lastStamp;
  for (const auto& client : shared_->records) {
    for (const ThreadRecord& record : client) {
      if (record.newest <= newest) continue;
      reason->Say("somebody was told of instance %u, and the newest is %u", record.newest.load(),
                  newest);
      return false;
    }
  }
  std::uint64_t unheard = 0;
  for (std::uint32_t stamp = 1; stamp <= newest; stamp++) unheard += (FateOf(stamp) & kCreated) == 0;
  if (unheard > creations_cut_off_) {
    reason->Say("nobody was told of %llu instances, and %llu creations were cut off",
                static_cast<unsigned long long>(unheard),
                static_cast<unsigned long long>(creations_cut_off_));
    return false;
  }
  return true;
}

}  // namespace nvml_mig::image_tests
