// The headers the engine itself reads or writes, as an enum found in one hash step.
#ifndef MELTEMI_L7_HTTP_KNOWN_HEADER_H_
#define MELTEMI_L7_HTTP_KNOWN_HEADER_H_

#include <cstdint>
#include <string_view>

namespace meltemi::http {

#define MELTEMI_KNOWN_HEADERS(H)                                   \
  H(kHost, "host")                                                 \
  H(kContentLength, "content-length")                              \
  H(kTransferEncoding, "transfer-encoding")                        \
  H(kConnection, "connection")                                     \
  H(kKeepAlive, "keep-alive")                                      \
  H(kProxyConnection, "proxy-connection")                          \
  H(kTe, "te")                                                     \
  H(kTrailer, "trailer")                                           \
  H(kUpgrade, "upgrade")                                           \
  H(kExpect, "expect")                                             \
  H(kDate, "date")                                                 \
  H(kServer, "server")                                             \
  H(kLocation, "location")                                         \
  H(kContentType, "content-type")                                  \
  H(kUserAgent, "user-agent")                                      \
  H(kXForwardedFor, "x-forwarded-for")                             \
  H(kXForwardedProto, "x-forwarded-proto")                         \
  H(kXRequestId, "x-request-id")                                   \
  H(kForwardedClientCert, "x-forwarded-client-cert")               \
  H(kEnvoyExpectedTimeout, "x-envoy-expected-rq-timeout-ms")       \
  H(kEnvoyUpstreamServiceTime, "x-envoy-upstream-service-time")    \
  H(kEnvoyAttemptCount, "x-envoy-attempt-count")                   \
  H(kEnvoyOriginalPath, "x-envoy-original-path")                   \
  H(kEnvoyMaxRetries, "x-envoy-max-retries")                       \
  H(kEnvoyRetryOn, "x-envoy-retry-on")                             \
  H(kEnvoyRetriableStatusCodes, "x-envoy-retriable-status-codes")  \
  H(kEnvoyTimeout, "x-envoy-upstream-rq-timeout-ms")               \
  H(kEnvoyPerTryTimeout, "x-envoy-upstream-rq-per-try-timeout-ms") \
  H(kEnvoyOverloaded, "x-envoy-overloaded")                        \
  H(kGrpcStatus, "grpc-status")                                    \
  H(kCookie, "cookie")                                             \
  H(kAuthorization, "authorization")

enum class Known : uint8_t {
  kOther,
#define MELTEMI_KNOWN_ENUM(id, name) id,
  MELTEMI_KNOWN_HEADERS(MELTEMI_KNOWN_ENUM)
#undef MELTEMI_KNOWN_ENUM
};

// The lower-case name; "" for kOther.
std::string_view Name(Known known);
// kOther when the name is not in the table. `lower_name` must be lower case.
Known FindKnown(std::string_view lower_name);

}  // namespace meltemi::http

#endif  // MELTEMI_L7_HTTP_KNOWN_HEADER_H_
