// CraftedPeer: the other end of a TLS 1.3 session, honest until the handshake is done; then the
// test has its keys and seals whatever it likes.
#ifndef MELTEMI_DATAPLANE_TLS_TESTING_CRAFTED_PEER_H_
#define MELTEMI_DATAPLANE_TLS_TESTING_CRAFTED_PEER_H_

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataplane/tls/handshake.h"
#include "dataplane/tls/record_layer.h"
#include "dataplane/tls/testing/tls_end.h"

namespace meltemi::tls {

class CraftedPeer {
 public:
  // A client or a server, as the context says. Does the handshake with `end`, which has begun.
  CraftedPeer(const ContextRef& context, TlsEnd* end);
  // After a handshake of MakeDone.
  CraftedPeer(Suite suite, const std::array<uint8_t, 48>& read_secret,
              const std::array<uint8_t, 48>& write_secret);
  ~CraftedPeer();

  // A record with this inner plaintext: content, type, padding.
  std::string SealInner(std::string inner);
  std::string Seal(ContentType type, std::string_view content) {
    return SealInner(std::string(content) + static_cast<char>(type));
  }
  // What the end has sent: (type, content) of every record; CHECKs that they open.
  std::vector<std::pair<ContentType, std::string>> Open(std::string_view ciphertext);
  void UpdateWriteKey() { layer_.Update(&write_); }
  void UpdateReadKey() { layer_.Update(&read_); }

 private:
  HeapBufferPool pool_;
  TlsCounters counters_;
  RecordLayer layer_;
  PeerCertificates certificates_;
  const std::unique_ptr<Aead> aead_ = MakeOpenSslAead();
  Traffic write_, read_;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_TESTING_CRAFTED_PEER_H_
