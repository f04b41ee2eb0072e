// Pipes: joins one L7 connection and what is below it: a TCP connection, or a TLS session that has
// the TCP connection (tls_pipes.h).
// Thread: the worker's. Bound: the engine's own.
//
//   TCP's cookie is the ConnId's bits; the slot of the ConnId finds the TcpId here: no hashing
//   either way.
#ifndef MELTEMI_DATAPLANE_WORKER_PIPES_H_
#define MELTEMI_DATAPLANE_WORKER_PIPES_H_

#include <cstdint>
#include <vector>

#include "dataplane/tls/tls.h"
#include "l7/base/handle.h"

namespace meltemi::worker {

// Marks a TlsId among the ids of TCP and L7: slots stay far below it.
inline constexpr uint64_t kTlsCookie = uint64_t{1} << 31;

class Pipes {
 public:
  void Join(ConnId conn, TcpId tcp) { Join(conn, tcp.bits()); }
  void Join(ConnId conn, tls::TlsId tls) { Join(conn, tls.bits() | kTlsCookie); }
  // Invalid when `conn` is not (or no longer) joined, or has TLS.
  TcpId Tcp(ConnId conn) const {
    const uint64_t below = Below(conn);
    return below & kTlsCookie ? TcpId{} : TcpId::FromBits(below);
  }
  // Invalid when `conn` is not (or no longer) joined, or has none.
  tls::TlsId Tls(ConnId conn) const {
    const uint64_t below = Below(conn);
    return below & kTlsCookie ? tls::TlsId::FromBits(below & ~kTlsCookie) : tls::TlsId{};
  }
  void Part(ConnId conn) {
    if (Below(conn) != 0) pipes_[conn.slot] = Pipe{};
  }

 private:
  struct Pipe {
    ConnId conn;
    uint64_t below = 0;
  };
  void Join(ConnId conn, uint64_t below) {
    if (conn.slot >= pipes_.size()) pipes_.resize(conn.slot + conn.slot / 2 + 64);
    pipes_[conn.slot] = Pipe{conn, below};
  }
  uint64_t Below(ConnId conn) const {
    const bool joined = conn.slot < pipes_.size() && pipes_[conn.slot].conn == conn;
    return joined ? pipes_[conn.slot].below : 0;
  }

  std::vector<Pipe> pipes_;
};

}  // namespace meltemi::worker

#endif  // MELTEMI_DATAPLANE_WORKER_PIPES_H_
