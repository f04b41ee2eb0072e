// The CA's bounds in one place, as l7/base/limits.h has the data plane's. Reaching one is an answer
// to the caller with the reason.
#ifndef MELTEMI_CA_LIMITS_H_
#define MELTEMI_CA_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace meltemi::ca::limits {

inline constexpr size_t kSpiffeBytesMax = 2048;  // SPIFFE-ID 2.3
inline constexpr size_t kTrustDomainBytesMax = 255;
inline constexpr size_t kNamespaceBytesMax = 63;        // an RFC 1123 label
inline constexpr size_t kServiceAccountBytesMax = 253;  // an RFC 1123 subdomain
inline constexpr size_t kTrustDomainAliasesMax = 16;

inline constexpr size_t kCsrBytesMax = 16 * 1024;
inline constexpr int kRsaBitsMin = 2048;
inline constexpr int kRsaBitsMax = 8192;
inline constexpr int kRsaExponentBitsMax = 64;

inline constexpr size_t kPemBytesMax = 256 * 1024;
inline constexpr size_t kCertificatesMax = 32;  // of a chain or a bundle
inline constexpr int kChainDepthMax = 8;

inline constexpr size_t kTokenBytesMax = 16 * 1024;
inline constexpr size_t kHttpAnswerBytesMax = 256 * 1024;  // a TokenReview, a key set
inline constexpr size_t kJoinTokensMax = 10'000;
inline constexpr size_t kRegistryFileBytesMax = 4 * 1024 * 1024;
inline constexpr size_t kRegistryPodsMax = 100'000;

inline constexpr int kGrpcMessageBytesMax = 64 * 1024;
inline constexpr int kGrpcThreadsMax = 64;

inline constexpr size_t kStateBytesMax = 64 * 1024;  // a file of the keystore that is no PEM

}  // namespace meltemi::ca::limits

#endif  // MELTEMI_CA_LIMITS_H_
