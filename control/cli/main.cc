// meltemi: what operators type. Every command is one call of Pilot's Control API; `connections`
// asks the nodes too.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "control/cli/connections.h"
#include "control/cli/describe.h"
#include "control/cli/http_get.h"
#include "control/cli/table.h"
#include "control/common/flags.h"
#include "control/v1/control.grpc.pb.h"

namespace meltemi::control::cli {
namespace {

constexpr char kVersion[] = "meltemi 0.1";
constexpr int kOk = 0;
constexpr int kRefused = 1;  // Pilot answered: no
constexpr int kUsage = 2;
constexpr int kUnreachable = 3;

constexpr char kUsageText[] = R"(meltemi: talks to Pilot, the control plane of the mesh.

Usage: meltemi [flags] COMMAND

Commands:
  apply -f FILE|DIR|-          validate objects together with what is in force and store them
  get [KIND [NAME]]            list objects, or print them with -o yaml
  delete KIND NAME             remove an object; or -f FILE for those in a file
  status                       nodes, and which configuration each has accepted or refused
  proxy-config WHAT NODE       what a node runs: routes, clusters, endpoints or listeners
  connections [NODE ...]       who talks to whom, with which identity; all nodes when none is named
  version                      print the version

Examples:
  meltemi apply -f reviews.yaml
  meltemi get virtualservices -n default
  meltemi get virtualservice reviews -o yaml
  meltemi proxy-config routes node-a
  meltemi connections -o json

Exit status: 0 done, 1 refused or not found, 2 wrong usage, 3 Pilot, or a node, cannot be reached.

Flags:
)";

struct Options {
  std::string pilot = "127.0.0.1:15010";
  std::string file;
  std::string ns;
  std::string output = "table";
  std::string admin_port = "15000";
  std::string dry_run;
  std::string help;
  std::string version;
};

std::vector<common::Flag> Flags(Options* options) {
  return {
      {"pilot", "ADDR", "Pilot's address; also by MELTEMI_PILOT", &options->pilot},
      {"filename", "FILE", "file, folder or - for standard input", &options->file, 'f'},
      {"namespace", "NS", "namespace; get: all when not given, delete: default", &options->ns, 'n'},
      {"output", "FORMAT", "table, yaml (get) or json (proxy-config, connections)",
       &options->output, 'o'},
      {"admin-port", "PORT", "connections: of the nodes' admin addresses", &options->admin_port},
      {"dry-run", "", "apply: validate only", &options->dry_run},
      {"help", "", "print this and exit", &options->help, 'h'},
      {"version", "", "print the version and exit", &options->version},
  };
}

int Usage(const std::string& message) {
  std::cerr << "meltemi: " << message << "; see meltemi --help\n";
  return kUsage;
}

class Cli {
 public:
  explicit Cli(Options options) : options_(std::move(options)) {
    stub_ = v1::Control::NewStub(
        grpc::CreateChannel(options_.pilot, grpc::InsecureChannelCredentials()));
  }

  int Apply();
  int Get(const std::vector<std::string>& args);
  int Delete(const std::vector<std::string>& args);
  int Status();
  int ProxyConfig(const std::vector<std::string>& args);
  int Connections(const std::vector<std::string>& args);

 private:
  template <typename Call>
  grpc::Status Do(Call call) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    return call(&context);
  }

  int Failed(const grpc::Status& status) {
    const bool unreachable = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                             status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
    std::cerr << "meltemi: "
              << (unreachable ? absl::StrCat("Pilot at ", options_.pilot, ": ") : std::string())
              << status.error_message() << "\n";
    return unreachable ? kUnreachable : kRefused;
  }

  template <typename Response>
  int Problems(const Response& response) {
    for (const v1::Problem& problem : response.problems()) std::cerr << ToString(problem) << "\n";
    return response.problems_size() > 0 ? kRefused : kOk;
  }

  static void PrintUnsupported(const v1::ApplyResponse& response) {
    for (const v1::Problem& problem : response.unsupported()) {
      std::cerr << "warning: " << ToString(problem) << "\n";
    }
  }

  bool ReadFiles(v1::ApplyRequest* request);

  Options options_;
  std::unique_ptr<v1::Control::Stub> stub_;
};

bool ReadFile(const std::string& name, std::istream& in, v1::ApplyRequest* request) {
  std::ostringstream text;
  text << in.rdbuf();
  auto* file = request->add_files();
  file->set_name(name);
  file->set_yaml(text.str());
  return true;
}

bool Cli::ReadFiles(v1::ApplyRequest* request) {
  if (options_.file == "-") return ReadFile("(standard input)", std::cin, request);
  std::vector<std::string> names;
  std::error_code error;
  if (std::filesystem::is_directory(options_.file, error)) {
    for (const auto& entry : std::filesystem::directory_iterator(options_.file, error)) {
      const std::string extension = entry.path().extension();
      const bool wanted = extension == ".yaml" || extension == ".yml" || extension == ".json";
      if (wanted) names.push_back(entry.path());
    }
    std::sort(names.begin(), names.end());
  } else {
    names.push_back(options_.file);
  }
  for (const std::string& name : names) {
    std::ifstream in(name, std::ios::binary);
    if (!in) {
      std::cerr << "meltemi: " << name << ": cannot be read\n";
      return false;
    }
    ReadFile(name, in, request);
  }
  return true;
}

int Cli::Apply() {
  if (options_.file.empty()) return Usage("apply needs -f FILE");
  v1::ApplyRequest request;
  if (!ReadFiles(&request)) return kUsage;
  request.set_dry_run(!options_.dry_run.empty());
  v1::ApplyResponse response;
  const grpc::Status status =
      Do([&](auto* context) { return stub_->Apply(context, request, &response); });
  if (!status.ok()) return Failed(status);
  for (const auto& result : response.results()) {
    const auto& object = result.object();
    const char* outcome = result.outcome() == v1::ApplyResponse::CREATED   ? "created"
                          : result.outcome() == v1::ApplyResponse::CHANGED ? "changed"
                                                                           : "unchanged";
    std::cout << object.kind() << " " << object.namespace_() << "/" << object.name() << " "
              << outcome << (request.dry_run() ? " (dry run)" : "") << "\n";
  }
  PrintUnsupported(response);
  return Problems(response);
}

int Cli::Get(const std::vector<std::string>& args) {
  if (args.size() > 2) return Usage("get takes a kind and a name");
  if (options_.output != "table" && options_.output != "yaml") {
    return Usage("get prints table or yaml");
  }
  v1::GetRequest request;
  if (!args.empty()) request.set_kind(args[0]);
  if (args.size() > 1) request.set_name(args[1]);
  request.set_namespace_(options_.ns);
  v1::GetResponse response;
  const grpc::Status status =
      Do([&](auto* context) { return stub_->Get(context, request, &response); });
  if (!status.ok()) return Failed(status);
  if (response.objects_size() == 0) {
    std::cerr << "meltemi: no such object\n";
    return args.size() > 1 ? kRefused : kOk;
  }
  if (options_.output == "yaml") {
    for (int i = 0; i < response.objects_size(); ++i) {
      std::cout << (i > 0 ? "---\n" : "") << response.objects(i).yaml();
    }
    return kOk;
  }
  std::vector<std::vector<std::string>> rows = {{"KIND", "NAMESPACE", "NAME", "FILE"}};
  for (const auto& entry : response.objects()) {
    const auto& object = entry.object();
    rows.push_back({object.kind(), object.namespace_(), object.name(), entry.file()});
  }
  std::cout << FormatTable(rows);
  return kOk;
}

int Cli::Delete(const std::vector<std::string>& args) {
  v1::DeleteRequest request;
  if (!options_.file.empty() && args.empty()) {
    // The names in the files come from Pilot's own reading of them.
    v1::ApplyRequest files;
    if (!ReadFiles(&files)) return kUsage;
    files.set_dry_run(true);
    v1::ApplyResponse read;
    const grpc::Status status =
        Do([&](auto* context) { return stub_->Apply(context, files, &read); });
    if (!status.ok()) return Failed(status);
    if (read.problems_size() > 0) return Problems(read);
    for (const auto& result : read.results()) *request.add_objects() = result.object();
  } else if (args.size() == 2) {
    auto* object = request.add_objects();
    object->set_kind(args[0]);
    object->set_namespace_(options_.ns.empty() ? "default" : options_.ns);
    object->set_name(args[1]);
  } else {
    return Usage("delete needs KIND NAME or -f FILE");
  }
  v1::DeleteResponse response;
  const grpc::Status status =
      Do([&](auto* context) { return stub_->Delete(context, request, &response); });
  if (!status.ok()) return Failed(status);
  if (const int refused = Problems(response); refused != kOk) return refused;
  for (const auto& object : request.objects()) {
    std::cout << object.kind() << " " << object.namespace_() << "/" << object.name()
              << " deleted\n";
  }
  return kOk;
}

int Cli::Status() {
  v1::StatusResponse response;
  const grpc::Status status =
      Do([&](auto* context) { return stub_->Status(context, v1::StatusRequest(), &response); });
  if (!status.ok()) return Failed(status);
  std::cout << DescribeStatus(response);
  return kOk;
}

int Cli::ProxyConfig(const std::vector<std::string>& args) {
  struct What {
    const char* name;
    const char* type_url;
    std::string (*describe)(const v1::ProxyConfigResponse&);
  };
  static constexpr What kWhat[] = {
      {"clusters", "type.googleapis.com/envoy.config.cluster.v3.Cluster", DescribeClusters},
      {"endpoints", "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
       DescribeEndpoints},
      {"listeners", "type.googleapis.com/envoy.config.listener.v3.Listener", DescribeListeners},
      {"routes", "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", DescribeRoutes},
  };
  if (args.size() != 2) return Usage("proxy-config needs routes|clusters|endpoints|listeners NODE");
  for (const What& what : kWhat) {
    if (args[0] != what.name) continue;
    v1::ProxyConfigRequest request;
    request.set_node(args[1]);
    request.set_type_url(what.type_url);
    v1::ProxyConfigResponse response;
    const grpc::Status status =
        Do([&](auto* context) { return stub_->ProxyConfig(context, request, &response); });
    if (!status.ok()) return Failed(status);
    std::cout << (options_.output == "json" ? ToJson(response) : what.describe(response));
    return kOk;
  }
  return Usage(absl::StrCat("\"", args[0], "\" is not routes, clusters, endpoints or listeners"));
}

// The one command that asks nodes: what they have counted, Pilot does not know. Where they are, it
// does.
int Cli::Connections(const std::vector<std::string>& args) {
  if (options_.output != "table" && options_.output != "json") {
    return Usage("connections prints table or json");
  }
  v1::StatusResponse response;
  const grpc::Status status =
      Do([&](auto* context) { return stub_->Status(context, v1::StatusRequest(), &response); });
  if (!status.ok()) return Failed(status);
  const auto nodes = AdminAddresses(response, args, options_.admin_port);
  if (!nodes.ok()) {
    std::cerr << "meltemi: " << nodes.status().message() << "\n";
    return kRefused;
  }
  std::vector<std::string> metrics;
  int result = kOk;
  for (const auto& [node, address] : *nodes) {
    auto page = HttpGet(address, "/stats/prometheus", absl::Seconds(10));
    if (page.ok()) {
      metrics.push_back(*std::move(page));
      continue;
    }
    std::cerr << "meltemi: " << node << " at " << address << ": " << page.status().message()
              << "\n";
    result = kUnreachable;
  }
  if (metrics.empty() && result != kOk) return result;
  const std::vector<Talk> talks = ReadTalks(metrics);
  std::cout << (options_.output == "json" ? TalksToJson(talks) : DescribeTalks(talks));
  return result;
}

int Main(const std::vector<std::string>& args) {
  Options options;
  if (const char* pilot = std::getenv("MELTEMI_PILOT"); pilot != nullptr) options.pilot = pilot;
  const auto rest = common::ParseFlags(args, Flags(&options));
  if (!rest.ok()) return Usage(std::string(rest.status().message()));
  std::vector<std::string> words = *rest;
  if (!options.version.empty() || (words.size() == 1 && words[0] == "version")) {
    std::cout << kVersion << "\n";
    return kOk;
  }
  if (!options.help.empty() || words.empty()) {
    Options defaults;
    std::cout << kUsageText << common::DescribeFlags(Flags(&defaults));
    return options.help.empty() ? kUsage : kOk;
  }
  const std::string command = words.front();
  words.erase(words.begin());
  Cli cli(options);
  if (command == "apply") return cli.Apply();
  if (command == "get") return cli.Get(words);
  if (command == "delete") return cli.Delete(words);
  if (command == "status") return cli.Status();
  if (command == "proxy-config") return cli.ProxyConfig(words);
  if (command == "connections") return cli.Connections(words);
  return Usage(absl::StrCat("unknown command ", command));
}

}  // namespace
}  // namespace meltemi::control::cli

int main(int argc, char** argv) {
  return meltemi::control::cli::Main(std::vector<std::string>(argv + 1, argv + argc));
}
