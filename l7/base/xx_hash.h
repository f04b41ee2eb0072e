// XXH64, the hash of Envoy's consistent balancers: fast, well spread, not for secrets.
//
// Pure. Must know nothing. Called by l7/config when tables are built, by l7/route per request.
// Specification: Collet, "xxHash fast digest algorithm", version 0.1.1, XXH64.
#ifndef MELTEMI_L7_BASE_XX_HASH_H_
#define MELTEMI_L7_BASE_XX_HASH_H_

#include <cstdint>
#include <string_view>

namespace meltemi {

uint64_t XxHash64(std::string_view text, uint64_t seed = 0);

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_XX_HASH_H_
