// TlsEnd: one Tls with all it needs, for tests: virtual time, handshakes run when polled, every
// event remembered. Two of them, or one and an OpenSslPeer, exchange bytes by Pump.
#ifndef MELTEMI_DATAPLANE_TLS_TESTING_TLS_END_H_
#define MELTEMI_DATAPLANE_TLS_TESTING_TLS_END_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/tls/synchronous_handshakes.h"
#include "dataplane/tls/testing/certificates.h"
#include "dataplane/tls/tls.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/base/timer_wheel.h"

namespace meltemi::tls {

TlsOptions TestOptions();

// What one session has seen and made.
struct Seen {
  std::string to_peer;  // not taken yet
  std::string plain;
  std::unique_ptr<HandshakeInfo> info;
  int close_notifies = 0, truncations = 0;
  TlsError error = TlsError::kNone;
  Alert alert = Alert::kCloseNotify;
  std::string detail;
};

class TlsEnd {
 public:
  explicit TlsEnd(const TlsOptions& options = TestOptions(), uint32_t allocation_max = 16'384);

  void Accept(const ContextRef& context) { id = tls.Accept(context, 7, now); }
  void Connect(const ContextRef& context, ConnectRequest request = {}) {
    id = tls.Connect(context, std::move(request), 7, now);
  }
  // In slices of at most `slice_bytes`; 0: as large as the pool makes them.
  void Receive(std::string_view ciphertext, uint32_t slice_bytes = 0);
  void Eof();
  void Poll();
  void Advance(Duration duration);  // fires timers
  bool Send(std::string_view plain);
  void Close();
  void UpdateKeys(Tls::RequestPeer request);
  std::string Take() { return std::exchange(seen.to_peer, {}); }
  Chain Bytes(std::string_view bytes, uint32_t slice_bytes = 0);
  // A new connection of the same Tls: what was seen is forgotten.
  void Again();

  HeapBufferPool pool;
  Instant now;
  TimerWheel timers;
  SynchronousHandshakes runner;
  Tls tls;
  TlsId id;
  Seen seen;

 private:
  void Note(std::vector<TlsEvent>* events);
};

// Bytes go to and fro until nobody has any.
void Pump(TlsEnd* a, TlsEnd* b);

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_TESTING_TLS_END_H_
