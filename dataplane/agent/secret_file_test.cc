#include "dataplane/agent/secret_file.h"

#include <string>

#include "gtest/gtest.h"
#include "l7/base/text.h"

namespace meltemi::agent {
namespace {

constexpr char kType[] = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

TEST(SecretFile, ReadsWhatEnvoyReads) {
  const auto secrets = ParseSecretFile(Cat(R"(
version_info: "7"
resources:
- "@type": )",
                                           kType, R"(
  name: server
  tls_certificate:
    certificate_chain: {filename: /certs/tls.crt}
    private_key: {filename: /certs/tls.key}
    watched_directory: {path: /certs}
- "@type": )",
                                           kType, R"(
  name: roots
  validation_context: {trusted_ca: {inline_string: "PEM"}}
)"));
  ASSERT_TRUE(secrets.ok()) << secrets.status();
  ASSERT_EQ(secrets->size(), 2u);
  EXPECT_EQ(secrets->at("server").certificate->chain.filename, "/certs/tls.crt");
  EXPECT_EQ(secrets->at("server").certificate->key.filename, "/certs/tls.key");
  EXPECT_EQ(secrets->at("roots").trusted_ca.text, "PEM");
  const auto json = ParseSecretFile(
      Cat(R"({"resources":[{"@type":")", kType,
          R"(","name":"x","tls_certificate":{"certificate_chain":{"inline_string":"c"},)",
          R"("private_key":{"inline_string":"k"}}}]})"));
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(json->at("x").certificate->key.text, "k");
}

TEST(SecretFile, SaysWhatIsWrong) {
  const std::string type = Cat("\"@type\": ", kType);
  const std::string good =
      Cat("{", type, ", name: a, validation_context: {trusted_ca: {inline_string: r}}}");
  const struct {
    std::string text;
    const char* why;
  } kRows[] = {
      {"", "must be a map, with resources"},
      {"- a", "must be a map, with resources"},
      {"resources: [", "line 1: "},
      {"resources: [{name: a}]", "not a DiscoveryResponse with secrets"},
      {"resource: []", "not a DiscoveryResponse with secrets"},
      {"resources: [{\"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: a}]",
       "resources[0]: no Secret"},
      {Cat("resources: [{", type, ", name: a}]"),
       "resources[0]: one of tls_certificate, validation_context must be set"},
      {Cat("resources: [", good, ", {", type, "}]"), "resources[1]: name: must not be empty"},
      {Cat("resources: [", good, ", ", good, "]"), "resources[1]: \"a\" is there twice"},
      {Cat("resources: [{", type, ", name: a, generic_secret: {}}]"),
       "resources[0]: generic_secret: "},
      {"resources: \"\xff\"", "not UTF-8"},
  };
  for (const auto& row : kRows) {
    const auto secrets = ParseSecretFile(row.text);
    EXPECT_EQ(std::string(secrets.status().message()).rfind(row.why, 0), 0u)
        << row.text << ": " << secrets.status();
    EXPECT_FALSE(secrets.ok());
  }
}

TEST(SecretFile, ErrorsDoNotShowTheSecret) {
  const auto secrets = ParseSecretFile(
      Cat("resources: [{\"@type\": ", kType, ", name: a, tls_certificate: {private_key: hush}}]"));
  EXPECT_FALSE(secrets.ok());
  EXPECT_EQ(std::string(secrets.status().message()).find("hush"), std::string::npos);
}

}  // namespace
}  // namespace meltemi::agent
