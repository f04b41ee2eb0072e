// ContextData: OpenSSL's side of a Context. Only dataplane/tls's handshake code includes this.
// Immutable after MakeServerContext or MakeClientContext; threads: any.
#ifndef MELTEMI_DATAPLANE_TLS_CONTEXT_DATA_H_
#define MELTEMI_DATAPLANE_TLS_CONTEXT_DATA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "dataplane/tls/context.h"
#include "dataplane/tls/openssl_ptr.h"

namespace meltemi::tls {

enum class Role : uint8_t { kServer, kClient };

struct ContextData {
  // Roots of one trust domain; empty: of everything that has no roots of its own.
  struct Roots {
    std::string trust_domain;
    X509StorePtr store;
  };
  struct Named {
    std::vector<std::string> server_names;
    SslCtxPtr ctx;
  };

  Role role = Role::kServer;
  ContextOptions options;
  std::vector<Roots> roots;
  std::vector<Named> named;  // the first is the default; a client has one
  bool resume = false;
  uint64_t id = 0;        // digest of everything: equal contexts may resume each other's sessions
  uint64_t trust_id = 0;  // digest of the roots
  int64_t not_after = 0;
};

// The certificate for this SNI: exact name, then wildcard, then names "any", then the first.
SSL_CTX* SelectCtx(const ContextData& context, std::string_view sni);

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_CONTEXT_DATA_H_
