#include "dataplane/tls/openssl_library.h"

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "l7/base/check.h"

namespace meltemi::tls {
namespace {

// As the default provider calls them first.
constexpr std::string_view kCertificateKeys[] = {"RSA", "RSA-PSS", "EC", "ED25519"};
// Besides those of certificates: key exchange, key derivation, and the MAC of TLS 1.2.
constexpr std::string_view kOtherKeys[] = {"X25519", "HKDF", "TLS1-PRF", "HMAC"};

struct Narrowed {
  OSSL_PROVIDER* whole = nullptr;
  std::vector<OSSL_ALGORITHM> keys, decoders;  // ended by one without a name
};
Narrowed& State() {
  static Narrowed state;
  return state;
}

template <size_t N>
bool IsOneOf(const OSSL_ALGORITHM& algorithm, const std::string_view (&names)[N]) {
  const std::string_view all = algorithm.algorithm_names;
  return std::ranges::find(names, all.substr(0, all.find(':'))) != std::end(names);
}

bool IsNeededKey(const OSSL_ALGORITHM& a) {
  return IsOneOf(a, kCertificateKeys) || IsOneOf(a, kOtherKeys);
}

bool IsNeededDecoder(const OSSL_ALGORITHM& a) {
  const std::string_view properties = a.property_definition;
  return IsOneOf(a, kCertificateKeys) && properties.find("input=der") != std::string_view::npos &&
         properties.find("structure=SubjectPublicKeyInfo") != std::string_view::npos;
}

std::vector<OSSL_ALGORITHM> Filter(int operation, bool (*needed)(const OSSL_ALGORITHM&)) {
  int no_cache = 0;
  std::vector<OSSL_ALGORITHM> kept;
  const OSSL_ALGORITHM* a = OSSL_PROVIDER_query_operation(State().whole, operation, &no_cache);
  for (; a != nullptr && a->algorithm_names != nullptr; ++a) {
    if (needed(*a)) kept.push_back(*a);
  }
  kept.push_back({});
  return kept;
}

const OSSL_ALGORITHM* Query(void* /*provider*/, int operation, int* no_cache) {
  const Narrowed& state = State();
  if (operation != OSSL_OP_KEYMGMT && operation != OSSL_OP_DECODER) {
    return OSSL_PROVIDER_query_operation(state.whole, operation, no_cache);
  }
  *no_cache = 0;
  return operation == OSSL_OP_KEYMGMT ? state.keys.data() : state.decoders.data();
}

// TLS asks which groups there are.
int Capabilities(void* /*provider*/, const char* capability, OSSL_CALLBACK* callback,
                 void* argument) {
  return OSSL_PROVIDER_get_capabilities(State().whole, capability, callback, argument);
}

void Teardown(void* /*provider*/) {}

using Function = void (*)(void);
const OSSL_DISPATCH kFunctions[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, reinterpret_cast<Function>(Query)},
    {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, reinterpret_cast<Function>(Capabilities)},
    {OSSL_FUNC_PROVIDER_TEARDOWN, reinterpret_cast<Function>(Teardown)},
    {0, nullptr}};

// The algorithms are the default provider's own, and so is the state that they are called with.
int Init(const OSSL_CORE_HANDLE* /*core*/, const OSSL_DISPATCH* /*in*/, const OSSL_DISPATCH** out,
         void** provider) {
  *out = kFunctions;
  *provider = OSSL_PROVIDER_get0_provider_ctx(State().whole);
  return 1;
}

OSSL_LIB_CTX* Make() {
  Narrowed& state = State();
  state.whole = OSSL_PROVIDER_load(nullptr, "default");
  CHECK(state.whole != nullptr);
  state.keys = Filter(OSSL_OP_KEYMGMT, IsNeededKey);
  state.decoders = Filter(OSSL_OP_DECODER, IsNeededDecoder);
  OSSL_LIB_CTX* library = OSSL_LIB_CTX_new();
  CHECK(library != nullptr);
  CHECK(OSSL_PROVIDER_add_builtin(library, "meltemi-tls", Init) == 1);
  CHECK(OSSL_PROVIDER_load(library, "meltemi-tls") != nullptr);
  return library;
}

}  // namespace

OSSL_LIB_CTX* TlsLibrary() {
  static OSSL_LIB_CTX* const library = Make();
  return library;
}

}  // namespace meltemi::tls
