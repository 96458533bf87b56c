#include <cstring>

#include "checksum.h"
#include "image.h"
#include "image_lock.h"
#include "image_verify.h"
#include "steps.h"
#include "words.h"

namespace nvml_mig::simulator {
namespace {

// How far a change moves `current`: by one, to the spare slot. A test that must fail compiles this
// file with SIMULATOR_IN_PLACE, and then changes are written over the slot that everybody reads.
#ifdef SIMULATOR_IN_PLACE
constexpr std::uint64_t kAdvance = 2;
#else
constexpr std::uint64_t kAdvance = 1;
#endif

// A slot on this side of the mapping, with room for its padding.
struct PrivateSlot {
  Slot head;
  State state;
  std::uint8_t padding[kSectionAlignment];
};
static_assert(offsetof(PrivateSlot, state) == sizeof(Slot));
static_assert(SlotContentBytes(kMaxGpus) + kSectionAlignment <= sizeof(PrivateSlot));

void StoreWords(std::uint8_t* to, const void* from, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, static_cast<const char*>(from) + at, 8);
    Shared<std::uint64_t>(to + at).store(word, std::memory_order_relaxed);
    SIMULATOR_STEP(word_written);
  }
}

void CopyWords(std::uint8_t* to, const std::uint8_t* from, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += 8) {
    const std::uint64_t word = Shared<std::uint64_t>(from + at).load(std::memory_order_relaxed);
    Shared<std::uint64_t>(to + at).store(word, std::memory_order_relaxed);
  }
}

}  // namespace

void Outbox::Add(std::uint32_t type, unsigned gpu, std::uint64_t data, std::uint8_t gpuInstance,
                 std::uint8_t computeInstance, std::uint32_t pid) {
  if (count == sizeof(events) / sizeof(events[0])) return;
  events[count++] = {0,           type,            pid, data, static_cast<std::uint8_t>(gpu),
                     gpuInstance, computeInstance, {}};
}

// Before `current` names the change whose last event this is, so that nobody looks for them yet but a
// reader who is a whole ring behind; that one sees by their numbers that his are gone.
void Image::WriteEvents(const Outbox& outbox, std::uint64_t last) {
  for (unsigned i = 0; i < outbox.count; i++) {
    Event event = outbox.events[i];
    event.seq = last - outbox.count + 1 + i;
    auto* const place = reinterpret_cast<std::uint8_t*>(&commons().events[event.seq % kEventRing]);
    Shared<std::uint64_t>(place).store(0, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    StoreWords(place + sizeof(event.seq), &event.type, sizeof(event) - sizeof(event.seq));
    Shared<std::uint64_t>(place).store(event.seq, std::memory_order_release);
  }
}

bool Image::ReadEvent(std::uint64_t number, Event* out) const {
  const auto* const place =
      reinterpret_cast<const std::uint8_t*>(&commons().events[number % kEventRing]);
  if (Shared<std::uint64_t>(place).load(std::memory_order_acquire) != number) return false;
  LoadWords(out, place, sizeof(*out));
  std::atomic_thread_fence(std::memory_order_acquire);
  return Shared<std::uint64_t>(place).load(std::memory_order_relaxed) == number;
}

ChangeStatus Image::ChangeCommonsWith(void (*write)(void*, Commons&), void* context) {
  ImageLock lock;
  if (const ChangeStatus taken = Admit(&lock); taken != ChangeStatus::kDone) return taken;
  write(context, commons());
  return ChangeStatus::kDone;
}

// A successor takes the place only once the image before it is retired, so a file that is not the
// mapped one means the node was removed unless that says otherwise.
ChangeStatus Image::Admit(ImageLock* lock) const {
  const ChangeStatus taken = lock->Take(*this);
  if (taken != ChangeStatus::kDone && taken != ChangeStatus::kReplaced) return taken;
  const std::uint32_t end = retired();
  if (end == kRetiredReplaced) return ChangeStatus::kSuperseded;
  return taken == ChangeStatus::kDone && end != 0 ? ChangeStatus::kRetired : taken;
}

ChangeStatus Image::ChangeWith(const Callbacks& callbacks, Image* successor) {
  ImageLock lock;
  if (const ChangeStatus taken = Admit(&lock); taken != ChangeStatus::kDone) return taken;

  const std::uint64_t slotBytes = header().slotBytes;
  const std::uint64_t now = current();
  PrivateSlot next;
  LoadWords(&next, slot(now), slotBytes);
  if (next.head.seq != now) return ChangeStatus::kDamaged;
  SIMULATOR_STEP(copied);

  Outbox outbox;
  if (!callbacks.rules(callbacks.context, next.state, outbox)) return ChangeStatus::kDeclined;
  next.state.node.events += outbox.count;
  if (successor == nullptr && WordsEqual(&next, slot(now), slotBytes)) return ChangeStatus::kDone;
  SIMULATOR_STEP(ruled);

  next.head.seq = now + kAdvance;
  next.head.checksum = Checksum(&next.state, slotBytes - sizeof(Slot));
  SIMULATOR_STEP(sealed);

  Image& into = successor == nullptr ? *this : *successor;
  if (successor != nullptr) {
    const auto* const from = reinterpret_cast<const std::uint8_t*>(&commons());
    CopyWords(reinterpret_cast<std::uint8_t*>(&into.commons()), from, sizeof(Commons));
    // No older change is left to fall back on.
    StoreWords(into.slot(now), &next, slotBytes);
    Shared<std::uint64_t>(into.slot(now)).store(now, std::memory_order_relaxed);
  }
  into.WriteEvents(outbox, next.state.node.events);
  // A reader that meets a word of the new contents then also meets a `current` that tells it so.
  std::atomic_thread_fence(std::memory_order_release);
  StoreWords(into.slot(now + kAdvance), &next, slotBytes);
  SIMULATOR_STEP(written);
  Shared<std::uint64_t>(&into.header().current).store(now + kAdvance, std::memory_order_release);
  SIMULATOR_STEP(published);
  if (successor != nullptr) {
    const ChangeStatus placed = successor->TakePlaceOf(*this);
    if (placed != ChangeStatus::kDone) return placed;
  }
  callbacks.published(callbacks.context, next.state, now + kAdvance);
  WakeWaiters();
  return ChangeStatus::kDone;
}

ChangeStatus Image::Retire() {
  ImageLock lock;
  if (const ChangeStatus taken = lock.Take(*this); taken != ChangeStatus::kDone) return taken;
  Shared<std::uint32_t>(&header().retired).store(kRetiredClosed, std::memory_order_release);
  WakeWaiters();
  return ChangeStatus::kDone;
}

// The contents of a slot reach the disk in any order, so a machine that dies can leave a `current`
// whose slot never arrived. The other slot then holds the change before it, or one that was written
// and not yet named; either is whole. It becomes the next change, so that `current` never goes back.
bool Image::RepairSlots(Reason* reason) {
  ImageLock lock;
  if (lock.Take(*this) != ChangeStatus::kDone) {
    reason->Say("The image's live part is damaged, and putting it right needs the right to write.");
    return false;
  }
  const std::uint64_t now = current();
  Slot head;
  LoadWords(&head, slot(now), sizeof(head));
  if (head.seq == now && IsSound()) return true;  // somebody else was quicker
  PrivateSlot other;
  LoadWords(&other, slot(now + 1), header().slotBytes);
  if ((other.head.seq != now + 1 && other.head.seq + 1 != now) ||
      !SlotIsSealed(&other, header().slotBytes)) {
    reason->Say("The image's live part is damaged in both of its slots.");
    return false;
  }
  Shared<std::uint64_t>(slot(now + 1)).store(now + 1, std::memory_order_release);
  Shared<std::uint64_t>(&header().current).store(now + 1, std::memory_order_release);
  return true;
}

}  // namespace nvml_mig::simulator
