// Goal: credentialName finds the Secret that Istio would, for the nodes that run the gateway; what
// is missing or broken is named and shuts that server alone. Method: objects in, with certificates
// of a CA in the test; what is translated from them out.
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ca/issuer/issuer.h"
#include "ca/testing/make_csr.h"
#include "ca/x509/certificate.h"
#include "control/pilot/model/parse.h"
#include "control/pilot/translate/translate.h"

namespace meltemi::control::pilot::translate {
namespace {

using Data = std::map<std::string, std::string>;
const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

void FillSevens(absl::Span<uint8_t> bytes) {
  for (uint8_t& b : bytes) b = 7;
}

ca::SigningCa NewCa() {
  const auto root = ca::MakeSelfSignedRoot({.trust_domain = "a.example"}, kNow, FillSevens);
  return *ca::SigningCa::Load(*root, "");
}

struct Pem {
  std::string chain, key;
};

Pem Issue() {
  static const ca::SigningCa* const by = new ca::SigningCa(NewCa());
  const ca::KeyPtr key = ca::testing::NewKey();
  const auto leaf =
      ca::IssueLeaf(*by, key.get(), {.identity = {"a.example", "n", "s"}, .ttl = absl::Hours(1)},
                    kNow, FillSevens);
  return {leaf->pem, *ca::PrivateKeyToPem(key.get(), "")};
}

std::string Secret(const std::string& name, const Data& data, const std::string& ns = "edge") {
  std::string values;
  for (const auto& [key, value] : data) {
    absl::StrAppend(&values, key, ": \"", absl::Base64Escape(value), "\", ");
  }
  return absl::StrCat("\n---\n{apiVersion: v1, kind: Secret, metadata: {name: ", name,
                      ", namespace: ", ns, "}, type: kubernetes.io/tls, data: {", values, "}}");
}

std::string Pod(const std::string& name, const std::string& address, const std::string& spec) {
  return absl::StrCat("\n---\n{apiVersion: v1, kind: Pod, metadata: {name: ", name,
                      ", namespace: edge, labels: {a: b}}, spec: ", spec,
                      ", status: {podIP: ", address, "}}");
}

// Two servers on one port, the second of every name and of files.
std::string Gateway(const std::string& mode) {
  return absl::StrCat(
      "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: g}, spec: {selector: "
      "{a: b}, servers: [{port: {number: 443, name: x, protocol: HTTPS}, hosts: [a.example], tls: "
      "{mode: ",
      mode,
      ", credentialName: shop}}, {port: {number: 443, name: y, protocol: HTTPS}, hosts: ['*'], "
      "tls: "
      "{mode: SIMPLE, serverCertificate: c, privateKey: k}}]}}");
}

Resources Made(const std::string& text) {
  model::Problems problems;
  model::Objects objects;
  model::ParseText("f.yaml", text, &objects, &problems);
  const auto model = model::BuildModel(objects, "cluster.local", &problems);
  for (const model::Problem& problem : problems) ADD_FAILURE() << ToString(problem);
  return model ? Translate(*model, {}) : Resources();
}

std::vector<std::string> Names(const Resources& resources) {
  std::vector<std::string> out;
  for (const SecretFor& secret : resources.secrets) {
    out.push_back(absl::StrCat(secret.message.name(), " ", absl::StrJoin(secret.nodes, ",")));
  }
  return out;
}

// How many of the listener's chains end TLS.
int Terminating(const Resources& resources) {
  int count = 0;
  for (const auto& listener : resources.listeners) {
    for (const auto& chain : listener.filter_chains()) count += chain.has_transport_socket();
  }
  return count;
}

TEST(Secrets, AreThoseOfTheGatewaysNamespaceForItsNodes) {
  const Pem pem = Issue();
  const Resources made = Made(absl::StrCat(
      Gateway("SIMPLE"), Pod("p", "192.0.2.1", "{nodeName: node-a}"),
      Pod("q", "192.0.2.2", "{nodeName: node-b}"), Pod("r", "192.0.2.3", "{}"),
      Secret("shop", {{"tls.crt", pem.chain}, {"tls.key", pem.key}}),
      Secret("shop", {{"tls.crt", "another namespace's"}}, "default"), Secret("unused", {})));
  EXPECT_EQ(Names(made), std::vector<std::string>{"kubernetes://edge/shop node-a,node-b"});
  EXPECT_EQ(made.secrets[0].message.tls_certificate().certificate_chain().inline_bytes(),
            pem.chain);
  EXPECT_EQ(made.secrets[0].message.tls_certificate().private_key().inline_bytes(), pem.key);
  EXPECT_TRUE(made.problems.empty());
  EXPECT_EQ(Terminating(made), 6);  // of three listeners
}

TEST(Secrets, HaveVersionsOfTheirContent) {
  const Pem one = Issue(), two = Issue();
  const auto version = [](const Pem& pem) {
    return Made(absl::StrCat(Gateway("SIMPLE"), Pod("p", "192.0.2.1", "{nodeName: node-a}"),
                             Secret("shop", {{"tls.crt", pem.chain}, {"tls.key", pem.key}})))
        .secrets.at(0)
        .version;
  };
  EXPECT_EQ(version(one), version(one));
  EXPECT_NE(version(one), version(two));
  EXPECT_EQ(version(one).size(), 16u);
}

TEST(Secrets, HaveTheirAuthorityBesideThemOrInThem) {
  const Pem pem = Issue();
  const std::string roots = Issue().chain, older = Issue().chain;
  const std::string base =
      absl::StrCat(Gateway("MUTUAL"), Pod("p", "192.0.2.1", "{nodeName: node-a}"));
  const std::string beside = Secret("shop-cacert", {{"cacert", roots}});
  const struct {
    const char* name;
    std::string secrets;
  } rows[] = {
      {"ca.crt in it",
       Secret("shop", {{"tls.crt", pem.chain}, {"tls.key", pem.key}, {"ca.crt", roots}})},
      {"generic keys", Secret("shop", {{"cert", pem.chain}, {"key", pem.key}, {"cacert", roots}})},
      {"beside it", Secret("shop", {{"tls.crt", pem.chain}, {"tls.key", pem.key}}) + beside},
      {"beside it goes first",
       Secret("shop", {{"tls.crt", pem.chain}, {"tls.key", pem.key}, {"ca.crt", older}}) + beside},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const Resources made = Made(base + row.secrets);
    EXPECT_EQ(Names(made), (std::vector<std::string>{"kubernetes://edge/shop node-a",
                                                     "kubernetes://edge/shop-cacert node-a"}));
    ASSERT_EQ(made.secrets.size(), 2u);
    const auto& message = made.secrets[1].message;
    EXPECT_EQ(message.validation_context().trusted_ca().inline_bytes(), roots);
    EXPECT_TRUE(made.problems.empty());
  }
}

TEST(Secrets, ThatCannotServeShutTheirServerAlone) {
  const Pem pem = Issue(), other = Issue();
  const Data good = {{"tls.crt", pem.chain}, {"tls.key", pem.key}};
  const auto with = [&](const char* key, const std::string& value) {
    Data data = good;
    data[key] = value;
    return Secret("shop", data);
  };
  const struct {
    const char* name;
    const char* mode;
    std::string secrets;
    const char* why;
  } rows[] = {
      {"none", "SIMPLE", "", "Secret edge/shop is not there"},
      {"elsewhere", "SIMPLE", Secret("shop", good, "default"), "Secret edge/shop is not there"},
      {"empty", "SIMPLE", Secret("shop", {}),
       "has neither tls.crt with tls.key, nor cert with key"},
      {"no key", "SIMPLE", with("tls.key", ""), "has neither"},
      {"broken certificate", "SIMPLE", with("tls.crt", "x"), "its certificate: PEM"},
      {"broken key", "SIMPLE", with("tls.key", "x"), "its key: "},
      {"key of another", "SIMPLE", with("tls.key", other.key),
       "its key is not that of its certificate"},
      {"too large", "SIMPLE", with("tls.crt", std::string(256 * 1024 + 1, '\n')), "too large"},
      {"no authority", "MUTUAL", Secret("shop", good), "has neither ca.crt nor cacert"},
      {"broken authority", "OPTIONAL_MUTUAL", with("ca.crt", "x"), "its CA: PEM"},
      {"revocation", "MUTUAL",
       with("ca.crt", pem.chain) + Secret("shop-cacert", {{"ca.crt", pem.chain}, {"ca.crl", "x"}}),
       "Secret edge/shop-cacert: ca.crl is not supported yet"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const Resources made = Made(
        absl::StrCat(Gateway(row.mode), Pod("p", "192.0.2.1", "{nodeName: node-a}"), row.secrets));
    ASSERT_EQ(made.problems.size(), 1u);
    const std::string problem = ToString(made.problems[0]);
    EXPECT_TRUE(absl::StartsWith(
        problem, "f.yaml: Gateway default/g: spec.servers[0].tls.credentialName: not served: "))
        << problem;
    EXPECT_TRUE(absl::StrContains(problem, row.why)) << problem;
    EXPECT_FALSE(absl::StrContains(problem, "PRIVATE KEY"));
    EXPECT_EQ(Names(made), std::vector<std::string>());
    EXPECT_EQ(Terminating(made), 1);  // the other server's
    ASSERT_EQ(made.listeners.size(), 1u);
    EXPECT_EQ(made.listeners[0].filter_chains_size(), 2);
    // What comes for the name is not answered by the server of every name.
    EXPECT_EQ(made.listeners[0].filter_chains(0).filter_chain_match().server_names(0), "a.example");
  }
}

}  // namespace
}  // namespace meltemi::control::pilot::translate
