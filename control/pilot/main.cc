// meltemi-pilot: reads the registry folder, serves ADS and the Control API over gRPC, and the pages
// of an operator over HTTP. This file only joins the parts.
#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <fstream>
#include <iostream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "ca/keystore/files.h"
#include "control/common/flags.h"
#include "control/common/grpc_tls.h"
#include "control/common/http_server.h"
#include "control/common/log.h"
#include "control/common/metrics.h"
#include "control/common/signals.h"
#include "control/pilot/ads_server/ads_server.h"
#include "control/pilot/node_auth/node_auth.h"
#include "control/pilot/registry/file/file_registry.h"
#include "control/pilot/servable/publisher.h"
#include "control/pilot/service/control_service.h"

namespace meltemi::control::pilot {
namespace {

constexpr char kVersion[] = "meltemi-pilot 0.1";

struct Options {
  std::string config_dir = "/etc/meltemi/config";
  std::string grpc_addr = "0.0.0.0:15010";
  std::string grpc_tls_addr;
  std::string tls_cert;
  std::string tls_key;
  std::string tls_roots;
  std::string node_accounts = "meltemi-system/meltemi-node";
  std::string http_addr = "0.0.0.0:8080";
  std::string domain = "cluster.local";
  std::string mesh_config;
  std::string help;
  std::string version;
};

std::vector<common::Flag> Flags(Options* options) {
  return {
      {"config-dir", "DIR", "folder of YAML objects, watched", &options->config_dir},
      {"grpc-addr", "ADDR", "where nodes (ADS) and the meltemi command connect, without TLS",
       &options->grpc_addr},
      {"grpc-tls-addr", "ADDR", "where nodes (ADS) connect by mutual TLS; Istio's port is 15012",
       &options->grpc_tls_addr},
      {"tls-cert", "FILE", "for grpc-tls-addr, PEM: the certificate and what leads to its root",
       &options->tls_cert},
      {"tls-key", "FILE", "its private key, PEM, which only its owner may read", &options->tls_key},
      {"tls-roots", "FILE", "PEM: the roots of nodes' certificates, as of meltemi-ca trust-bundle",
       &options->tls_roots},
      {"node-accounts", "NAMES", "NAMESPACE/ACCOUNT or SPIFFE identities of node planes",
       &options->node_accounts},
      {"http-addr", "ADDR", "/metrics, /healthz, /readyz, /debug/problems", &options->http_addr},
      {"domain", "NAME", "the domain service names end in", &options->domain},
      {"mesh-config", "FILE",
       "MeshConfig YAML: accessLogFile, outboundTrafficPolicy.mode, connectTimeout, "
       "protocolDetectionTimeout",
       &options->mesh_config},
      {"help", "", "print this and exit", &options->help},
      {"version", "", "print the version and exit", &options->version},
  };
}

absl::StatusOr<model::MeshConfig> ReadMeshConfig(const std::string& file) {
  if (file.empty()) return model::MeshConfig{};
  std::ifstream in(file);
  if (!in) return absl::NotFoundError(absl::StrCat(file, ": cannot be read"));
  std::ostringstream text;
  text << in.rdbuf();
  model::Problems problems;
  const model::MeshConfig config = model::ParseMeshConfig(file, text.str(), &problems);
  if (problems.empty()) return config;
  return absl::InvalidArgumentError(ToString(problems[0]));
}

common::HttpReply Page(const std::string& path, const common::Metrics& metrics,
                       const registry::FileRegistry& registry,
                       const servable::Publisher& publisher) {
  if (path == "/metrics") {
    return {.content_type = "text/plain; version=0.0.4", .body = metrics.Text()};
  }
  if (path == "/healthz") return {.body = "ok\n"};
  const registry::FileRegistry::State state = registry.state();
  if (path == "/readyz") {
    if (state.model != nullptr) return {.body = "ready\n"};
    return {.status = 503, .body = "no valid configuration yet\n"};
  }
  if (path == "/debug/problems") {
    common::HttpReply reply;
    for (const model::Problem& problem : state.problems) {
      absl::StrAppend(&reply.body, ToString(problem), "\n");
    }
    for (const model::Problem& problem : publisher.unsupported()) {
      absl::StrAppend(&reply.body, ToString(problem), "\n");
    }
    return reply;
  }
  return {.status = 404, .body = "/metrics /healthz /readyz /debug/problems\n"};
}

absl::StatusOr<std::unique_ptr<grpc::Server>> StartGrpc(
    const std::string& address, const std::shared_ptr<grpc::ServerCredentials>& credentials,
    const std::vector<grpc::Service*>& services) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, credentials, &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  // Two Pilots on one port would each serve half of the nodes.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // A node that vanished without a word is noticed within 40 s.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat("listening on ", address, " failed"));
  }
  return server;
}

// Not absl::Now, which learns of a clock that was set only after a while.
absl::Time WallNow() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return absl::TimeFromTimespec(now);
}

// Null: no TLS was asked for.
absl::StatusOr<std::unique_ptr<node_auth::NodeAuth>> OpenNodeAuth(const Options& options,
                                                                  const model::MeshConfig& mesh,
                                                                  ca::Files* files) {
  if (options.grpc_tls_addr.empty()) return nullptr;
  const std::pair<const char*, const std::string&> wanted[] = {{"tls-cert", options.tls_cert},
                                                               {"tls-key", options.tls_key},
                                                               {"tls-roots", options.tls_roots}};
  for (const auto& [name, value] : wanted) {
    if (!value.empty()) continue;
    return absl::InvalidArgumentError(absl::StrCat("--grpc-tls-addr needs --", name));
  }
  const auto domains = ca::TrustDomains::Make(mesh.trust_domain, mesh.trust_domain_aliases);
  if (!domains.ok()) return domains.status();
  auto accounts = node_auth::ParseNodeAccounts(*domains, options.node_accounts);
  if (!accounts.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--node-accounts: ", accounts.status().message()));
  }
  return node_auth::NodeAuth::Open({.cert_path = options.tls_cert,
                                    .key_path = options.tls_key,
                                    .roots_path = options.tls_roots,
                                    .node_accounts = *std::move(accounts),
                                    .domains = *domains},
                                   files, WallNow);
}

std::shared_ptr<grpc::ServerCredentials> TlsCredentials(node_auth::NodeAuth* auth) {
  return common::ReloadingServerCredentials([auth]() -> absl::StatusOr<common::ListenerPem> {
    node_auth::Serving now = auth->Get();
    return common::ListenerPem{.key = std::move(now.key),
                               .chain = std::move(now.chain),
                               .trusted = std::move(now.roots),
                               .version = now.version};
  });
}

int Fail(const absl::Status& status) {
  common::Log(common::Level::kError, "cannot start", {{"error", std::string(status.message())}});
  return 1;
}

int Run(const Options& options, const sigset_t& signals) {
  const absl::StatusOr<model::MeshConfig> mesh = ReadMeshConfig(options.mesh_config);
  if (!mesh.ok()) return Fail(mesh.status());
  common::Metrics metrics;
  ca::DiskFiles files;
  const auto auth = OpenNodeAuth(options, *mesh, &files);
  if (!auth.ok()) return Fail(auth.status());
  ads_server::AdsServer ads(&metrics, auth->get());
  servable::Publisher publisher(*mesh, &metrics, &ads);
  const auto registry = registry::FileRegistry::Start(
      options.config_dir, options.domain,
      [&](const registry::FileRegistry::State& state) { publisher.OnChange(state); });
  if (!registry.ok()) return Fail(registry.status());
  service::ControlService control(registry->get(), &ads, &publisher);
  const auto http = common::HttpServer::Start(options.http_addr, [&](const std::string& path) {
    return Page(path, metrics, **registry, publisher);
  });
  if (!http.ok()) return Fail(http.status());
  const auto grpc =
      StartGrpc(options.grpc_addr, grpc::InsecureServerCredentials(), {&ads, &control});
  if (!grpc.ok()) return Fail(grpc.status());
  std::shared_ptr<grpc::ServerCredentials> credentials;  // before the server that calls it
  absl::StatusOr<std::unique_ptr<grpc::Server>> tls = nullptr;
  // Nodes only: what operators do stays on the other address.
  if (*auth != nullptr) {
    credentials = TlsCredentials(auth->get());
    tls = StartGrpc(options.grpc_tls_addr, credentials, {&ads});
    if (!tls.ok()) return Fail(tls.status());
  }
  common::Log(common::Level::kInfo, "serving",
              {{"grpc", options.grpc_addr},
               {"grpc_tls", *auth != nullptr ? options.grpc_tls_addr : "off"},
               {"http", options.http_addr},
               {"config", options.config_dir}});
  int signal = 0;
  sigwait(&signals, &signal);
  common::Log(common::Level::kInfo, "stopping", {{"signal", absl::StrCat(signal)}});
  const auto deadline = absl::ToChronoTime(absl::Now() + absl::Milliseconds(200));
  if (*tls != nullptr) (*tls)->Shutdown(deadline);
  (*grpc)->Shutdown(deadline);
  return 0;
}

int Main(const std::vector<std::string>& args) {
  Options options;
  const std::vector<common::Flag> flags = Flags(&options);
  const auto rest = common::ParseFlags(args, flags);
  if (!rest.ok() || !rest->empty()) {
    std::cerr << "meltemi-pilot: "
              << (rest.ok() ? "unexpected argument " + rest->front()
                            : std::string(rest.status().message()))
              << "\n";
    return 2;
  }
  if (!options.version.empty()) {
    std::cout << kVersion << "\n";
    return 0;
  }
  if (!options.help.empty()) {
    Options defaults;
    std::cout
        << "meltemi-pilot: turns Istio and Kubernetes YAML into the configuration of nodes.\n\n"
        << common::DescribeFlags(Flags(&defaults));
    return 0;
  }
  return Run(options, common::BlockSignals({SIGTERM, SIGINT}));
}

}  // namespace
}  // namespace meltemi::control::pilot

int main(int argc, char** argv) {
  return meltemi::control::pilot::Main(std::vector<std::string>(argv + 1, argv + argc));
}
