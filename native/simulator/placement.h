// What fits where. A partition is a row of units (memory slices of a GPU, or compute slots of a GPU
// instance), the shapes that may be put on it and what lies there now. GPU instances and compute
// instances follow the same rules of placement; only the choice among free places differs.
#ifndef NVML_MIG_SIMULATOR_PLACEMENT_H
#define NVML_MIG_SIMULATOR_PLACEMENT_H

#include <cstdint>

#include "image_layout.h"

namespace nvml_mig::simulator {

struct Placement {
  unsigned start;
  unsigned size;
};

struct Shape {
  const std::uint8_t* starts;  // where it may lie, ascending
  unsigned start_count;
  unsigned size;
  unsigned limit;     // how many may be live at once
  unsigned excludes;  // bit per shape: those that may not be live beside it, either way round
};

struct Partition {
  static constexpr unsigned kMaxShapes = 20;
  unsigned count = 0;
  Shape shapes[kMaxShapes];
  std::uint32_t occupied = 0;          // bit per unit
  std::uint8_t live[kMaxShapes] = {};  // instances of each shape
};

Partition PartitionOf(const GpuBoard& board, const GpuState& gpu);
Partition PartitionOf(const GpuInstanceProfile& profile, const GpuInstance& instance);

// Whether a placement is one of the shape's.
bool IsListed(const Shape& shape, Placement placement);

// Whether the shape can be put at one of its starts now.
bool IsCreatable(const Partition& partition, unsigned shape, unsigned start);

// Puts an instance of the shape there.
void Occupy(Partition& partition, unsigned shape, unsigned start);

// How many more instances of the shape fit: disjoint free placements, lowest first.
unsigned RemainingCapacity(const Partition& partition, unsigned shape);

// The lowest free start. False when there is none.
bool FirstFit(const Partition& partition, unsigned shape, unsigned* start);

// The free start after which the most (shape, start) pairs are still creatable, the lowest of those
// that are equal. This reproduces every placement that recorded drivers chose. False when none is
// free.
bool LeastLoss(const Partition& partition, unsigned shape, unsigned* start);

// The id that the driver gives to a GPU instance at a place: 0 is the whole board, then the halves,
// the quarters and the eighths in address order. Boards with swapped numbering count the upper half
// of each size first.
unsigned GpuInstanceIdAt(const GpuBoard& board, Placement placement);

}  // namespace nvml_mig::simulator
#endif  // NVML_MIG_SIMULATOR_PLACEMENT_H
