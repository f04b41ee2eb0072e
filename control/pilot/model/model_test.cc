// Goal: what is wrong is refused by file, object and path; what is right becomes the right model.
// Method: YAML in, exact problem texts or model values out.
#include "control/pilot/model/model.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control/pilot/model/mesh_config.h"
#include "control/pilot/model/parse.h"
#include "control/pilot/model/testing/built.h"
#include "control/pilot/model/yaml_writer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace meltemi::control::pilot::model {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kReviews[] = R"(
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, clusterIP: 10.96.0.1, ports: [{name: http, port: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}]}
---
)";

std::string Rule(const std::string& http) {
  return absl::StrCat(kReviews,
                      "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
                      "metadata: {name: reviews}\nspec: {hosts: [reviews], http: [",
                      http, "]}\n");
}

struct Row {
  const char* name;
  const char* http;
  const char* problem;  // after the object's name
};

class BadHttpRoute : public testing::TestWithParam<Row> {};

TEST_P(BadHttpRoute, IsRefusedWithItsPath) {
  const Built built = Build(Rule(GetParam().http));
  EXPECT_THAT(built.problems, ElementsAre(absl::StrCat("f.yaml: VirtualService default/reviews: ",
                                                       GetParam().problem)));
  EXPECT_FALSE(built.model);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, BadHttpRoute,
    testing::Values(
        Row{"NegativeWeight",
            "{route: [{destination: {host: reviews}, weight: 1}, {destination: {host: reviews}, "
            "weight: -1}]}",
            "spec.http[0].route[1].weight: must be >= 0"},
        Row{"ZeroWeights",
            "{route: [{destination: {host: reviews}, weight: 0}, {destination: {host: reviews}}]}",
            "spec.http[0].route: the weights add up to 0"},
        Row{"UnknownField", "{route: [{destination: {host: reviews}}], retires: {}}",
            "spec.http[0].retires: unknown field"},
        Row{"DelegateWithRoute",
            "{route: [{destination: {host: reviews}}], delegate: {name: reviews}}",
            "spec.http[0].delegate: only possible without route, redirect and directResponse"},
        Row{"UnknownDelegate", "{delegate: {name: other}}",
            "spec.http[0].delegate: no VirtualService default/other"},
        Row{"DelegateWithHosts", "{delegate: {name: reviews}}",
            "spec.http[0].delegate: VirtualService default/reviews has hosts: it takes no "
            "delegated routes"},
        Row{"UnknownMirror", "{route: [{destination: {host: reviews}}], mirror: {host: nobody}}",
            "spec.http[0].mirror.host: no Service or ServiceEntry has host "
            "\"nobody.default.svc.cluster.local\""},
        Row{"UnknownSubsetOfAMirror",
            "{route: [{destination: {host: reviews}}], mirrors: [{destination: {host: reviews}}, "
            "{destination: {host: reviews, subset: v9}}]}",
            "spec.http[0].mirrors[1].destination.subset: \"v9\" is not a subset of DestinationRule "
            "default/reviews"},
        Row{"MirrorAndMirrors",
            "{route: [{destination: {host: reviews}}], mirror: {host: reviews}, mirrors: "
            "[{destination: {host: reviews}}]}",
            "spec.http[0].mirrors: give only one of mirror, mirrors"},
        Row{"PercentageOfNoMirror",
            "{route: [{destination: {host: reviews}}], mirrorPercentage: {value: 5}}",
            "spec.http[0].mirrorPercentage: only possible with mirror"},
        Row{"MirrorOfARedirect", "{redirect: {uri: /}, mirror: {host: reviews}}",
            "spec.http[0].mirror: only possible with route"},
        Row{"CorsMethod",
            "{route: [{destination: {host: reviews}}], corsPolicy: {allowMethods: ['G T']}}",
            "spec.http[0].corsPolicy.allowMethods: bad name \"G T\""},
        Row{"CorsAge", "{route: [{destination: {host: reviews}}], corsPolicy: {maxAge: 1500ms}}",
            "spec.http[0].corsPolicy.maxAge: must be whole seconds"},
        Row{"CorsOrigin",
            "{route: [{destination: {host: reviews}}], corsPolicy: {allowOrigins: [{}]}}",
            "spec.http[0].corsPolicy.allowOrigins[0]: needs exact, prefix or regex"},
        Row{"RedirectPortTwice", "{redirect: {uri: /, port: 80, derivePort: FROM_REQUEST_PORT}}",
            "spec.http[0].redirect.derivePort: give only one of port, derivePort"},
        Row{"UnknownSubset", "{route: [{destination: {host: reviews, subset: v9}}]}",
            "spec.http[0].route[0].destination.subset: \"v9\" is not a subset of DestinationRule "
            "default/reviews"},
        Row{"UnknownHost", "{route: [{destination: {host: revews}}]}",
            "spec.http[0].route[0].destination.host: no Service or ServiceEntry has host "
            "\"revews.default.svc.cluster.local\""},
        Row{"UnknownPort", "{route: [{destination: {host: reviews, port: {number: 1}}}]}",
            "spec.http[0].route[0].destination.port: \"reviews.default.svc.cluster.local\" has no "
            "port 1"},
        Row{"BadRegex", "{match: [{uri: {regex: '('}}], route: [{destination: {host: reviews}}]}",
            "spec.http[0].match[0].uri.regex: not a valid RE2 expression: missing ): ("},
        Row{"TwoMatchKinds",
            "{match: [{uri: {exact: /a, prefix: /b}}], route: [{destination: {host: reviews}}]}",
            "spec.http[0].match[0].uri: give only one of exact, prefix, regex"},
        Row{"HeaderByItsPath",
            "{match: [{headers: {end-user: {exakt: x}}}], route: [{destination: {host: "
            "reviews}}]}",
            "spec.http[0].match[0].headers.end-user.exakt: unknown field"},
        Row{"NumberAsString",
            "{match: [{headers: {x: {exact: 1}}}], route: [{destination: {host: reviews}}]}",
            "spec.http[0].match[0].headers.x.exact: must be a string: write \"1\" in quotes"},
        Row{"StringAsNumber", "{route: [{destination: {host: reviews}, weight: '5'}]}",
            "spec.http[0].route[0].weight: must be a whole number, is the string \"5\""},
        Row{"BadDuration", "{timeout: 5, route: [{destination: {host: reviews}}]}",
            "spec.http[0].timeout: must be a duration such as 1.5s, 200ms or 1h"},
        Row{"PercentTooHigh",
            "{fault: {abort: {httpStatus: 503, percentage: {value: 101}}}, route: [{destination: "
            "{host: reviews}}]}",
            "spec.http[0].fault.abort.percentage.value: must be between 0 and 100"},
        Row{"NoAction", "{timeout: 1s}",
            "spec.http[0]: needs exactly one of route, redirect, directResponse"},
        Row{"BadRetryOn",
            "{retries: {attempts: 1, retryOn: '5xx,often'}, route: [{destination: {host: "
            "reviews}}]}",
            "spec.http[0].retries.retryOn: \"often\" is not a retry policy or status code"},
        Row{"FieldTwice", "{timeout: 1s, timeout: 2s, route: [{destination: {host: reviews}}]}",
            "spec.http[0].timeout: given twice"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Parse, FindsEveryProblemInOnePass) {
  EXPECT_THAT(Build(Rule("{route: [{destination: {}}], x: 1, y: 2}")).problems,
              ElementsAre("f.yaml: VirtualService default/reviews: "
                          "spec.http[0].route[0].destination.host: required",
                          "f.yaml: VirtualService default/reviews: spec.http[0].x: unknown field",
                          "f.yaml: VirtualService default/reviews: spec.http[0].y: unknown field"));
}

TEST(Parse, SyntaxErrorNamesLineAndColumn) {
  const Built built = Build("a: [1\nb: 2\n");
  ASSERT_EQ(built.problems.size(), 1u);
  EXPECT_THAT(built.problems[0], testing::StartsWith("f.yaml: line 2, column"));
}

// yaml-cpp 0.7 loads this as empty documents without end.
TEST(Parse, TextBehindADocumentIsRefused) {
  EXPECT_THAT(Build("{a: b},{c: d}").problems,
              ElementsAre("f.yaml: line 1, column 7: not valid YAML: end of document expected"));
}

TEST(Parse, UnsupportedAndUnknownKindsAreRefusedByName) {
  EXPECT_THAT(
      Build("{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: g}}").problems,
      ElementsAre("f.yaml: Sidecar default/g: kind: Sidecar is not supported yet"));
  EXPECT_THAT(Build("{apiVersion: apps/v1, kind: Deployment, metadata: {name: g}}").problems,
              ElementsAre("f.yaml: Deployment default/g: kind: apps/v1 Deployment is not a kind "
                          "Meltemi reads"));
  EXPECT_THAT(
      Build("{apiVersion: networking.istio.io/v9, kind: VirtualService, metadata: {name: g}}")
          .problems,
      ElementsAre("f.yaml: VirtualService default/g: apiVersion: networking.istio.io/v9 "
                  "VirtualService is not a kind Meltemi reads"));
}

TEST(Parse, AcceptsEveryVersionOfIstiosNetworking) {
  for (const char* version : {"v1", "v1beta1", "v1alpha3"}) {
    const Built built = Build(absl::StrCat(kReviews, "apiVersion: networking.istio.io/", version,
                                           "\nkind: VirtualService\nmetadata: {name: r}\nspec: "
                                           "{hosts: [reviews], http: [{route: [{destination: "
                                           "{host: reviews}}]}]}"));
    EXPECT_THAT(built.problems, IsEmpty()) << version;
  }
}

TEST(Parse, ReadsAList) {
  const Built built = Build(
      "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Service, metadata: {name: a}, "
      "spec: {}}, {apiVersion: v1, kind: Service, metadata: {name: b}, spec: {}}]}");
  EXPECT_THAT(built.problems, IsEmpty());
  EXPECT_EQ(built.objects.services.size(), 2u);
}

TEST(Parse, FileSizeIsBounded) {
  for (const size_t size : {kFileBytesMax, kFileBytesMax + 1}) {
    const Built built = Build(std::string(size, '#'));
    EXPECT_EQ(built.problems.size(), size > kFileBytesMax ? 1u : 0u);
  }
}

TEST(Model, SecondRuleForOneHostIsRefusedWhateverTheOrder) {
  const std::string rule =
      "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: NAME}\nspec: "
      "{hosts: [HOST], http: [{route: [{destination: {host: reviews}}]}]}\n";
  const auto named = [&](const std::string& name, const std::string& host) {
    std::string text = rule;
    text.replace(text.find("NAME"), 4, name);
    text.replace(text.find("HOST"), 4, host);
    return text;
  };
  const std::string a = named("a", "reviews");
  const std::string b = named("b", "reviews.default.svc.cluster.local");
  for (const std::string& text : {a + "---\n" + b, b + "---\n" + a}) {
    EXPECT_THAT(Build(kReviews + text).problems,
                ElementsAre("f.yaml: VirtualService default/b: spec.hosts[0]: host "
                            "\"reviews.default.svc.cluster.local\" already has a rule: "
                            "VirtualService default/a in f.yaml"));
  }
}

TEST(Model, ObjectDefinedTwiceIsRefused) {
  const std::string service = "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {}}\n";
  EXPECT_THAT(Build(service + "---\n" + service).problems,
              testing::Contains("f.yaml: Service default/a: defined twice, also in f.yaml"));
}

TEST(Model, RuleForUnknownHostIsRefused) {
  EXPECT_THAT(Build("{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: "
                    "d}, spec: {host: ghost}}")
                  .problems,
              ElementsAre("f.yaml: DestinationRule default/d: spec.host: no Service or "
                          "ServiceEntry has host \"ghost.default.svc.cluster.local\""));
}

TEST(Model, AddressOfTwoServicesIsRefused) {
  const std::string text =
      absl::StrCat(kReviews,
                   "{apiVersion: v1, kind: Service, metadata: {name: z}, spec: "
                   "{clusterIP: 10.96.0.1, ports: [{port: 9080}]}}");
  EXPECT_THAT(Build(text).problems, ElementsAre("f.yaml: Service default/z: address 10.96.0.1 port "
                                                "9080 is already used by Service default/reviews"));
}

TEST(Model, MostSpecificRuleWins) {
  const Built built = Build(R"(
{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: s},
 spec: {hosts: [a.b.example.com, x.example.com], ports: [{number: 80, name: http}]}}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: wide},
 spec: {host: "*.example.com"}}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: narrow},
 spec: {host: "*.b.example.com"}}
)");
  ASSERT_TRUE(built.model) << absl::StrJoin(built.problems, "\n");
  EXPECT_EQ(built.model->DestinationRuleFor("a.b.example.com")->meta.name, "narrow");
  EXPECT_EQ(built.model->DestinationRuleFor("x.example.com")->meta.name, "wide");
}

TEST(Protocol, ComesFromAppProtocolThenFromTheName) {
  EXPECT_EQ(SelectProtocol("", "http", false), Protocol::kHttp);
  EXPECT_EQ(SelectProtocol("", "http2-x", false), Protocol::kHttp2);
  EXPECT_EQ(SelectProtocol("", "grpc-api", false), Protocol::kGrpc);
  EXPECT_EQ(SelectProtocol("", "grpc-web-api", false), Protocol::kHttp);
  EXPECT_EQ(SelectProtocol("tcp", "http", false), Protocol::kTcp);
  EXPECT_EQ(SelectProtocol("kubernetes.io/h2c", "", false), Protocol::kHttp2);
  EXPECT_EQ(SelectProtocol("", "httpish", false), Protocol::kTcp);
  EXPECT_EQ(SelectProtocol("", "", false), Protocol::kTcp);
  EXPECT_EQ(SelectProtocol("http", "", true), Protocol::kUdp);
}

TEST(WriteYaml, ReadsBackTheSame) {
  const std::string text =
      "a: {b: [1, \"1\", 'it''s', \"x: y\", \"\", ~, true, \"true\", -, 5s, []], c: {}, d: "
      "{\"k/l\": \"t\\n\\u0001\"}}\n";
  const std::string once = WriteYaml(YAML::Load(text));
  const std::string twice = WriteYaml(YAML::Load(once));
  EXPECT_EQ(once, twice);
  const YAML::Node list = YAML::Load(once)["a"]["b"];
  ASSERT_EQ(list.size(), 11u);
  EXPECT_EQ(list[0].Tag(), "?");
  EXPECT_EQ(list[1].Tag(), "!");
  EXPECT_EQ(list[1].Scalar(), "1");
  EXPECT_EQ(list[2].Scalar(), "it's");
  EXPECT_TRUE(list[5].IsNull());
  EXPECT_EQ(list[7].Tag(), "!");
}

// Goal: a TLS policy says all it needs and nothing it would not use. Method: a table of policies.
TEST(DestinationRule, RefusesTlsPoliciesThatContradictThemselves) {
  const struct {
    std::string tls, problem;  // after the path of the policy; empty: none
  } kRows[] = {
      {"mode: DISABLE", ""},
      {"mode: SIMPLE, sni: a.example.com, caCertificates: /roots, subjectAltNames: [b]", ""},
      {"mode: SIMPLE, insecureSkipVerify: true", ""},
      {"mode: MUTUAL, clientCertificate: /c, privateKey: /k", ""},
      {"mode: ISTIO_MUTUAL", ""},
      {"mode: ISTIO_MUTUAL, sni: a.b, subjectAltNames: [c]", ""},
      {"mode: ISTIO_MUTUAL, caCertificates: /c",
       ".mode: ISTIO_MUTUAL has the mesh's own certificates and trust: none may be named"},
      {"mode: ISTIO_MUTUAL, insecureSkipVerify: true",
       ".insecureSkipVerify: contradicts ISTIO_MUTUAL"},
      {"mode: simple", ".mode: must be one of DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL"},
      {"mode: MUTUAL, clientCertificate: /c", ".privateKey: required where the mode is MUTUAL"},
      {"mode: MUTUAL, privateKey: /k", ".clientCertificate: required where the mode is MUTUAL"},
      {"mode: SIMPLE, privateKey: /k", ".privateKey: must not be set where the mode is SIMPLE"},
      {"mode: SIMPLE, credentialName: x", ".credentialName: not supported yet"},
      {"mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [b]",
       ".insecureSkipVerify: contradicts caCertificates and subjectAltNames"},
  };
  for (const auto& row : kRows) {
    const Built built = Build(absl::StrCat(
        kReviews,
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d},",
        " spec: {host: '*.local', trafficPolicy: {tls: {", row.tls, "}}}}\n"));
    std::vector<std::string> want;
    if (!row.problem.empty()) {
      want.push_back(
          absl::StrCat("f.yaml: DestinationRule default/d: spec.trafficPolicy.tls", row.problem));
    }
    EXPECT_EQ(built.problems, want) << row.tls;
  }
}

// Goal: a consistent balancer goes by one thing and has one table. Method: a table of policies.
TEST(DestinationRule, RefusesConsistentHashesThatContradictThemselves) {
  constexpr char kKey[] =
      ": needs exactly one of httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName";
  const struct {
    std::string hash, problem;  // after the path of the hash; empty: none
  } kRows[] = {
      {"useSourceIp: true, ringHash: {}", ""},
      {"httpCookie: {name: c, ttl: 0s}, minimumRingSize: 8388608", ""},
      {"httpHeaderName: x, maglev: {tableSize: 5000011}", ""},
      {"maglev: {}", kKey},
      {"httpHeaderName: x, useSourceIp: true", kKey},
      {"httpCookie: {ttl: 1s}", ".httpCookie.name: required"},
      {"useSourceIp: true, minimumRingSize: 8388609", ".minimumRingSize: must be <= 8388608"},
      {"useSourceIp: true, maglev: {tableSize: 5000012}", ".maglev.tableSize: must be <= 5000011"},
      {"useSourceIp: true, maglev: {}, ringHash: {}", ".maglev: give only one of ringHash, maglev"},
      {"httpCookie: {name: c, attributes: []}", ".httpCookie.attributes: not supported yet"},
  };
  for (const auto& row : kRows) {
    const Built built = Build(absl::StrCat(
        kReviews,
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: d},",
        " spec: {host: '*.local', trafficPolicy: {loadBalancer: {consistentHash: {", row.hash,
        "}}}}}\n"));
    std::vector<std::string> want;
    if (!row.problem.empty()) {
      want.push_back(absl::StrCat("f.yaml: DestinationRule default/d: ",
                                  "spec.trafficPolicy.loadBalancer.consistentHash", row.problem));
    }
    EXPECT_EQ(built.problems, want) << row.hash;
  }
}

TEST(MeshConfig, ReadsWhatItKnowsAndRefusesTheRest) {
  Problems problems;
  const MeshConfig config =
      ParseMeshConfig("m",
                      "{accessLogFile: /dev/stdout, outboundTrafficPolicy: {mode: REGISTRY_ONLY}, "
                      "connectTimeout: 2s, protocolDetectionTimeout: 0s, "
                      "h2UpgradePolicy: UPGRADE}",
                      &problems);
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_EQ(config.access_log_file, "/dev/stdout");
  EXPECT_EQ(config.outbound, MeshConfig::Outbound::kRegistryOnly);
  EXPECT_EQ(config.connect_timeout, absl::Seconds(2));
  EXPECT_EQ(config.protocol_detection_timeout, absl::ZeroDuration());
  EXPECT_TRUE(config.h2_upgrade);
  EXPECT_FALSE(MeshConfig().h2_upgrade);
  ParseMeshConfig("m", "{ingressClass: x}", &problems);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(ToString(problems[0]), "m: MeshConfig: ingressClass: unknown field");
}

TEST(MeshConfig, BoundsTheNamesOfTheTrustDomain) {
  for (const size_t count : {size_t{0}, size_t{15}, size_t{16}, size_t{17}}) {
    std::string list;
    for (size_t i = 0; i < count; ++i) absl::StrAppend(&list, i == 0 ? "" : ", ", "d", i);
    Problems problems;
    const MeshConfig config =
        ParseMeshConfig("m", absl::StrCat("{trustDomainAliases: [", list, "]}"), &problems);
    EXPECT_EQ(problems.size(), count > kTrustDomainAliasesMax ? 1u : 0u) << count;
    EXPECT_EQ(TrustDomains(config).size(), std::min(count, kTrustDomainAliasesMax) + 1);
  }
  MeshConfig twice;
  twice.trust_domain_aliases = {"a", "cluster.local", "a"};
  EXPECT_EQ(TrustDomains(twice), (std::vector<std::string>{"cluster.local", "a"}));
}

// Goal: workload before namespace before mesh, the older of two, UNSET asks above. Method: policies
// one by one beside each other, a table of endpoints.
TEST(PeerAuthentication, TheNearestPolicyThatSaysSomethingCounts) {
  const auto policy = [](const char* name, const char* ns, const char* created, const char* spec) {
    return absl::StrCat(
        "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {",
        "name: ", name, ", namespace: ", ns, ", creationTimestamp: \"", created,
        "\"}\nspec: ", spec, "\n");
  };
  const Built built =
      Build(absl::StrCat(policy("mesh", "istio-system", "", "{mtls: {mode: STRICT}}"),
                         policy("ns", "one", "", "{mtls: {mode: DISABLE}}"),
                         policy("young", "one", "2026-02-02T00:00:00Z",
                                "{selector: {matchLabels: {app: a}}, mtls: {mode: DISABLE}}"),
                         policy("old", "one", "2026-01-01T00:00:00Z",
                                "{selector: {matchLabels: {app: a}}, mtls: {mode: PERMISSIVE}, "
                                "portLevelMtls: {80: {mode: STRICT}, 81: {mode: UNSET}}}"),
                         policy("unset", "one", "", "{selector: {matchLabels: {app: b}}}"),
                         policy("other", "two", "", "{mtls: {mode: UNSET}}")));
  ASSERT_THAT(built.problems, IsEmpty());
  const auto mode = [&](const char* ns, const char* app, uint32_t port) {
    const Endpoint endpoint{.port = port, .labels = {{"app", app}}, .ns = ns};
    return built.model->PeerModeFor(endpoint, endpoint.port, "istio-system");
  };
  EXPECT_EQ(mode("one", "a", 80), PeerMode::kStrict);
  EXPECT_EQ(mode("one", "a", 81), PeerMode::kPermissive);
  EXPECT_EQ(mode("one", "b", 80), PeerMode::kDisable);
  EXPECT_EQ(mode("one", "c", 80), PeerMode::kDisable);
  EXPECT_EQ(mode("two", "a", 80), PeerMode::kStrict);
  EXPECT_EQ(mode("three", "a", 80), PeerMode::kStrict);
  EXPECT_EQ(Build("").model->PeerModeFor({}, 0, "istio-system"), PeerMode::kUnset);
}

TEST(PeerAuthentication, RefusesWhatItDoesNotUnderstand) {
  const struct {
    const char *spec, *problem;
  } kRows[] = {
      {"{mtls: {mode: strict}}",
       "spec.mtls.mode: must be one of UNSET, DISABLE, PERMISSIVE, STRICT"},
      {"{portLevelMtls: {80: {mode: STRICT}}}", "spec.portLevelMtls: needs a selector"},
      {"{selector: {matchLabels: {a: b}}, portLevelMtls: {http: {mode: STRICT}}}",
       "spec.portLevelMtls.http: must be a port, 1 to 65535"},
      {"{mtls: {mod: STRICT}}", "spec.mtls.mod: unknown field"},
  };
  for (const auto& row : kRows) {
    const Built built = Build(absl::StrCat(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: x}\nspec: ",
        row.spec, "\n"));
    EXPECT_THAT(built.problems,
                ElementsAre(absl::StrCat("f.yaml: PeerAuthentication default/x: ", row.problem)));
  }
}

// Goal: who is not ready is sent nothing and listened for still; who has ended, or is to be sent to
// in any case, is not on that list.
TEST(Model, PodsThatAreNotReadyRest) {
  const auto pod = [](const char* name, const char* ip, const char* status) {
    return absl::StrCat("---\napiVersion: v1\nkind: Pod\nmetadata: {name: ", name,
                        ", labels: {app: a}}\nspec: {nodeName: n}\nstatus: {podIP: ", ip, ", ",
                        status, "}\n");
  };
  const auto addresses = [](const std::vector<Endpoint>& endpoints) {
    std::vector<std::string> out;
    for (const Endpoint& e : endpoints) out.push_back(absl::StrCat(e.address, ":", e.port));
    return out;
  };
  const std::string pods = absl::StrCat(
      pod("a", "10.0.0.1", "phase: Running, conditions: [{type: Ready, status: 'True'}]"),
      pod("b", "10.0.0.2", "phase: Running, conditions: [{type: Ready, status: 'False'}]"),
      pod("c", "10.0.0.3", "phase: Succeeded"), pod("d", "10.0.0.4", "phase: Running"));
  for (const bool publish : {false, true}) {
    const Built built =
        Build(absl::StrCat("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {clusterIP: "
                           "10.96.0.9, selector: {app: a}, ",
                           publish ? "publishNotReadyAddresses: true, " : "",
                           "ports: [{name: http, port: 80}]}\n", pods));
    ASSERT_THAT(built.problems, IsEmpty());
    const MeshPort& port = built.model->FindService("s.default.svc.cluster.local")->ports[0];
    if (publish) {
      EXPECT_THAT(addresses(port.endpoints),
                  ElementsAre("10.0.0.1:80", "10.0.0.2:80", "10.0.0.4:80"));
      EXPECT_THAT(addresses(port.resting), IsEmpty());
    } else {
      EXPECT_THAT(addresses(port.endpoints), ElementsAre("10.0.0.1:80", "10.0.0.4:80"));
      EXPECT_THAT(addresses(port.resting), ElementsAre("10.0.0.2:80"));
    }
  }
}

}  // namespace
}  // namespace meltemi::control::pilot::model
