// A server's answers to health checks: read whole and in pieces they mean the same, one after the
// other on a connection no check has two results. The input's first byte chooses the kind of check
// and seeds the pieces, the rest is what the server sends; or a message of gRPC alone.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "l7/base/check.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/base/prng.h"
#include "l7/health/probe.h"

namespace meltemi::health {
namespace {

config::HealthCheck ConfigOf(uint32_t kind) {
  config::HealthCheck config;
  if (kind == 2) {
    config.kind = config::GrpcHealthCheck{.service_name = "shop"};
  } else if (kind == 3) {
    config.kind = config::TcpHealthCheck{.send = "PING", .receive = {"+PO", "NG", "+"}};
  } else {
    config.kind = config::HttpHealthCheck{
        .path = "/", .expected = {{200, 202}}, .retriable = {{500, 501}}, .http2 = kind == 1};
  }
  return config;
}

class Connection {
 public:
  Connection(uint32_t kind, HeapBufferPool* pool)
      : pool_(pool), probe_(ConfigOf(kind), {.authority = "a"}, pool, &memory_) {}
  ~Connection() { in_.Clear(); }

  void Begin() {
    const std::optional<Result> result = probe_.Begin(Instant());
    // Only a peer that takes no more streams ends a check before it was sent.
    CHECK(!result.has_value() || (result == Result::kNetwork && !probe_.reusable()));
    asking_ = !result.has_value();
  }
  void Feed(std::string_view bytes) {
    CHECK(AppendCopy(pool_, bytes, &in_));
    Take(probe_.OnBytes(&in_, Instant()));
  }
  void Close() {
    Take(probe_.OnEof());
    CHECK(!asking_ && !probe_.reusable());
  }
  bool asking() const { return asking_; }
  bool reusable() const { return probe_.reusable(); }
  std::optional<Result> result() const { return result_; }

 private:
  void Take(std::optional<Result> result) {
    if (!result.has_value()) return;
    CHECK(asking_ && result != Result::kTimeout);
    CHECK(!NoAnswer(*result) || !probe_.reusable());
    result_ = result;
    asking_ = false;
  }

  HeapBufferPool* const pool_;
  http2::HpackMemory memory_;
  Probe probe_;
  Chain in_;
  bool asking_ = false;
  std::optional<Result> result_;
};

void Answer(uint32_t kind, std::string_view stream, uint64_t seed) {
  HeapBufferPool pool;
  Connection whole(kind, &pool), pieces(kind, &pool), again(kind, &pool);
  whole.Begin();
  pieces.Begin();
  again.Begin();
  // A connection is read no further once its check is over and it cannot be used again.
  whole.Feed(stream);
  const bool ended_whole = !whole.asking();
  Prng splits(seed);
  while (!stream.empty()) {
    const size_t size = std::min<size_t>(stream.size(), 1 + splits.Below(40));
    if (pieces.asking()) pieces.Feed(stream.substr(0, size));
    if (again.asking() || again.reusable()) again.Feed(stream.substr(0, size));
    if (!again.asking() && again.reusable()) again.Begin();
    stream.remove_prefix(size);
  }
  CHECK(pieces.asking() == !ended_whole && pieces.result() == whole.result());
  whole.Close();
  pieces.Close();
  again.Close();
  CHECK(pieces.result() == whole.result());
}

std::string Framed(std::string_view message) {
  std::string framed(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) {
    framed.push_back(static_cast<char>(message.size() >> shift));
  }
  return framed.append(message);
}

void Message(std::string_view body) {
  if (!IsServing(body)) return;
  CHECK(body.size() > 5);
  const std::string message(body.substr(5));
  CHECK(Framed(message) == body);
  CHECK(!IsServing(body.substr(0, body.size() - 1)));
  CHECK(IsServing(Framed(message + "\x7a\x01x")));   // an unknown field changes nothing
  CHECK(!IsServing(Framed(message + "\x08\x02")));   // the last status counts
  CHECK(!IsServing(Framed(message + "\x7a\x02x")));  // a field cut short
}

}  // namespace
}  // namespace meltemi::health

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const uint32_t kind = data[0] % 5;
  if (kind == 4) {
    meltemi::health::Message(rest);
  } else {
    meltemi::health::Answer(kind, rest, data[0]);
  }
  return 0;
}
