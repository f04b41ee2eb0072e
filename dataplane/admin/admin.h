// Admin: the pages of an operator on the admin address, by Envoy's names: /ready,
// /stats/prometheus, /config_dump, /certs, /clusters, /listeners, /server_info, /healthz, /help.
//
// Owns nothing but its HTTP server. Thread: the server's; asks the workers through
// Node::CollectStats.
#ifndef MELTEMI_DATAPLANE_ADMIN_ADMIN_H_
#define MELTEMI_DATAPLANE_ADMIN_ADMIN_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "control/common/http_server.h"
#include "dataplane/agent/agent.h"
#include "dataplane/agent/bootstrap.h"
#include "dataplane/agent/identity_client.h"
#include "dataplane/node.h"

namespace meltemi::admin {

class Admin {
 public:
  // All must outlive it. `identities` may be null: the node has no CA.
  Admin(const agent::Bootstrap* bootstrap, Node* node, agent::Agent* agent,
        const agent::IdentityClient* identities);
  absl::Status Start();

  // The page at `path`; public for tests.
  control::common::HttpReply Page(const std::string& path);

 private:
  std::string Prometheus();
  std::string Certificates();
  std::string Identities();
  std::string Clusters();
  std::string Listeners();
  std::string ServerInfo();

  const agent::Bootstrap* const bootstrap_;
  Node* const node_;
  agent::Agent* const agent_;
  const agent::IdentityClient* const identities_;
  std::unique_ptr<control::common::HttpServer> server_;
};

}  // namespace meltemi::admin

#endif  // MELTEMI_DATAPLANE_ADMIN_ADMIN_H_
