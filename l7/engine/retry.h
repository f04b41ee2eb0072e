// When an attempt is repeated, and how long to wait before: pure decisions of the retry policy
// (Envoy's retry_on semantics, proxy-behaviour 4.2).
//
// Called by the engine on its worker's thread; knows no connections and no clock.
#ifndef MELTEMI_L7_ENGINE_RETRY_H_
#define MELTEMI_L7_ENGINE_RETRY_H_

#include <cstdint>
#include <string_view>

#include "l7/base/prng.h"
#include "l7/base/time.h"
#include "l7/config/snapshot.h"
#include "l7/http/header_block.h"

namespace meltemi::engine {

// The policy of one exchange: the route's, changed by the request's x-envoy- headers.
struct RetryPlan {
  uint32_t on = 0;  // bits of config::RetryPolicy
  uint32_t retry_count_max = 0;
  Duration per_try_timeout;
  Duration backoff_base = Duration::Millis(25);
  Duration backoff_max = Duration::Millis(250);
  bool previous_hosts = false;
  uint32_t host_selection_attempt_count_max = 1;
  const config::RetryPolicy* policy = nullptr;  // for status_codes; null: none configured
};

// How an attempt failed without a complete response head.
enum class AttemptFailure : uint8_t {
  kConnect,         // no connection
  kConnectTimeout,  // no connection in time
  kTls,             // no connection: its TLS handshake failed
  kTlsUntrusted,    // so it did, as the server's certificate does not verify
  kTlsName,         // or is somebody else's
  kTermination,     // FIN or RST before the response's head
  kProtocolError,
  kRefusedStream,  // HTTP/2: provably not processed
  kRemoteReset,    // HTTP/2: RST_STREAM
  kPerTryTimeout,
  kNoExtendedConnect,  // HTTP/2: the server takes no WebSocket or other upgrade (RFC 8441)
};

RetryPlan MakeRetryPlan(const config::RetryPolicy* policy, const http::HeaderBlock& request);

// Bits of "5xx,reset,..."; what is unknown is ignored, as in Envoy.
uint32_t ParseRetryOn(std::string_view list);

bool WantsRetry(const RetryPlan& plan, AttemptFailure failure);
bool WantsRetry(const RetryPlan& plan, uint16_t status, const http::HeaderBlock& response);

// How many retries may be under way in a cluster that has so many requests, retries among them.
uint32_t RetriesMax(const config::CircuitBreaker& breaker, uint32_t request_count);
// Full jitter: uniform in [0, min((2^N - 1) * base, max)) for the N-th retry, N >= 1.
Duration Backoff(const RetryPlan& plan, uint32_t retry, Prng& prng);

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_RETRY_H_
