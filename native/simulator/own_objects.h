// What a process makes through NVML for itself, such as an event set: at most kRoom at once, each gone
// when it is freed and with the init period it was made in. A handle is a number (see handles.h) that
// names a place here and the object's own number, which no other ever had; so one that was freed, never
// given out or is of another node is told apart, and nothing of it is dereferenced.
#ifndef NVML_MIG_SIMULATOR_OWN_OBJECTS_H
#define NVML_MIG_SIMULATOR_OWN_OBJECTS_H

#include <pthread.h>

#include <cstdint>

#include "handles.h"
#include "library.h"

namespace nvml_mig::simulator {

// `kKind` stands in a handle where that of a device or an instance has its HandleKind.
template <class Opaque, class Object, unsigned kKind>
class OwnObjects {
 public:
  // A process has a handful; more at once than this is a leak.
  static constexpr unsigned kRoom = 1024;

  // Whatever is done here is done by one thread at a time; nobody waits for anything meanwhile.
  class Locked {
   public:
    explicit Locked(OwnObjects& objects) : objects_(objects) { objects_.Lock(); }
    ~Locked() { objects_.Unlock(); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

   private:
    OwnObjects& objects_;
  };

  // One that is all zero; nullptr when there is no room.
  Object* Make(const ImageHeader& header, Opaque* handle) {
    for (unsigned place = 0; place < kRoom; place++) {
      Owned& it = places_[place];
      if (it.period == InitPeriod()) continue;
      it = {InitPeriod(), ++last_, {}};
      *handle = HandleOf(header, place, it.number);
      return &it.object;
    }
    return nullptr;
  }
  Object* Find(const ImageHeader& header, Opaque handle) {
    Owned* const found = Place(header, handle);
    return found == nullptr ? nullptr : &found->object;
  }
  bool Free(const ImageHeader& header, Opaque handle) {
    Owned* const found = Place(header, handle);
    if (found != nullptr) found->period = 0;
    return found != nullptr;
  }

  void Lock() { pthread_mutex_lock(&mutex_); }
  void Unlock() { pthread_mutex_unlock(&mutex_); }

 private:
  struct Owned {
    unsigned period;  // InitPeriod() of whoever has it; any other, such as 0: it is free
    std::uint32_t number;
    Object object;
  };

  static Opaque HandleOf(const ImageHeader& header, unsigned place, std::uint32_t number) {
    return reinterpret_cast<Opaque>(HandleTag(header) << 48 | std::uint64_t{kKind} << 44 |
                                    std::uint64_t{place} << 32 | number);
  }
  Owned* Place(const ImageHeader& header, Opaque handle) {
    const auto bits = reinterpret_cast<std::uint64_t>(handle);
    const unsigned place = static_cast<unsigned>(bits >> 32) % kRoom;
    Owned& it = places_[place];
    const bool is = handle == HandleOf(header, place, it.number) && it.period == InitPeriod();
    return is ? &it : nullptr;
  }

  Owned places_[kRoom] = {};
  std::uint32_t last_ = 0;
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};

// To be called once, before the handlers of any lock that is held while objects are used.
template <auto& objects>
void GuardForForks() {
  pthread_atfork([] { objects.Lock(); }, [] { objects.Unlock(); }, [] { objects.Unlock(); });
}

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_OWN_OBJECTS_H
