// meltemi-node: the node plane. This file only joins the parts.
#include <signal.h>
#include <sys/random.h>

#include <iostream>

#include "control/common/flags.h"
#include "control/common/log.h"
#include "control/common/signals.h"
#include "dataplane/admin/access_log_writer.h"
#include "dataplane/admin/admin.h"
#include "dataplane/agent/agent.h"
#include "dataplane/agent/bootstrap.h"
#include "dataplane/agent/identity_client.h"
#include "dataplane/node.h"
#include "l7/base/text.h"

namespace meltemi {
namespace {

using control::common::Level;
using control::common::Log;

constexpr char kVersion[] = "meltemi-node 0.1\n";
constexpr char kUsage[] =
    "meltemi-node: the Meltemi node plane. One process per node; proxies the traffic of all its "
    "pods.\n"
    "\n"
    "usage: meltemi-node --config FILE\n"
    "\n"
    "FILE is an Envoy bootstrap (YAML or JSON: node, admin, static_resources, dynamic_resources) "
    "with a\n"
    "`meltemi` section for ports, routes, workers and workloads: see deploy/node/bootstrap.md.\n"
    "SIGHUP makes it read the file again and apply what differs in ports, routes and workloads.\n"
    "\nflags:\n";

// Null: the node has no CA.
std::unique_ptr<agent::IdentityClient> MakeIdentities(const agent::Bootstrap& bootstrap,
                                                      uint64_t seed) {
  if (!bootstrap.ca) return nullptr;
  const agent::CaConfig& ca = *bootstrap.ca;
  auto out = std::make_unique<agent::IdentityClient>(
      agent::IdentityClientOptions{
          .target = ca.address,
          .server_name = ca.server_name,
          .roots_file = ca.roots_path,
          .node_identity = agent::NodeIdentity(ca),
          .token_file = ca.token_path,
          .join_token_file = ca.join_token_path,
          .ttl = ca.ttl,
          .state = {},
      },
      seed, nullptr);
  out->SetLocal(agent::LocalIdentities(bootstrap, ca));
  return out;
}

// The node's own certificates under the names that TLS contexts know them by.
agent::TlsSecrets SecretsOf(const agent::IdentityClient& identities) {
  agent::TlsSecrets out;
  for (agent::IdentitySecret& s : identities.Secrets()) {
    out[s.identity].certificate = {.chain = {.filename = "", .text = std::move(s.chain_pem)},
                                   .key = {.filename = "", .text = std::move(s.key_pem)}};
  }
  out[agent::kOwnRoots].trusted_ca.text = identities.trusted_pem();
  return out;
}

struct Options {
  std::string config;
  std::string check;
  std::string help;
  std::string version;
};

// SIGTERM and SIGINT stop the node, SIGHUP makes it read its bootstrap file again.
void WaitForSignals(const sigset_t& signals, Node* node) {
  for (int which = 0; sigwait(&signals, &which) == 0;) {
    if (which != SIGHUP) return node->Stop();
    node->Reload();
  }
}

int Serve(const agent::Bootstrap& bootstrap, const std::string& path, const sigset_t& signals) {
  uint64_t seed = 0;
  CHECK(getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
  Node node(bootstrap);
  admin::AccessLogWriter logs;
  // Of another seed than the agent: what either waits for shall not fall together.
  const std::unique_ptr<agent::IdentityClient> identities = MakeIdentities(bootstrap, ~seed);
  if (identities != nullptr) identities->Start();
  agent::Agent agent(bootstrap, node.snapshots(), seed,
                     [&logs](const config::Snapshot& s) { logs.Learn(s); });
  if (identities != nullptr) {
    agent.ServeTls(node.tls_contexts(), {.version = [&identities] { return identities->version(); },
                                         .get = [&identities] { return SecretsOf(*identities); }});
  } else {
    agent.ServeTls(node.tls_contexts(), {});
  }
  absl::Status status = agent.Start();
  if (status.ok()) status = node.Start();
  admin::Admin admin(&bootstrap, &node, &agent, identities.get());
  if (status.ok()) status = admin.Start();
  if (!status.ok()) {
    Log(Level::kError, "cannot start", {{"error", std::string(status.message())}});
    return 1;
  }
  Log(Level::kInfo, "serving",
      {{"node", bootstrap.node.id()},
       {"workers", std::to_string(bootstrap.workers)},
       {"ports", std::to_string(bootstrap.ports.size())},
       {"admin", bootstrap.admin ? bootstrap.admin->ToString() : "off"}});
  std::thread waiter([&signals, &node] { WaitForSignals(signals, &node); });
  node.Run({.on_record = [&logs](const telemetry::AccessRecord& record) { logs.Write(record); },
            .load = [&path] { return agent::LoadBootstrap(path); },
            .on_reloaded =
                [&agent, &identities](const agent::Bootstrap& now) {
                  agent.UseBootstrap(now);
                  if (identities != nullptr) {
                    identities->SetLocal(agent::LocalIdentities(now, *now.ca));
                  }
                }});
  Log(Level::kInfo, "stopped");
  agent.Stop();
  if (identities != nullptr) identities->Stop();
  waiter.join();
  return 0;
}

int Main(const std::vector<std::string>& args) {
  Options o;
  const std::vector<control::common::Flag> flags = {
      {"config", "FILE", "the bootstrap file", &o.config, 'c'},
      {"mode-validate", "", "check the bootstrap file and exit", &o.check},
      {"help", "", "print this and exit", &o.help},
      {"version", "", "print the version and exit", &o.version},
  };
  auto rest = control::common::ParseFlags(args, flags);
  if (rest.ok() && !o.help.empty()) {
    o = {};
    std::cout << kUsage << control::common::DescribeFlags(flags);
    return 0;
  }
  if (rest.ok() && !o.version.empty()) {
    std::cout << kVersion;
    return 0;
  }
  if (!rest.ok() || !rest->empty() || o.config.empty()) {
    std::cerr << (rest.ok() ? "meltemi-node: --config FILE is required"
                            : Cat("meltemi-node: ", rest.status().message()))
              << "; try --help\n";
    return 2;
  }
  const sigset_t signals = control::common::BlockSignals({SIGTERM, SIGINT, SIGHUP});
  auto bootstrap = agent::LoadBootstrap(o.config);
  if (!bootstrap.ok()) {
    std::cerr << "meltemi-node: " << bootstrap.status().message() << "\n";
    return 2;
  }
  if (!o.check.empty()) {
    std::cout << o.config << ": OK\n";
    return 0;
  }
  return Serve(*bootstrap, o.config, signals);
}

}  // namespace
}  // namespace meltemi

int main(int argc, char** argv) {
  return meltemi::Main(std::vector<std::string>(argv + 1, argv + argc));
}
