#include "dataplane/agent/bootstrap.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "dataplane/agent/read_overload.h"
#include "dataplane/agent/read_tcp.h"
#include "dataplane/agent/yaml_json.h"
#include "dataplane/agent/yaml_reader.h"
#include "dataplane/nic/device.h"
#include "google/protobuf/util/json_util.h"
#include "l7/base/limits.h"
#include "l7/base/text.h"

namespace meltemi::agent {
namespace {

// Reads the proto at `node` from its JSON form; protobuf's own message names the field.
template <typename Message>
void ReadMessage(const YAML::Node& node, const std::string& path, absl::Status* error,
                 Message* out) {
  const auto status = google::protobuf::util::JsonStringToMessage(YamlToJson(node), out);
  if (!status.ok() && error->ok()) {
    *error = absl::InvalidArgumentError(Cat(path, ": ", std::string(status.message())));
  }
}

std::optional<SockAddr> ReadSocketAddress(Reader parent, const std::string& key) {
  if (!parent.Has(key)) return std::nullopt;
  Reader address = parent.Child(key);
  Reader socket = address.Child("socket_address");
  const std::string text = socket.Text("address");
  const auto ip = IpAddr::Parse(text);
  if (!ip) socket.Fail("address", Cat("not an IP address: \"", text, "\""));
  SockAddr out{ip.value_or(IpAddr()), 0};
  out.port = static_cast<uint16_t>(socket.Int("port_value", 0, 0, 65'535));
  socket.Finish();
  address.Finish();
  return out;
}

std::string ReadFilename(Reader parent, const std::string& key) {
  if (!parent.Has(key)) return "";
  Reader source = parent.Child(key);
  const std::string path = source.Text("filename");
  if (path.empty()) source.Fail("filename", "is required: it is the only source supported");
  source.Finish();
  return path;
}

AdsTls ReadSsl(Reader credentials) {
  AdsTls out;
  Reader ssl = credentials.Child("ssl_credentials");
  for (const auto& [key, path] :
       {std::pair("root_certs", &out.roots_path), std::pair("cert_chain", &out.chain_path),
        std::pair("private_key", &out.key_path)}) {
    *path = ReadFilename(ssl, key);
    ssl.Take(key);
  }
  if (out.chain_path.empty() != out.key_path.empty()) {
    ssl.Fail(out.chain_path.empty() ? "cert_chain" : "private_key",
             "is required: a certificate and its key go together");
  }
  ssl.Finish();
  credentials.Finish();
  return out;
}

// gRPC's channel arguments: of them, the name to verify.
std::string ReadServerName(Reader channel_args) {
  constexpr char kOverride[] = "grpc.ssl_target_name_override";
  Reader args = channel_args.Child("args");
  std::string name;
  if (args.Has(kOverride)) {
    Reader value = args.Child(kOverride);
    name = value.Text("string_value");
    if (name.empty()) value.Fail("string_value", "is required");
    value.Finish();
  }
  args.Finish();
  channel_args.Finish();
  return name;
}

void ReadDynamic(Reader dynamic, Bootstrap* out) {
  Reader ads = dynamic.Child("ads_config");
  const std::string type = ads.Text("api_type", "GRPC");
  if (type != "GRPC") ads.Fail("api_type", Cat("only GRPC is supported, not ", type));
  const std::string version = ads.Text("transport_api_version", "V3");
  if (version != "V3") ads.Fail("transport_api_version", "only V3 is supported");
  ads.ForEach("grpc_services", [&](const YAML::Node& node, const std::string& path) {
    Reader service(node, path, ads.error());
    Reader google = service.Child("google_grpc");
    const std::string target = google.Text("target_uri");
    if (target.empty()) google.Fail("target_uri", "is required");
    if (!out->ads_target.empty()) service.Fail("", "only one service is supported");
    out->ads_target = target;
    google.Text("stat_prefix");
    if (google.Has("channel_credentials")) {
      Reader credentials = google.Child("channel_credentials");
      if (!credentials.Has("ssl_credentials")) {
        credentials.Fail("ssl_credentials", "is required: no other kind is supported");
      }
      out->ads_tls = ReadSsl(credentials);
    }
    if (google.Has("channel_args")) {
      Reader args = google.Child("channel_args");
      const std::string name = ReadServerName(args);
      if (!out->ads_tls) google.Fail("channel_args", "is for channel_credentials only");
      if (out->ads_tls) out->ads_tls->server_name = name;
    }
    google.Finish();
    service.Finish();
  });
  ads.Finish();
  // A node that was meant to have a control plane must not run without one, silently.
  if (out->ads_target.empty()) ads.Fail("grpc_services", "is required");
  for (const char* key : {"lds_config", "cds_config"}) {
    if (!dynamic.Has(key)) continue;
    Reader source = dynamic.Child(key);
    source.Take("ads");
    if (!source.Has("ads")) source.Fail("ads", "is required: it is the only source supported");
    const std::string version = source.Text("resource_api_version", "V3");
    if (version != "V3") source.Fail("resource_api_version", "only V3 is supported");
    source.Finish();
  }
  dynamic.Finish();
}

std::optional<std::array<uint8_t, 6>> ParseMac(const std::string& text) {
  std::array<unsigned, 6> b{};
  char tail = 0;
  if (std::sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4],
                  &b[5], &tail) != 6) {
    return std::nullopt;
  }
  std::array<uint8_t, 6> mac{};
  std::copy(b.begin(), b.end(), mac.begin());
  return (mac[0] & 1) ? std::nullopt : std::optional(mac);
}

PortConfig ReadPort(Reader port) {
  PortConfig out;
  out.name = port.Text("name");
  if (out.name.empty()) port.Fail("name", "is required");
  out.device = port.Text("device");
  if (out.device.empty()) port.Fail("device", "is required");
  if (const auto device = nic::ParseDevice(out.device); !device.ok()) {
    port.Fail("device", Std(device.status().message()));
  }
  const std::string kind = port.Text("kind", "POD");
  if (kind != "POD" && kind != "UPLINK") port.Fail("kind", "must be POD or UPLINK");
  out.kind = kind == "UPLINK" ? PortRole::kUplink : PortRole::kPod;
  out.workload = port.Text("workload");
  out.mtu = static_cast<uint16_t>(port.Int("mtu", 1500, limits::kMtuMin, 65'535));
  if (const std::string mac = port.Text("mac"); !mac.empty()) {
    out.mac = ParseMac(mac);
    if (!out.mac) port.Fail("mac", Cat("not a unicast MAC address: \"", mac, "\""));
  }
  port.ForEach("addresses", [&](const YAML::Node& node, const std::string& path) {
    const std::string text = node.IsScalar() ? node.Scalar() : "";
    const auto prefix = IpPrefix::Parse(text);
    const auto own = IpAddr::Parse(std::string_view(text).substr(0, text.find('/')));
    if (!prefix || !own) {
      Reader(YAML::Node(), path, port.error()).Fail("", Cat("not an address/bits: \"", text, "\""));
      return;
    }
    out.addresses.emplace_back(*own, *prefix);
  });
  port.Finish();
  return out;
}

void ReadLabels(const YAML::Node& labels, Reader* in,
                std::vector<std::pair<std::string, std::string>>* out) {
  bool strings = labels.IsMap();
  if (labels.IsMap()) {
    for (const auto& entry : labels) {
      strings &= entry.second.IsScalar();
      if (entry.second.IsScalar()) out->emplace_back(entry.first.Scalar(), entry.second.Scalar());
    }
  }
  if (!strings) in->Fail("labels", "must be a map of strings");
  std::sort(out->begin(), out->end());
}

WorkloadConfig ReadWorkload(Reader in) {
  WorkloadConfig out;
  out.workload.name = in.Text("name");
  if (out.workload.name.empty()) in.Fail("name", "is required");
  out.workload.ns = in.Text("namespace", "default");
  out.workload.service_account = in.Text("service_account", "default");
  out.port = in.Text("port");
  in.ForEach("addresses", [&](const YAML::Node& node, const std::string& path) {
    const auto ip = IpAddr::Parse(node.IsScalar() ? node.Scalar() : "");
    if (!ip) Reader(YAML::Node(), path, in.error()).Fail("", "not an IP address");
    if (ip) out.workload.addresses.push_back(*ip);
  });
  if (in.Has("labels")) ReadLabels(in.Take("labels"), &in, &out.workload.labels);
  in.Finish();
  return out;
}

CaConfig ReadCa(Reader in) {
  CaConfig out;
  out.address = in.Text("address");
  if (out.address.empty()) in.Fail("address", "is required");
  out.server_name = in.Text("server_name");
  out.roots_path = in.Text("roots_path");
  // Whoever answers at the address would be the CA.
  if (out.roots_path.empty()) in.Fail("roots_path", "is required");
  out.trust_domain = in.Text("trust_domain", "cluster.local");
  out.node_account = in.Text("node_account", "meltemi-system/meltemi-node");
  if (std::count(out.node_account.begin(), out.node_account.end(), '/') != 1) {
    in.Fail("node_account", Cat("not NAMESPACE/ACCOUNT: \"", out.node_account, "\""));
  }
  out.token_path = in.Text("token_path");
  out.join_token_path = in.Text("join_token_path");
  if (out.token_path.empty() == out.join_token_path.empty()) {
    in.Fail("token_path", "either this or join_token_path is required");
  }
  out.ttl = Duration::Seconds(in.Int("ttl_s", 0, 0, 90 * 86'400));
  in.Finish();
  return out;
}

void ReadMeltemi(Reader in, Bootstrap* out) {
  out->workers = static_cast<int>(in.Int("workers", 1, 1, limits::kWorkerCountMax));
  in.ForEach("cpus", [&](const YAML::Node& node, const std::string& path) {
    int cpu = -1;
    if (!YAML::convert<int>::decode(node, cpu) || cpu < 0) {
      Reader(YAML::Node(), path, in.error()).Fail("", "not a CPU number");
    }
    out->cpus.push_back(cpu);
  });
  if (!out->cpus.empty() && out->cpus.size() != static_cast<size_t>(out->workers)) {
    in.Fail("cpus", "must have one entry per worker");
  }
  out->busy_poll_max = Duration::Micros(in.Int("busy_poll_us_max", 200, 0, 1'000'000));
  out->idle_nap_max = Duration::Micros(in.Int("idle_nap_us_max", 4000, 0, 1'000'000));
  out->memory_mb = static_cast<uint32_t>(in.Int("memory_mb", 128, 16, 1 << 20));
  out->hugepages = in.Bool("hugepages", false);
  out->access_log_path = in.Text("access_log_path");
  out->connections_max = static_cast<uint32_t>(in.Int("connections_max", 0, 0, 1 << 24));
  ReadTcp(&in, out);
  out->handshake_threads =
      static_cast<int>(in.Int("handshake_threads", 1, 1, limits::kTlsHandshakeThreadCountMax));
  in.ForEach("ports", [&](const YAML::Node& node, const std::string& path) {
    out->ports.push_back(ReadPort(Reader(node, path, in.error())));
  });
  in.ForEach("routes", [&](const YAML::Node& node, const std::string& path) {
    Reader route(node, path, in.error());
    RouteConfig r;
    const std::string prefix = route.Text("prefix");
    if (const auto p = IpPrefix::Parse(prefix)) {
      r.prefix = *p;
    } else {
      route.Fail("prefix", Cat("not an address/bits: \"", prefix, "\""));
    }
    if (const std::string via = route.Text("via"); !via.empty()) {
      r.via = IpAddr::Parse(via);
      if (!r.via) route.Fail("via", Cat("not an IP address: \"", via, "\""));
    }
    r.port = route.Text("port");
    route.Finish();
    out->routes.push_back(r);
  });
  in.ForEach("workloads", [&](const YAML::Node& node, const std::string& path) {
    out->workloads.push_back(ReadWorkload(Reader(node, path, in.error())));
  });
  if (in.Has("ca")) out->ca = ReadCa(in.Child("ca"));
  in.Finish();
}

absl::Status TooMany(const std::string& path, size_t count, size_t max) {
  return absl::InvalidArgumentError(Cat(path, ": ", count, " are more than ", max));
}

// What the data plane has room for; an address leads to one port.
absl::Status CheckBounds(const Bootstrap& b) {
  if (b.ports.size() > limits::kPortCountMax) {
    return TooMany("meltemi.ports", b.ports.size(), limits::kPortCountMax);
  }
  size_t route_count = b.routes.size();
  for (size_t i = 0; i < b.ports.size(); ++i) {
    const size_t count = b.ports[i].addresses.size();
    route_count += count;
    if (count > limits::kPortAddressCountMax) {
      return TooMany(Cat("meltemi.ports[", i, "].addresses"), count, limits::kPortAddressCountMax);
    }
  }
  std::map<std::string, size_t> behind;  // addresses behind each port
  std::set<IpAddr> seen;
  for (size_t i = 0; i < b.workloads.size(); ++i) {
    const WorkloadConfig& w = b.workloads[i];
    if (w.port.empty()) continue;
    const std::string path = Cat("meltemi.workloads[", i, "].addresses");
    const size_t count = behind[w.port] += w.workload.addresses.size();
    route_count += w.workload.addresses.size();
    if (count > limits::kPortAddressCountMax) {
      return TooMany(Cat(path, ": on port \"", w.port, "\""), count, limits::kPortAddressCountMax);
    }
    for (const IpAddr& a : w.workload.addresses) {
      if (seen.insert(a).second) continue;
      return absl::InvalidArgumentError(Cat(path, ": ", a.ToString(), " is there twice"));
    }
  }
  if (route_count > limits::kRouteCountMax) {
    return TooMany("meltemi.routes", route_count, limits::kRouteCountMax);
  }
  return absl::OkStatus();
}

// A workload on an uplink is a gateway: the plane itself, at its own addresses.
absl::Status CheckGateway(const PortConfig& port, const WorkloadConfig& w,
                          const std::string& path) {
  for (const IpAddr& address : w.workload.addresses) {
    const bool own = std::any_of(port.addresses.begin(), port.addresses.end(),
                                 [&](const auto& a) { return a.first == address; });
    if (own) continue;
    return absl::InvalidArgumentError(Cat(path, ".addresses: ", address.ToString(),
                                          " is none of the uplink \"", port.name, "\""));
  }
  return absl::OkStatus();
}

// What refers to what: ports by name, workloads by "name.namespace".
absl::Status CheckReferences(const Bootstrap& b) {
  std::map<std::string, const PortConfig*> ports;
  std::set<std::string> workloads;
  for (size_t i = 0; i < b.ports.size(); ++i) {
    if (!ports.emplace(b.ports[i].name, &b.ports[i]).second) {
      return absl::InvalidArgumentError(
          Cat("meltemi.ports[", i, "].name: \"", b.ports[i].name, "\" is there twice"));
    }
  }
  for (size_t i = 0; i < b.workloads.size(); ++i) {
    const WorkloadConfig& w = b.workloads[i];
    if (!workloads.insert(Cat(w.workload.name, ".", w.workload.ns)).second) {
      return absl::InvalidArgumentError(Cat("meltemi.workloads[", i, "].name: \"", w.workload.name,
                                            "\" is there twice in its namespace"));
    }
    if (w.port.empty()) continue;
    const std::string path = Cat("meltemi.workloads[", i, "]");
    const auto port = ports.find(w.port);
    if (port == ports.end()) {
      return absl::InvalidArgumentError(Cat(path, ".port: no port is called \"", w.port, "\""));
    }
    if (port->second->kind == PortRole::kUplink) {
      const absl::Status status = CheckGateway(*port->second, w, path);
      if (!status.ok()) return status;
    }
  }
  for (size_t i = 0; i < b.routes.size(); ++i) {
    if (ports.count(b.routes[i].port) == 0) {
      return absl::InvalidArgumentError(
          Cat("meltemi.routes[", i, "].port: no port is called \"", b.routes[i].port, "\""));
    }
  }
  for (size_t i = 0; i < b.ports.size(); ++i) {
    const std::string& workload = b.ports[i].workload;
    if (!workload.empty() && workloads.count(workload) == 0) {
      return absl::InvalidArgumentError(
          Cat("meltemi.ports[", i, "].workload: no workload is called \"", workload, "\""));
    }
  }
  return absl::OkStatus();
}

// What TLS towards the control plane leaves to the CA.
absl::Status CheckAdsTls(const Bootstrap& b) {
  if (!b.ads_tls || b.ca) return absl::OkStatus();
  for (const auto& [key, path] : {std::pair("root_certs", &b.ads_tls->roots_path),
                                  std::pair("cert_chain", &b.ads_tls->chain_path)}) {
    if (!path->empty()) continue;
    return absl::InvalidArgumentError(
        Cat("dynamic_resources.ads_config.grpc_services[0].google_grpc.channel_credentials."
            "ssl_credentials.",
            key, ": is required without meltemi.ca"));
  }
  return absl::OkStatus();
}

// Node.metadata.WORKLOADS: what Pilot needs to know about who lives here.
void FillMetadata(Bootstrap* b) {
  auto& list = *(*b->node.mutable_metadata()->mutable_fields())["WORKLOADS"].mutable_list_value();
  for (const WorkloadConfig& w : b->workloads) {
    auto& fields = *list.add_values()->mutable_struct_value()->mutable_fields();
    fields["name"].set_string_value(w.workload.name);
    fields["namespace"].set_string_value(w.workload.ns);
    fields["service_account"].set_string_value(w.workload.service_account);
    for (const IpAddr& a : w.workload.addresses) {
      fields["addresses"].mutable_list_value()->add_values()->set_string_value(a.ToString());
    }
    auto& labels = *fields["labels"].mutable_struct_value()->mutable_fields();
    for (const auto& [key, value] : w.workload.labels) labels[key].set_string_value(value);
  }
}

std::string IdentityOf(const config::Workload& workload, const CaConfig& ca) {
  return Cat("spiffe://", ca.trust_domain, "/ns/", workload.ns, "/sa/", workload.service_account);
}

}  // namespace

std::string NodeIdentity(const CaConfig& ca) {
  const size_t slash = ca.node_account.find('/');
  return Cat("spiffe://", ca.trust_domain, "/ns/", ca.node_account.substr(0, slash), "/sa/",
             ca.node_account.substr(slash + 1));
}

std::set<std::string> LocalIdentities(const Bootstrap& bootstrap, const CaConfig& ca) {
  std::set<std::string> out;
  for (const WorkloadConfig& w : bootstrap.workloads) {
    out.insert(IdentityOf(w.workload, ca));
  }
  return out;
}

absl::StatusOr<Bootstrap> ParseBootstrap(std::string_view text, std::string_view file) {
  if (!IsUtf8(text)) return absl::InvalidArgumentError(Cat(file, ": not UTF-8"));
  YAML::Node root;
  try {  // yaml-cpp reports by exception; nothing else here does
    root = YAML::Load(std::string(text));
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(Cat(file, ":", e.mark.line + 1, ": ", e.msg));
  }
  Bootstrap b;
  absl::Status error = CheckTree(root);
  if (!error.ok()) return absl::InvalidArgumentError(Cat(file, ": ", error.message()));
  Reader top(root, "", &error);
  if (top.Has("node")) ReadMessage(top.Take("node"), "node", &error, &b.node);
  if (b.node.id().empty()) top.Fail("node.id", "is required");
  if (top.Has("admin")) {
    Reader admin = top.Child("admin");
    b.admin = ReadSocketAddress(admin, "address");
    admin.Take("address");
    admin.Finish();
  }
  if (top.Has("dynamic_resources")) ReadDynamic(top.Child("dynamic_resources"), &b);
  if (top.Has("static_resources")) {
    Reader fixed = top.Child("static_resources");
    fixed.ForEach("listeners", [&](const YAML::Node& node, const std::string& path) {
      ReadMessage(node, path, &error, &b.listeners.emplace_back());
    });
    fixed.ForEach("clusters", [&](const YAML::Node& node, const std::string& path) {
      ReadMessage(node, path, &error, &b.clusters.emplace_back());
    });
    fixed.ForEach("secrets", [&](const YAML::Node& node, const std::string& path) {
      ReadMessage(node, path, &error, &b.secrets.emplace_back());
    });
    fixed.Finish();
  }
  if (top.Has("overload_manager")) b.overload = ReadOverload(top.Child("overload_manager"));
  if (top.Has("meltemi")) ReadMeltemi(top.Child("meltemi"), &b);
  top.Finish();
  if (error.ok()) error = CheckReferences(b);
  if (error.ok()) error = CheckBounds(b);
  if (error.ok()) error = CheckAdsTls(b);
  if (!error.ok()) return absl::InvalidArgumentError(Cat(file, ": ", error.message()));
  FillMetadata(&b);
  if (b.ca.has_value()) {
    for (WorkloadConfig& w : b.workloads) w.workload.identity = IdentityOf(w.workload, *b.ca);
  }
  b.json = YamlToRedactedJson(root);
  return b;
}

absl::StatusOr<Bootstrap> LoadBootstrap(const std::string& path) {
  std::ifstream in(path);
  if (!in) return absl::NotFoundError(Cat(path, ": cannot be read"));
  std::stringstream text;
  text << in.rdbuf();
  return ParseBootstrap(text.str(), path);
}

}  // namespace meltemi::agent
