// Seeded HTTP/1 streams: valid ones, and nearly valid ones (a piece from a list of known traps, or
// a byte changed). Tests only.
#ifndef MELTEMI_L7_HTTP1_TESTING_GENERATOR_H_
#define MELTEMI_L7_HTTP1_TESTING_GENERATOR_H_

#include <string>

#include "l7/base/prng.h"

namespace meltemi::http1 {

// One to three messages, each well formed.
std::string ValidRequests(Prng* prng);
std::string ValidResponses(Prng* prng);
// One or two faults put into a stream.
std::string Damage(std::string stream, Prng* prng);

}  // namespace meltemi::http1

#endif  // MELTEMI_L7_HTTP1_TESTING_GENERATOR_H_
