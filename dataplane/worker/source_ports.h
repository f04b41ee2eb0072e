// SourcePorts: which local port the next connection to a remote end tries, RFC 6056 3.3.4
// (double-hash port selection): ports to one remote end go up by small steps from a start that only
// we know, so that a port comes again as late as can be (TIME-WAIT at the peer is over) and tells
// nothing about connections to others. A step is drawn now and then, so that counting them tells
// little either (CVE-2022-1012).
//
// Owned by a worker. Bound: kCounters counters. Pure: chance is a parameter.
#ifndef MELTEMI_DATAPLANE_WORKER_SOURCE_PORTS_H_
#define MELTEMI_DATAPLANE_WORKER_SOURCE_PORTS_H_

#include <array>
#include <cstdint>
#include <type_traits>

#include "dataplane/tcp/siphash.h"
#include "l7/base/ip_addr.h"
#include "l7/base/prng.h"

namespace meltemi::worker {

class SourcePorts {
 public:
  static constexpr uint32_t kFirst = 32'768;  // ephemeral ports: above Linux's own, to the end
  static constexpr uint32_t kCount = 65'536 - kFirst;
  static constexpr uint32_t kCounters = 256;  // TABLE_LENGTH
  static constexpr uint32_t kStepMax = 8;

  // `secret`: the worker's, not a listener's to know.
  explicit SourcePorts(const std::array<uint8_t, 16>& secret) : hash_(secret) {}

  // Tries at most `tries` ports with `usable(port)`; 0 when none is. The second half of them is
  // drawn at random: the next ones in turn may all be in TIME-WAIT still.
  template <typename Usable>
  uint16_t Choose(const IpAddr& local, const SockAddr& remote, int tries, Prng* prng,
                  Usable&& usable) {
    struct Input {
      SockAddr remote;
      IpAddr local;
    };
    static_assert(std::has_unique_object_representations_v<Input>);
    const Input input{remote, local};
    const uint64_t f = hash_(&input, sizeof(input));
    // F and G of the RFC: two halves of one keyed hash.
    const auto offset = static_cast<uint32_t>(f);
    uint32_t& counter = counters_[(f >> 32) % kCounters];
    if (prng->Chance(1, 16)) counter += 1 + static_cast<uint32_t>(prng->Below(kStepMax));
    for (int i = 0; i < tries; ++i) {
      const uint32_t next = i <= tries / 2 ? (offset + counter++) % kCount
                                           : static_cast<uint32_t>(prng->Below(kCount));
      const auto port = static_cast<uint16_t>(kFirst + next);
      if (usable(port)) return port;
    }
    return 0;
  }

 private:
  tcp::SipHash24 hash_;
  std::array<uint32_t, kCounters> counters_{};
};

}  // namespace meltemi::worker

#endif  // MELTEMI_DATAPLANE_WORKER_SOURCE_PORTS_H_
