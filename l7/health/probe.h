// Probe: one connection's health checks, one after the other: what to send, and what the answer
// means. HTTP/1.1, HTTP/2, gRPC (grpc.health.v1.Health/Check) and plain TCP.
//
//   Begin() when the connection stands (or is used again); write TakeOutput();
//   OnBytes(), OnEof() as they come, until one of them says a result.
//
// Owns: the decoder of the connection, or its HTTP/2 session. Must not know hosts, timers, how
// often. Called by l7/engine at the one worker that checks. Bounds: of an answer no more is kept
// than a head and what a pattern needs; kGrpcAnswerBytesMax.
#ifndef MELTEMI_L7_HEALTH_PROBE_H_
#define MELTEMI_L7_HEALTH_PROBE_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "l7/base/slice.h"
#include "l7/base/time.h"
#include "l7/config/health_check.h"
#include "l7/health/check.h"
#include "l7/http1/decoder.h"
#include "l7/http2/session.h"

namespace meltemi::health {

inline constexpr size_t kGrpcAnswerBytesMax = 4096;

class Probe {
 public:
  // `authority`: where the configuration names none. `secure`: the connection has TLS.
  struct Options {
    std::string authority;
    bool secure = false;
  };
  Probe(const config::HealthCheck& config, const Options& options, BufferPool* pool,
        http2::HpackMemory* memory);

  // A result at once: kPass where a connection is all that was asked for.
  std::optional<Result> Begin(Instant now);
  std::optional<Result> OnBytes(Chain* in, Instant now);
  // The peer has closed, after everything it has sent.
  std::optional<Result> OnEof();
  Chain TakeOutput();
  // After a result: the connection may have the next check too.
  bool reusable() const { return reusable_; }

 private:
  std::optional<Result> BeginHttp1(const config::HttpHealthCheck& http);
  std::optional<Result> BeginHttp2(Instant now);
  std::optional<Result> ReadHttp1(Chain* in);
  std::optional<Result> ReadHttp2(Chain* in, Instant now);
  std::optional<Result> ReadTcp(Chain* in);
  void TakeHead(uint16_t status, const http::HeaderBlock& headers);
  Result ResultOfHttp() const;
  Result ResultOfGrpc() const;
  const std::string& AuthorityOf(const std::string& configured) const {
    return configured.empty() ? options_.authority : configured;
  }

  const config::HealthCheck config_;
  const Options options_;
  BufferPool* const pool_;
  std::optional<http1::ResponseDecoder> http1_;
  std::unique_ptr<http2::Session> http2_;
  Chain out_;
  bool asking_ = false;  // a check is under way
  bool reusable_ = true;

  // Of the check under way.
  uint32_t stream_ = 0;
  uint16_t status_ = 0;
  bool degraded_ = false;
  std::string grpc_status_;  // as sent; empty: not yet
  std::string body_;         // gRPC: the answer; TCP: what may still become a pattern
  size_t pattern_ = 0;       // TCP: how many have come
};

// Whether the body of a response is one message of HealthCheckResponse that says SERVING. Hostile
// input.
bool IsServing(std::string_view body);

}  // namespace meltemi::health

#endif  // MELTEMI_L7_HEALTH_PROBE_H_
