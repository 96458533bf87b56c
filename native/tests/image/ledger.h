// What the clients of a torture were told, kept where it outlives them: of every instance whether
// they were told that it exists and that it is gone, and of every thread what it is in the middle of.
// An instance is known by its stamp, which no other one of the node ever has.
#ifndef NVML_MIG_TESTS_IMAGE_LEDGER_H
#define NVML_MIG_TESTS_IMAGE_LEDGER_H

#include <atomic>
#include <cstdint>
#include <set>
#include <vector>

#include "abi/nvml_abi.h"
#include "support.h"

namespace nvml_mig::image_tests {

constexpr unsigned kProcesses = 8;
constexpr unsigned kThreads = 4;

// One thread of one client, in memory that outlives the client.
struct ThreadRecord {
  std::atomic<std::uint64_t> rounds;
  std::atomic<unsigned> calling;       // the function it is in, as its place in client_calls.h
  std::atomic<std::uint64_t> changing;  // nothing, a creation, or the stamp of what it destroys
  std::atomic<std::uint64_t> created;
  std::atomic<std::uint64_t> destroyed;
  std::atomic<std::uint32_t> newest;       // stamp it was told of
  std::atomic<std::uint64_t> answers[32];  // by code
};

class Ledger {
 public:
  // Before the clients are forked, which write to the same memory.
  Ledger();

  ThreadRecord& record(unsigned process, unsigned thread) const {
    return shared_->records[process][thread];
  }
  // Tells the clients to end by themselves.
  std::atomic<bool>& over() const { return shared_->over; }

  // For clients, around a change: what is begun and not ended when the client is killed may have
  // happened or not.
  void BeginCreation(ThreadRecord* record) const { record->changing = kCreation; }
  void BeginDestruction(ThreadRecord* record, std::uint32_t stamp) const {
    record->changing = stamp;
  }
  void AcknowledgeCreation(ThreadRecord* record, std::uint32_t stamp) const;
  void AcknowledgeDestruction(ThreadRecord* record, std::uint32_t stamp) const;
  void End(ThreadRecord* record) const { record->changing = kNothing; }

  // For their supervisor. The client was killed: what its threads were in is open for ever.
  void Abandon(unsigned process);
  // Whether a state that was read just now is what the clients were told: every instance there ever
  // was either lives or was destroyed by somebody, and what was told gone stays gone. Else a sentence.
  [[nodiscard]] bool Agrees(const State& state, unsigned gpus, Reason* reason);
  // Whether nobody was told of an instance that never was, and every one that nobody was told of is
  // one that a killed client was creating. For when no client is left.
  [[nodiscard]] bool IsComplete(const State& state, Reason* reason) const;

  std::uint64_t creations_cut_off() const { return creations_cut_off_; }
  std::uint64_t destructions_cut_off() const { return destructions_cut_off_; }

 private:
  static constexpr std::uint64_t kNothing = 0;
  static constexpr std::uint64_t kCreation = ~std::uint64_t{0};
  static constexpr std::uint32_t kMostInstances = 1u << 26;
  enum Fate : std::uint8_t { kCreated = 1, kDestroyed = 2, kPerhapsDestroyed = 4 };

  struct Shared {
    ThreadRecord records[kProcesses][kThreads];
    std::atomic<bool> over;
  };

  std::atomic_ref<std::uint8_t> FateOf(std::uint64_t stamp) const;

  Shared* const shared_;
  std::uint8_t* const fates_;  // by stamp, shared too
  // The supervisor's own.
  std::uint32_t counted_ = 0;           // the newest stamp it has seen
  std::vector<std::uint32_t> open_;     // up to there, those that lived when it last looked
  std::set<std::uint32_t> told_gone_;   // those of them whose end was acknowledged by then
  std::uint64_t creations_cut_off_ = 0;
  std::uint64_t destructions_cut_off_ = 0;
};

}  // namespace nvml_mig::image_tests
#endif  // NVML_MIG_TESTS_IMAGE_LEDGER_H
