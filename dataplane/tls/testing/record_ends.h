// Two ends that exchange records, for benchmarks: ours and OpenSSL's, TLS 1.3, past the handshake.
// Each does for a record what it does in production: ours takes a buffer from a worker's pool, and
// its events are emptied; OpenSSL's reads and writes memory BIOs, as proxies with an event loop of
// their own have it do.
#ifndef MELTEMI_DATAPLANE_TLS_TESTING_RECORD_ENDS_H_
#define MELTEMI_DATAPLANE_TLS_TESTING_RECORD_ENDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/tls/synchronous_handshakes.h"
#include "dataplane/tls/testing/certificates.h"
#include "dataplane/tls/testing/openssl_peer.h"
#include "dataplane/tls/tls.h"
#include "l7/base/timer_wheel.h"

namespace meltemi::tls {

// Pairs of sessions in one Tls.
class OwnEnds {
 public:
  OwnEnds(const std::string& suite, int pair_count, AeadKind aead = AeadKind::kIpsecMb);

  // `bytes` from an end to the other.
  void Exchange(size_t pair, uint32_t bytes);

  size_t pair_count() const { return ids_.size() / 2; }
  const TlsCounters& counters() const { return tls_.counters(); }

 private:
  void Shake();

  packet::HeapPacketPool pool_;
  TimerWheel timers_;
  SynchronousHandshakes runner_;
  Tls tls_;
  std::vector<TlsId> ids_;
  std::vector<TlsEvent> events_;
};

class OpenSslEnds {
 public:
  OpenSslEnds(const std::string& suite, uint32_t bytes_max);

  void Exchange(uint32_t bytes);

 private:
  OpenSslPeer server_;
  OpenSslPeer client_;
  std::string plain_, out_;
};

// The authority behind the benchmarks' certificates.
struct BenchPki {
  TestAuthority root{"root"};
  Certificate server = root.IssueSpiffe("server");
  Certificate client = root.IssueSpiffe("client");
  static const BenchPki& Get();
};
ContextRef BenchServer(const std::string& suite, VerifyPeer verify, uint32_t sessions);
ContextRef BenchClient(const std::string& suite, const Certificate& certificate, bool resume);

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_TESTING_RECORD_ENDS_H_
