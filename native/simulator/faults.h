// What was asked to go wrong with calls of exported functions. Every exported function is a Call,
// so whatever is done here is done to all of them.
//
// A call meets the faults of its node that are for its function and its process. Each gives it a
// number, one after the other for all processes together; that number, and a hash of it where there
// is a chance, says whether the fault strikes. What strikes before the function's effect comes
// first: the delays, then what hangs, then the oldest fault that returns a code or kills, which ends
// the call. Then the effect, and in the same order what strikes after it. A fault has fired when its
// turn has come, which is counted before it acts.
#ifndef NVML_MIG_SIMULATOR_FAULTS_H
#define NVML_MIG_SIMULATOR_FAULTS_H

#include <type_traits>

#include "call_counts.h"
#include "exported.h"
#include "library.h"

namespace nvml_mig::simulator {

// False when no fault stands in the node that the process is initialised on, so that a call is nothing
// but what is played.
bool FaultsMayStand(const Image* image);

// A call that faults may strike: `effect` is what is played. No lock is held while they act.
nvmlReturn_t CallUnderFaults(Exported function, nvmlReturn_t (*effect)(void*), void* context);

template <class Effect>
nvmlReturn_t CallUnderFaults(Exported function, Effect& effect) {
  return CallUnderFaults(
      function, [](void* it) { return (*static_cast<Effect*>(it))(); }, &effect);
}

template <class Played>
auto Call(Exported function, Played played) -> decltype(played()) {
  const Image* const image = InitialisedImage();
  CountCall(image, function);
  if (!FaultsMayStand(image)) return played();
  if constexpr (std::is_same_v<decltype(played()), nvmlReturn_t>) {
    return CallUnderFaults(function, played);
  } else {
    // nvmlErrorString, which answers with text: nothing that returns a code strikes it.
    decltype(played()) text{};
    auto effect = [&] {
      text = played();
      return NVML_SUCCESS;
    };
    CallUnderFaults(function, effect);
    return text;
  }
}

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_FAULTS_H
