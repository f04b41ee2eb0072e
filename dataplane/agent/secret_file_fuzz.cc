// Goal: any text is secrets with names, or an error; nothing escapes yaml-cpp or protobuf. Method:
// bytes as one file.
#include <cstdint>
#include <string_view>

#include "dataplane/agent/secret_file.h"
#include "l7/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace agent = meltemi::agent;
  const auto secrets = agent::ParseSecretFile({reinterpret_cast<const char*>(data), size});
  if (!secrets.ok()) {
    CHECK(!secrets.status().message().empty());
    return 0;
  }
  for (const auto& [name, secret] : *secrets) {
    CHECK(!name.empty());
    CHECK(secret.certificate.has_value() != !secret.trusted_ca.empty());
  }
  return 0;
}
