// Pipes: joins one TCP connection and one L7 connection; tls_pipes.h has what may be between them.
// Thread: the worker's. Bound: limits::kL7ConnCountMax, the engine's own bound.
//
//   TCP's cookie is the ConnId's bits; the slot of the ConnId finds the TcpId here: no hashing
//   either way.
#ifndef MELTEMI_DATAPLANE_WORKER_PIPES_H_
#define MELTEMI_DATAPLANE_WORKER_PIPES_H_

#include <vector>

#include "dataplane/tls/tls.h"
#include "l7/base/handle.h"

namespace meltemi::worker {

class Pipes {
 public:
  void Join(ConnId conn, TcpId tcp, tls::TlsId tls = {}) {
    if (conn.slot >= pipes_.size()) pipes_.resize(conn.slot + conn.slot / 2 + 64);
    pipes_[conn.slot] = Pipe{conn, tcp, tls};
  }
  // Invalid when `conn` is not (or no longer) joined.
  TcpId Tcp(ConnId conn) const {
    if (conn.slot >= pipes_.size() || pipes_[conn.slot].conn != conn) return TcpId{};
    return pipes_[conn.slot].tcp;
  }
  // Invalid without TLS. `conn` is joined.
  tls::TlsId Tls(ConnId conn) const { return pipes_[conn.slot].tls; }
  void Part(ConnId conn) {
    if (Tcp(conn).valid()) pipes_[conn.slot] = Pipe{};
  }

 private:
  struct Pipe {
    ConnId conn;
    TcpId tcp;
    tls::TlsId tls;
  };
  std::vector<Pipe> pipes_;
};

}  // namespace meltemi::worker

#endif  // MELTEMI_DATAPLANE_WORKER_PIPES_H_
