// Backend: answers every HTTP/1.1 request with the same 200 and body, after a fixed delay if asked.
//
// Owns: the state of the connections it has accepted on its Stack, the bytes of the one response
// (shared by all, never copied). Thread: the load thread. Bounds: `connections_max`; responses that
// are due later: kDelayedMax.
#ifndef MELTEMI_BENCH_LOAD_BACKEND_H_
#define MELTEMI_BENCH_LOAD_BACKEND_H_

#include <cstdint>
#include <deque>

#include "bench/load/message_reader.h"
#include "bench/load/stack.h"
#include "l7/base/handle.h"
#include "l7/base/slice.h"
#include "l7/base/slot_map.h"
#include "l7/base/time.h"

namespace meltemi::load {

struct BackendOptions {
  uint64_t response_bytes = 64;
  Duration response_delay;
  uint32_t connections_max = 65'536;
};

class Backend {
 public:
  Backend(const BackendOptions& options, Stack* stack);
  ~Backend();

  // Handles the stack's events. True when anything was done.
  bool Turn(Instant now);

  uint64_t requests() const { return requests_; }
  uint64_t bad_requests() const { return bad_requests_; }
  uint64_t accepted() const { return accepted_; }
  uint32_t connection_count() const { return conns_.size(); }

 private:
  static constexpr size_t kDelayedMax = 1'000'000;
  struct Conn {
    TcpId tcp;
    MessageReader reader{MessageKind::kRequest};
    Chain in;
    uint32_t delayed = 0;  // responses it still waits for
  };
  struct Delayed {
    Instant due;
    ConnId conn;
    bool close;
  };

  void OnEvent(tcp::TcpEvent& event, Instant now);
  void OnAccepted(TcpId tcp, Instant now);
  void OnBytes(ConnId id, Chain bytes, Instant now);
  void Answer(ConnId id, bool close, Instant now);
  void Drop(ConnId id);

  const BackendOptions options_;
  Stack* const stack_;
  Chain response_;
  SlotMap<Conn, ConnId> conns_;
  std::deque<Delayed> delayed_;  // in the order of `due`: the delay is one for all
  std::vector<tcp::TcpEvent> handling_;
  uint64_t requests_ = 0, bad_requests_ = 0, accepted_ = 0;
};

// `n` bytes of text in as few pieces of `pool` as it takes, after `head`. Empty when the pool is
// exhausted.
Chain MakeMessage(packet::PacketPool* pool, std::string_view head, uint64_t n);

}  // namespace meltemi::load

#endif  // MELTEMI_BENCH_LOAD_BACKEND_H_
