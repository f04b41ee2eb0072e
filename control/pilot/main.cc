// meltemi-pilot: reads the registry folder, serves ADS and the Control API over gRPC, and the pages
// of an operator over HTTP. This file only joins the parts.
#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <fstream>
#include <iostream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "control/common/flags.h"
#include "control/common/http_server.h"
#include "control/common/log.h"
#include "control/common/metrics.h"
#include "control/common/signals.h"
#include "control/pilot/ads_server/ads_server.h"
#include "control/pilot/registry/file/file_registry.h"
#include "control/pilot/servable/publisher.h"
#include "control/pilot/service/control_service.h"

namespace meltemi::control::pilot {
namespace {

constexpr char kVersion[] = "meltemi-pilot 0.1";

struct Options {
  std::string config_dir = "/etc/meltemi/config";
  std::string grpc_addr = "0.0.0.0:15010";
  std::string http_addr = "0.0.0.0:8080";
  std::string domain = "cluster.local";
  std::string mesh_config;
  std::string help;
  std::string version;
};

std::vector<common::Flag> Flags(Options* options) {
  return {
      {"config-dir", "DIR", "folder of YAML objects, watched", &options->config_dir},
      {"grpc-addr", "ADDR", "where nodes (ADS) and the meltemi command connect",
       &options->grpc_addr},
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

absl::StatusOr<std::unique_ptr<grpc::Server>> StartGrpc(const std::string& address,
                                                        ads_server::AdsServer* ads,
                                                        service::ControlService* control) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(ads);
  builder.RegisterService(control);
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

int Fail(const absl::Status& status) {
  common::Log(common::Level::kError, "cannot start", {{"error", std::string(status.message())}});
  return 1;
}

int Run(const Options& options, const sigset_t& signals) {
  const absl::StatusOr<model::MeshConfig> mesh = ReadMeshConfig(options.mesh_config);
  if (!mesh.ok()) return Fail(mesh.status());
  common::Metrics metrics;
  ads_server::AdsServer ads(&metrics);
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
  const auto grpc = StartGrpc(options.grpc_addr, &ads, &control);
  if (!grpc.ok()) return Fail(grpc.status());
  common::Log(
      common::Level::kInfo, "serving",
      {{"grpc", options.grpc_addr}, {"http", options.http_addr}, {"config", options.config_dir}});
  int signal = 0;
  sigwait(&signals, &signal);
  common::Log(common::Level::kInfo, "stopping", {{"signal", absl::StrCat(signal)}});
  (*grpc)->Shutdown(absl::ToChronoTime(absl::Now() + absl::Milliseconds(200)));
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
