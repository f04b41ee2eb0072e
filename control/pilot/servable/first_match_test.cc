// Goal: the first match of a rule takes a connection, as written, whatever Envoy's filter chains
// prefer. Method: tls and tcp routes drawn from a seed over few names, subnets and labels, so that
// they overlap in every way; Pilot's listeners compiled by the node's compiler, and its choice for
// every client, destination and server name against the rule read from top to bottom.
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control/pilot/model/parse.h"
#include "control/pilot/servable/servable.h"
#include "gtest/gtest.h"
#include "l7/base/prng.h"
#include "l7/config/compile.h"

namespace meltemi::control::pilot::servable {
namespace {

const std::vector<std::string> kNames = {"a.x.test", "b.x.test", "*.x.test", "*.test", "*"};
const std::vector<std::string> kSubnets = {"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "0.0.0.0/0",
                                           "2001:db8::/32"};
// Clients: none that is known, and Pods by two labels in two namespaces.
struct Client {
  std::string ip, ns, app, version;
};
const std::vector<Client> kClients = {{"10.9.0.1", "", "", ""},
                                      {"10.9.0.2", "default", "a", "1"},
                                      {"10.9.0.3", "default", "a", "2"},
                                      {"10.9.0.4", "prod", "b", "1"}};

struct DrawnMatch {
  std::vector<std::string> names, subnets;
  std::string ns, app, version;
  std::string to;  // the subset
};

std::string Yaml(const DrawnMatch& m) {
  std::vector<std::string> fields = {"port: 7000"};
  const auto list = [&](const char* field, const std::vector<std::string>& values) {
    if (values.empty()) return;
    fields.push_back(absl::StrCat(field, ": [\"", absl::StrJoin(values, "\", \""), "\"]"));
  };
  list("sniHosts", m.names);
  list("destinationSubnets", m.subnets);
  std::vector<std::string> labels;
  if (!m.app.empty()) labels.push_back(absl::StrCat("app: ", m.app));
  if (!m.version.empty()) labels.push_back(absl::StrCat("version: \"", m.version, "\""));
  if (!labels.empty()) {
    fields.push_back(absl::StrCat("sourceLabels: {", absl::StrJoin(labels, ", "), "}"));
  }
  if (!m.ns.empty()) fields.push_back(absl::StrCat("sourceNamespace: ", m.ns));
  return absl::StrCat("  - {match: [{", absl::StrJoin(fields, ", "),
                      "}], route: [{destination: {host: echo, subset: ", m.to, "}}]}\n");
}

std::string Subsets(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    absl::StrAppend(&out, i == 0 ? "" : ", ", "{name: s", i, ", labels: {v: s", i, "}}");
  }
  return out;
}

// A service of one address (10.1.2.3), or one of any.
enum class Where { kAddress, kAnywhere };

class Drawn {
 public:
  Drawn(uint64_t seed, Where where, bool tls) : prng_(seed), where_(where), tls_(tls) {
    const int tls_count = tls ? Draw(5) : 0, tcp_count = Draw(5);
    for (int i = 0; i < tls_count; ++i) by_name_.push_back(Match(i, true));
    for (int i = 0; i < tcp_count; ++i) by_address_.push_back(Match(tls_count + i, false));
  }

  std::string Mesh() const {
    std::string text;
    for (const Client& client : kClients) {
      if (client.ns.empty()) continue;
      absl::StrAppend(&text, "{apiVersion: v1, kind: Pod, metadata: {name: p", client.version,
                      client.app, ", namespace: ", client.ns, ", labels: {app: ", client.app,
                      ", version: \"", client.version, "\"}}, status: {podIPs: [{ip: ", client.ip,
                      "}]}}\n---\n");
    }
    absl::StrAppend(&text, R"(
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: echo}
spec:
  hosts: [echo.test]
  resolution: STATIC
  )",
                    where_ == Where::kAddress ? "addresses: [10.1.2.3]\n  " : "",
                    "ports: [{number: 7000, name: p, protocol: ", tls_ ? "TLS" : "TCP", R"(}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo}
spec: {host: echo.test, subsets: [)",
                    Subsets(10), "]}\n");
    if (by_name_.empty() && by_address_.empty()) return text;
    absl::StrAppend(&text, "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n",
                    "metadata: {name: echo}\nspec:\n  hosts: [echo.test, \"*\"]\n");
    if (!by_name_.empty()) absl::StrAppend(&text, "  tls:\n");
    for (const DrawnMatch& m : by_name_) absl::StrAppend(&text, Yaml(m));
    if (!by_address_.empty()) absl::StrAppend(&text, "  tcp:\n");
    for (const DrawnMatch& m : by_address_) absl::StrAppend(&text, Yaml(m));
    std::string out;
    for (size_t at = 0; at < text.size();) {  // routes name the host in full
      const size_t next = text.find("host: echo,", at);
      absl::StrAppend(&out, text.substr(at, next - at));
      if (next == std::string::npos) break;
      absl::StrAppend(&out, "host: echo.test,");
      at = next + std::string("host: echo,").size();
    }
    return out;
  }

  // "s3", "" (the service itself) or "others".
  std::string Wanted(const Client& client, const IpAddr& to, const std::string& sni,
                     bool tls) const {
    const bool any = where_ == Where::kAnywhere && tls_;
    bool names = false;  // some tls route is for the client
    for (const DrawnMatch& m : by_name_) names |= IsFor(m, client);
    if (tls) {
      for (const DrawnMatch& m : by_name_) {
        if (IsFor(m, client) && Has(m.subnets, to) && Names(m.names, sni)) return m.to;
      }
    }
    if (any && (names || !tls || sni != "echo.test")) return "others";
    for (const DrawnMatch& m : by_address_) {
      if (IsFor(m, client) && Has(m.subnets, to)) return m.to;
    }
    return "";
  }

 private:
  int Draw(uint32_t below) { return static_cast<int>(prng_.Below(below)); }
  std::vector<std::string> Some(const std::vector<std::string>& of, int least) {
    std::set<std::string> some;
    const int count = least + Draw(3);
    while (static_cast<int>(some.size()) < count) some.insert(of[Draw(of.size())]);
    return {some.begin(), some.end()};
  }
  DrawnMatch Match(int index, bool by_name) {
    DrawnMatch m{.to = absl::StrCat("s", index)};
    if (by_name) m.names = Some(kNames, 1);
    if (Draw(2) == 0) m.subnets = Some(kSubnets, 0);
    if (Draw(3) == 0) m.ns = Draw(2) == 0 ? "default" : "prod";
    if (Draw(2) == 0) m.app = Draw(2) == 0 ? "a" : "b";
    if (Draw(3) == 0) m.version = Draw(2) == 0 ? "1" : "2";
    return m;
  }
  static bool IsFor(const DrawnMatch& m, const Client& client) {
    return (m.ns.empty() || m.ns == client.ns) && (m.app.empty() || m.app == client.app) &&
           (m.version.empty() || m.version == client.version);
  }
  static bool Has(const std::vector<std::string>& subnets, const IpAddr& to) {
    bool has = subnets.empty();
    for (const std::string& subnet : subnets) has |= IpPrefix::Parse(subnet)->Contains(to);
    return has;
  }
  static bool Names(const std::vector<std::string>& names, const std::string& sni) {
    bool has = false;
    for (const std::string& name : names) has |= model::HostCovers(name, sni);
    return has;
  }

  Prng prng_;
  const Where where_;
  const bool tls_;
  std::vector<DrawnMatch> by_name_, by_address_;
};

std::string Chosen(const config::Snapshot& snapshot, const Client& client, const SockAddr& to,
                   const std::string& sni, bool tls) {
  const uint32_t at = snapshot.FindListener(config::Direction::kOutbound, to);
  if (at == config::kNoIndex) return "no listener";
  const SockAddr from{*IpAddr::Parse(client.ip), 999};
  const uint32_t chosen =
      config::ChooseChain(snapshot.listeners[at], at,
                          {.transport = tls ? config::Transport::kTls : config::Transport::kPlain,
                           .sni = sni,
                           .local = to,
                           .remote = from,
                           .direct_remote = from.ip})
          .listener;
  if (chosen == config::kNoIndex) return "no chain";
  const auto& proxy = std::get<config::TcpProxy>(snapshot.listeners[chosen].filter);
  const std::string& cluster = proxy.clusters[0].name;
  if (cluster == "PassthroughCluster") return "others";
  const size_t begin = cluster.find('|', cluster.find('|') + 1) + 1;
  return cluster.substr(begin, cluster.find('|', begin) - begin);
}

void Check(uint64_t seed, Where where, bool tls_port) {
  const Drawn drawn(seed, where, tls_port);
  const std::string yaml = drawn.Mesh();
  SCOPED_TRACE(absl::StrCat("seed ", seed, "\n", yaml));
  model::Objects objects;
  model::Problems problems;
  model::ParseText("mesh.yaml", yaml, &objects, &problems);
  const auto model = model::BuildModel(objects, "cluster.local", &problems);
  for (const model::Problem& problem : problems) ADD_FAILURE() << ToString(problem);
  ASSERT_TRUE(model.has_value());
  const Servable servable = MakeServable(*model, {});
  for (const model::Problem& problem : servable.unsupported) ADD_FAILURE() << ToString(problem);
  config::Resources resources;
  for (const auto& listener : servable.resources.listeners) {
    resources.listeners.push_back(&listener);
  }
  config::Compiler compiler({});
  const auto snapshot = compiler.Compile(resources);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  std::vector<std::string> to = {"10.1.2.3"};
  if (where == Where::kAnywhere) {
    to = {"10.1.2.3", "10.1.0.1", "10.2.0.1", "192.0.2.1", "2001:db8::1", "fd00::1"};
  }
  for (const Client& client : kClients) {
    for (const std::string& address : to) {
      const SockAddr destination{*IpAddr::Parse(address), 7000};
      for (const char* sni :
           {"", "a.x.test", "b.x.test", "c.x.test", "echo.test", "other.example"}) {
        for (const bool tls : {false, true}) {
          if (!tls && *sni != 0) continue;
          ASSERT_EQ(Chosen(**snapshot, client, destination, sni, tls),
                    drawn.Wanted(client, destination.ip, sni, tls))
              << client.ip << " to " << address << " for \"" << sni << "\" tls=" << tls;
        }
      }
    }
  }
}

TEST(FirstMatch, WinsAtAnAddress) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Check(seed, Where::kAddress, seed % 2 == 0);
    if (HasFatalFailure()) return;
  }
}

TEST(FirstMatch, WinsAtAnyAddress) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Check(seed, Where::kAnywhere, seed % 2 == 0);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace meltemi::control::pilot::servable
