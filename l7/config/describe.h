// Describe: a snapshot as text, one value per line, the same for the same snapshot on every machine
// (no hash order). For golden tests, dumps and comparing configurations.
//
// Owns nothing; pure. Called on control threads and by tests. Only what differs from the defaults
// of snapshot.h is written, except names, addresses and targets.
#ifndef MELTEMI_L7_CONFIG_DESCRIBE_H_
#define MELTEMI_L7_CONFIG_DESCRIBE_H_

#include <string>

#include "l7/config/snapshot.h"

namespace meltemi::config {

// Clusters, route tables and listeners in the order of their indices. Sequence, version text and
// stable ids are left out: they depend on what came before.
std::string Describe(const Snapshot& snapshot);

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_DESCRIBE_H_
