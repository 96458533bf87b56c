// node.json, which says what a node was asked to be. The image knows its length and checksum, so that
// a node whose description was changed or lost is found at init and not by a person who was misled.
#ifndef NVML_MIG_SIMULATOR_IMAGE_DESCRIPTION_H
#define NVML_MIG_SIMULATOR_IMAGE_DESCRIPTION_H

#include "image.h"

namespace nvml_mig::simulator {

// Looks at the description beside the image at `path`. An image without one is fine.
[[nodiscard]] OpenStatus VerifyDescription(const char* path, const ImageHeader& header,
                                           Reason* reason);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_IMAGE_DESCRIPTION_H
