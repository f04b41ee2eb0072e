// MeshEnds: a client and a server of ours that trust one root, for tests of handshakes.
#ifndef MELTEMI_DATAPLANE_TLS_TESTING_MESH_ENDS_H_
#define MELTEMI_DATAPLANE_TLS_TESTING_MESH_ENDS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/tls/testing/certificates.h"
#include "dataplane/tls/testing/tls_end.h"

namespace meltemi::tls {

// Keys cost time to make: once for all tests.
struct MeshPki {
  TestAuthority root{"root"};
  TestAuthority other{"other"};
  Certificate a = root.IssueSpiffe("a");
  Certificate b = root.IssueSpiffe("b");
  static const MeshPki& Get() {
    static const MeshPki pki;
    return pki;
  }
};

// Both ends' options, mutual TLS with the same root, which a row of a table then changes.
struct MeshOptions {
  ServerOptions server;
  ClientOptions client;
  ConnectRequest request;
  MeshOptions() {
    const MeshPki& pki = MeshPki::Get();
    server.common.trust = client.common.trust = {{.pem = pki.root.pem()}};
    server.certificates = {{{}, pki.a}};
    client.certificate = pki.b;
  }
};

struct MeshEnds {
  TlsEnd client, server;
  void Shake(const ContextRef& client_context, const ContextRef& server_context,
             ConnectRequest request = {}) {
    server.Accept(server_context);
    client.Connect(client_context, std::move(request));
    Pump(&client, &server);
  }
  bool done() const { return client.seen.info != nullptr && server.seen.info != nullptr; }
};

inline ContextRef Server(const ServerOptions& options) {
  auto context = MakeServerContext(options);
  CHECK(context.ok());
  return *context;
}
inline ContextRef Client(const ClientOptions& options) {
  auto context = MakeClientContext(options);
  CHECK(context.ok());
  return *context;
}

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_TESTING_MESH_ENDS_H_
