// Initial sequence numbers by RFC 6528: ISN = M + F(tuple, key), M a clock of 4 microseconds, so
// that numbers of one tuple grow and numbers of other tuples tell nothing. Timestamp offsets (RFC
// 7323 7.1 / 5.4) come from the same key with another label. Pure.
#ifndef MELTEMI_DATAPLANE_TCP_ISN_H_
#define MELTEMI_DATAPLANE_TCP_ISN_H_

#include <cstdint>
#include <type_traits>

#include "dataplane/tcp/siphash.h"
#include "l7/base/ip_addr.h"
#include "l7/base/time.h"

namespace meltemi::tcp {

// Hashed as bytes: no padding may hide in it.
static_assert(std::has_unique_object_representations_v<FourTuple> && sizeof(FourTuple) == 36);

struct TupleSecrets {
  uint32_t isn = 0;
  uint32_t timestamp_offset = 0;
};

inline TupleSecrets SecretsOf(const SipHash24& hash, const FourTuple& tuple, Instant now) {
  const uint64_t f = hash(&tuple, sizeof(tuple));
  const auto clock = static_cast<uint32_t>(now.nanos() / 4000);
  return {static_cast<uint32_t>(f) + clock, static_cast<uint32_t>(f >> 32)};
}

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_ISN_H_
