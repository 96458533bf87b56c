// What a container sees of its node: the file node.view beside the container's copy of the library.
// The image, and so everything that happens, is the node's. The node's own library has no such file.
//
// A GPU may be seen as a whole, or some of its MIG devices only. Of the others nothing is seen:
// either they are there and denied, or they are absent. What answers which: docs/simulator.md.
#ifndef NVML_MIG_SIMULATOR_VIEW_H
#define NVML_MIG_SIMULATOR_VIEW_H

#include "image.h"

namespace nvml_mig::simulator {

enum class Sight { kWhole, kParts, kDenied, kAbsent };

inline bool IsHidden(Sight sight) { return sight == Sight::kDenied || sight == Sight::kAbsent; }

// Without a view, which is nullptr here, everything is seen.
Sight SightOf(const View* view, unsigned gpu);
// The MIG devices of a GPU that are seen, as GpuView has them; all, for who may list instances.
const std::uint8_t* VisibleDevices(const View* view, unsigned gpu);

// kMissing where there is none. The sentence is set on kForbidden and kRefused.
[[nodiscard]] OpenStatus ReadView(const char* path, View* view, Reason* reason);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_VIEW_H
