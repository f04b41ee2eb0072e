// TlsPipes: what stands between one TCP connection and one L7 connection when there is TLS between
// them. Plain connections have a Pipe only (pipes.h). Thread: the worker's. Bound: the sessions of
// tls::Tls, whose slots these are.
//
//   A connection whose first bytes must choose a filter chain has a Sniff before it has anything
//   else. TCP's cookie is the SniffId's bits with kSniffCookie set, the TlsId's with kTlsCookie:
//   one bit tells these from plain ones.
//   A client's connection becomes L7's when its handshake is done; a server's was L7's before.
//
// The receive window counts ciphertext, L7 counts plaintext. TCP is told that `unopened` is used up
// when L7 has used up all it was given; of less, as much as L7 says. While the handshake runs it is
// told nothing: the window bounds what waits.
#ifndef MELTEMI_DATAPLANE_WORKER_TLS_PIPES_H_
#define MELTEMI_DATAPLANE_WORKER_TLS_PIPES_H_

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string_view>

#include "dataplane/tls/tls.h"
#include "dataplane/worker/pipes.h"
#include "l7/base/handle.h"
#include "l7/base/slice.h"
#include "l7/base/slot_map.h"
#include "l7/base/timer_wheel.h"

namespace meltemi::worker {

inline constexpr uint64_t kSniffCookie = uint64_t{1} << 30;

using SniffId = Handle<struct SniffTag>;
struct Sniff {
  explicit Sniff(TcpId tcp_in) : tcp(tcp_in) {}
  TcpId tcp;
  Timer timer{TimerOwner::kWorker, 0};  // its subject is the SniffId
  Chain bytes;
  bool header = false;  // of the PROXY protocol is still to come
};

// Two bytes where a pipe has room for no more: two protocols of one tag are one to a connection
// whose configuration changes during its handshake.
inline uint16_t ProtocolTag(std::string_view protocol) {
  uint32_t hash = 2166136261u;  // FNV-1a
  for (const char c : protocol) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return static_cast<uint16_t>((hash >> 16) | 1);
}

struct TlsPipe {
  tls::TlsId tls;
  TcpId tcp;
  ConnId conn;               // invalid: not L7's yet
  uint32_t settings = 0;     // config::TlsSettings::stable_id that it began with
  bool established = false;  // the handshake is done
  bool tcp_connected = false;
  // ProtocolTag of its ALPN: what its filter chain was chosen by, else the first. 0: it had none.
  uint16_t protocol = 0;
  Chain early;            // to be sent when TCP is connected
  Chain plain;            // of L7, to be sealed in this turn
  uint64_t unopened = 0;  // ciphertext that TCP's window still counts
  uint64_t with_l7 = 0;   // plaintext that L7 has not used up

  // How much TCP's window may open, now that L7 has used up `consumed` bytes.
  uint32_t TakeWindow(uint64_t consumed) {
    with_l7 -= std::min(consumed, with_l7);
    if (!established) return 0;
    const uint64_t n = with_l7 == 0 ? unopened : std::min(consumed, unopened);
    unopened -= n;
    return static_cast<uint32_t>(n);
  }
};

class TlsPipes {
 public:
  TlsPipe& Add(tls::TlsId id, TcpId tcp) {
    if (id.slot >= pipes_.size()) pipes_.resize(id.slot + 1);
    TlsPipe& pipe = pipes_[id.slot];
    pipe = TlsPipe{.tls = id, .tcp = tcp};
    return pipe;
  }
  // Null when it is gone. Stays where it is until removed.
  TlsPipe* Find(tls::TlsId id) {
    const bool here = id.valid() && id.slot < pipes_.size() && pipes_[id.slot].tls == id;
    return here ? &pipes_[id.slot] : nullptr;
  }
  void Remove(tls::TlsId id) {
    if (TlsPipe* pipe = Find(id)) *pipe = TlsPipe{};
  }

 private:
  std::deque<TlsPipe> pipes_;  // by slot; references outlive growth
};

}  // namespace meltemi::worker

#endif  // MELTEMI_DATAPLANE_WORKER_TLS_PIPES_H_
