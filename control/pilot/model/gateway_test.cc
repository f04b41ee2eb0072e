// Goal: a Gateway that contradicts itself, another or a rule is refused by file, object and path.
// Method: YAML in, exact problem texts out.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "control/pilot/model/model.h"
#include "control/pilot/model/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace meltemi::control::pilot::model {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> ProblemsOf(const std::string& text) {
  Problems problems;
  Objects objects;
  ParseText("f.yaml", text, &objects, &problems);
  if (problems.empty()) BuildModel(objects, "cluster.local", &problems);
  std::vector<std::string> out;
  for (const Problem& problem : problems) out.push_back(ToString(problem));
  return out;
}

std::string Object(const std::string& kind, const std::string& name, const std::string& spec) {
  return absl::StrCat("{apiVersion: networking.istio.io/v1, kind: ", kind,
                      ", metadata: {name: ", name, "}, spec: ", spec, "}\n---\n");
}

std::string Gateway(const std::string& name, const std::string& servers) {
  return Object("Gateway", name, absl::StrCat("{selector: {a: b}, servers: [", servers, "]}"));
}

struct Row {
  const char* name;
  const char* servers;
  std::vector<std::string> problems;  // after the object's name
};

class BadServer : public testing::TestWithParam<Row> {};

TEST_P(BadServer, IsRefusedWithItsPath) {
  std::vector<std::string> wanted;
  for (const std::string& problem : GetParam().problems) {
    wanted.push_back(absl::StrCat("f.yaml: Gateway default/g: spec.servers", problem));
  }
  EXPECT_EQ(ProblemsOf(Gateway("g", GetParam().servers)), wanted);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, BadServer,
    testing::Values(
        Row{"Empty", "", {": required"}}, Row{"NoPort", "{hosts: [a]}", {"[0].port: required"}},
        Row{"NoName",
            "{port: {number: 80, protocol: HTTP}, hosts: [a]}",
            {"[0].port.name: required"}},
        Row{"Protocol",
            "{port: {number: 80, name: x, protocol: UDP}, hosts: [a]}",
            {"[0].port.protocol: must be one of HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, MONGO, TCP, "
             "TLS"}},
        Row{"Hosts", "{port: {number: 80, name: x, protocol: HTTP}}", {"[0].hosts: required"}},
        Row{"Host",
            "{port: {number: 80, name: x, protocol: HTTP}, hosts: [ok, 'ns/*a']}",
            {"[0].hosts[1]: \"ns/*a\" is not a host name, *, or *.suffix, after a namespace/"}},
        Row{"NoTls",
            "{port: {number: 443, name: x, protocol: HTTPS}, hosts: [a]}",
            {"[0].tls: required by HTTPS and TLS ports"}},
        Row{"NoCertificate",
            "{port: {number: 443, name: x, protocol: HTTPS}, hosts: [a], tls: {mode: SIMPLE}}",
            {"[0].tls.serverCertificate: required, with privateKey; or credentialName"}},
        Row{"NoKey",
            "{port: {number: 443, name: x, protocol: HTTPS}, hosts: [a], tls: {mode: SIMPLE, "
            "serverCertificate: /c}}",
            {"[0].tls.privateKey: required"}},
        Row{"NoAuthority",
            "{port: {number: 443, name: x, protocol: HTTPS}, hosts: [a], tls: {mode: MUTUAL, "
            "serverCertificate: /c, privateKey: /k}}",
            {"[0].tls.caCertificates: required to verify clients"}},
        Row{"CertificateOfNobody",
            "{port: {number: 443, name: x, protocol: TLS}, hosts: [a], tls: {mode: PASSTHROUGH, "
            "serverCertificate: /c, privateKey: /k}}",
            {"[0].tls.mode: has no certificates of its own: use SIMPLE or MUTUAL"}},
        Row{"OldVersion",
            "{port: {number: 443, name: x, protocol: TLS}, hosts: [a], tls: {mode: PASSTHROUGH, "
            "minProtocolVersion: TLSV1_1}}",
            {"[0].tls.minProtocolVersion: TLS before 1.2 is not spoken (RFC 8996)"}},
        Row{"VersionsSwapped",
            "{port: {number: 443, name: x, protocol: TLS}, hosts: [a], tls: {mode: PASSTHROUGH, "
            "minProtocolVersion: TLSV1_3, maxProtocolVersion: TLSV1_2}}",
            {"[0].tls.minProtocolVersion: is above maxProtocolVersion"}},
        Row{"SecretAndFiles",
            "{port: {number: 443, name: x, protocol: HTTPS}, hosts: [a], tls: {mode: SIMPLE, "
            "credentialName: c, serverCertificate: f, privateKey: k}}",
            {"[0].tls.credentialName: instead of files, or files without it"}},
        Row{"SecretAndAuthorityFile",
            "{port: {number: 443, name: x, protocol: HTTPS}, hosts: [a], tls: {mode: MUTUAL, "
            "credentialName: c, caCertificates: f}}",
            {"[0].tls.credentialName: instead of files, or files without it"}},
        Row{"SecretOfAnotherKind",
            "{port: {number: 443, name: x, protocol: HTTPS}, hosts: [a], tls: {mode: SIMPLE, "
            "credentialName: 'sds://c'}}",
            {"[0].tls.credentialName: must be the name of a Secret of the gateway's namespace"}},
        Row{"SecretOfAuthorities",
            "{port: {number: 443, name: x, protocol: HTTPS}, hosts: [a], tls: {mode: SIMPLE, "
            "credentialName: c-cacert}}",
            {"[0].tls.credentialName: must not end in -cacert: that is the authority of clients"}},
        Row{"SecretOfAModeWithout",
            "{port: {number: 443, name: x, protocol: TLS}, hosts: [a], tls: {mode: PASSTHROUGH, "
            "credentialName: c}}",
            {"[0].tls.mode: has no certificates of its own: use SIMPLE or MUTUAL"}},
        Row{"SeveralSecrets",
            "{port: {number: 443, name: x, protocol: HTTPS}, hosts: [a], tls: {mode: SIMPLE, "
            "credentialName: c, credentialNames: [d]}}",
            {"[0].tls.credentialNames: not supported yet"}},
        Row{"RedirectOfTls",
            "{port: {number: 9, name: x, protocol: TCP}, hosts: [a], tls: {httpsRedirect: true}}",
            {"[0].tls.httpsRedirect: only of HTTP ports"}},
        Row{"NamesTwice",
            "{port: {number: 80, name: x, protocol: HTTP}, hosts: [a]}, {port: {number: 81, name: "
            "x, protocol: HTTP}, hosts: [a]}",
            {"[1].port.name: \"x\" is given twice"}}),
    [](const auto& info) { return info.param.name; });

TEST(Gateway, NeedsASelector) {
  EXPECT_THAT(ProblemsOf(Object("Gateway", "g",
                                "{servers: [{port: {number: 80, name: x, protocol: HTTP}, hosts: "
                                "[a]}]}")),
              ElementsAre("f.yaml: Gateway default/g: spec.selector: required: the workloads it "
                          "runs on"));
}

// Goal: what a Secret says is read, and never said again.
TEST(Secret, IsReadAndNotRepeated) {
  Problems problems;
  Objects objects;
  ParseText("f.yaml",
            "{apiVersion: v1, kind: Secret, metadata: {name: s, annotations: {a: c2VjcmV0}}, type: "
            "Opaque, immutable: true, data: {tls.key: c2VjcmV0, number: 1234}, stringData: {other: "
            "plainly, number: '12'}}",
            &objects, &problems);
  EXPECT_THAT(problems, IsEmpty());
  ASSERT_EQ(objects.secrets.size(), 1u);
  EXPECT_EQ(objects.secrets[0].data,
            (std::map<std::string, std::string>{
                {"tls.key", "secret"}, {"number", "12"}, {"other", "plainly"}}));
  const std::string& shown = objects.documents[0].Shown();
  for (const char* value : {"c2VjcmV0", "plainly", "1234"}) {
    EXPECT_THAT(shown, testing::Not(testing::HasSubstr(value)));
    EXPECT_THAT(objects.documents[0].yaml, testing::HasSubstr(value));
  }
  EXPECT_THAT(shown, testing::HasSubstr("tls.key"));
}

TEST(Secret, MistakesAreNamedWithoutTheirValues) {
  const auto secret = [](const std::string& fields) {
    return "{apiVersion: v1, kind: Secret, metadata: {name: s}, " + fields + "}";
  };
  EXPECT_THAT(ProblemsOf(secret("data: {k: 'se-cret'}")),
              ElementsAre("f.yaml: Secret default/s: data: \"k\" is not base64"));
  EXPECT_THAT(ProblemsOf(secret("data: {k: [secret]}")),
              ElementsAre("f.yaml: Secret default/s: data.k: must be a string"));
  EXPECT_THAT(ProblemsOf(secret("data: secret")), testing::SizeIs(1));
  EXPECT_THAT(ProblemsOf(secret("datum: secret")),
              ElementsAre("f.yaml: Secret default/s: datum: unknown field"));
}

constexpr char kWorkload[] =
    "{apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: {name: w, labels: {a: "
    "b}}, spec: {address: 192.0.2.1}}\n---\n";

// Two Gateways on one workload share its ports, or not.
TEST(Gateway, PortsOfOneWorkloadMustGoTogether) {
  const std::string http =
      Gateway("g", "{port: {number: 80, name: x, protocol: HTTP}, hosts: [a]}");
  const auto other = [](const std::string& server) { return Gateway("h", server); };
  const std::string tls =
      "{port: {number: 80, name: x, protocol: TLS}, hosts: [a], tls: {mode: PASSTHROUGH}}";
  const std::string same = "{port: {number: 80, name: x, protocol: HTTP}, hosts: [a]}";
  EXPECT_THAT(ProblemsOf(http + other(tls)), IsEmpty()) << "on no workload";
  EXPECT_THAT(ProblemsOf(kWorkload + http + other(same)), IsEmpty());
  EXPECT_THAT(ProblemsOf(kWorkload + http + other(tls)),
              ElementsAre("f.yaml: Gateway default/h: spec.servers[0].port: port 80 is already "
                          "used, and otherwise, by Gateway default/g"));
  EXPECT_THAT(ProblemsOf(kWorkload + Gateway("g", tls) + other(tls)),
              ElementsAre("f.yaml: Gateway default/h: spec.servers[0].hosts: \"a\" on port 80 is "
                          "already served by Gateway default/g"));
  const std::string tcp = "{port: {number: 80, name: x, protocol: TCP}, hosts: ['*']}";
  EXPECT_THAT(ProblemsOf(kWorkload + Gateway("g", tcp) + other(tcp)),
              ElementsAre("f.yaml: Gateway default/h: spec.servers[0].port: port 80 is already "
                          "used, and otherwise, by Gateway default/g"));
}

TEST(Gateway, RulesNameGatewaysAndHostsThatAreThere) {
  const std::string to = "[{destination: {host: s}}]";
  const std::string service =
      "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: 10.96.0.1, ports: "
      "[{name: tls, port: 443}]}}\n---\n";
  const std::string gateway = Gateway(
      "g", "{port: {number: 443, name: x, protocol: TLS}, hosts: ['*'], tls: {mode: PASSTHROUGH}}");
  EXPECT_THAT(
      ProblemsOf(service + gateway +
                 Object("VirtualService", "v",
                        absl::StrCat("{hosts: ['*.a'], gateways: [g, other/g], tls: [{match: "
                                     "[{sniHosts: [x.a, x.b]}], route: ",
                                     to, "}]}"))),
      ElementsAre("f.yaml: VirtualService default/v: spec.gateways[1]: no Gateway other/g",
                  "f.yaml: VirtualService default/v: spec.tls[0].match[0].sniHosts[1]: \"x.b\" is "
                  "none of spec.hosts"));
}

TEST(Gateway, RulesOfTheMeshGoBySni) {
  const auto problems = [](const std::string& port, const std::string& rule) {
    return ProblemsOf(
        "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: "
        "10.96.0.1, ports: [{name: " +
        port + ", port: 443}]}}\n---\n" + Object("VirtualService", "v", rule));
  };
  const auto rule = [](const std::string& hosts, const std::string& sni) {
    return absl::StrCat("{hosts: [", hosts, "], tls: [{match: [{sniHosts: [", sni,
                        "]}], route: [{destination: {host: s}}]}]}");
  };
  EXPECT_THAT(problems("tls", rule("s", "s, s.default.svc.cluster.local")), IsEmpty());
  EXPECT_THAT(problems("tls", rule("s, other.test", "other.test")), IsEmpty()) << "no service's";
  const std::string where = "f.yaml: VirtualService default/v: spec.";
  EXPECT_THAT(
      problems("tls", rule("other.test", "other.test")),
      ElementsAre(where + "hosts[0]: no Service or ServiceEntry has host \"other.test\"",
                  where + "tls: no port of the hosts is TLS: name it \"tls\" or \"https\""));
  EXPECT_THAT(
      problems("tcp", rule("s", "s")),
      ElementsAre(where + "tls: no port of the hosts is TLS: name it \"tls\" or \"https\""));
  EXPECT_THAT(problems("tls", rule("s", "'a*.s'")),
              ElementsAre(where + "tls[0].match[0].sniHosts: \"a*.s\" is not a host name, *, or "
                                  "*.suffix"));
}

TEST(Gateway, PortsOfAnyAddressAreSharedBySniOnly) {
  const auto entry = [](const std::string& name, const std::string& protocol) {
    return Object("ServiceEntry", name,
                  absl::StrCat("{hosts: [", name,
                               ".test], resolution: DNS, ports: [{number: 443, "
                               "name: x, protocol: ",
                               protocol, "}]}"));
  };
  EXPECT_THAT(ProblemsOf(entry("a", "TLS") + entry("b", "HTTPS")), IsEmpty());
  EXPECT_THAT(ProblemsOf(entry("a", "TLS") + entry("b", "TCP")),
              ElementsAre("f.yaml: ServiceEntry default/b: spec.addresses: required: port 443 of "
                          "any address is TLS for ServiceEntry default/a"));
  EXPECT_THAT(ProblemsOf(entry("a", "TLS") + entry("b", "HTTP")),
              ElementsAre("f.yaml: ServiceEntry default/a: spec.addresses: required: port 443 of "
                          "any address is HTTP for ServiceEntry default/b"));
}

}  // namespace
}  // namespace meltemi::control::pilot::model
