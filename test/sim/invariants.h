// What must hold between any two turns of a worker, and of a plane at any time: CHECKed, because a
// simulation that breaks them is of no further use.
#ifndef MELTEMI_TEST_SIM_INVARIANTS_H_
#define MELTEMI_TEST_SIM_INVARIANTS_H_

#include <cstdint>
#include <string>

#include "dataplane/worker/worker.h"

namespace meltemi::sim {

class Node;
class World;

// TCP's own invariants, and that every packet of the network layer ended in one way
// (ip/counters.h).
void CheckTurn(const worker::Worker& worker);

// The packets that the connections and queues of a node may hold, by their bounds in limits.h. A
// segment carries `segment_bytes` at least when its sender fills them.
int64_t PacketsMax(Node& node, uint32_t segment_bytes);

// The drop counters of a node that are not zero, but those named in `expected`: "name=1 name=2".
// Such drops are no wire's fault.
std::string Drops(Node& node, const std::string& expected);

// What is left of a load that is over, when idle connections have had their time: "" when nothing
// is.
std::string Leftovers(World& world);

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_INVARIANTS_H_
