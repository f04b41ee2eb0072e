#include "l7/engine/header_mutation.h"

#include <string>
#include <string_view>
#include <vector>

namespace meltemi::engine {
namespace {

// "host" and ":authority" are one thing: kept under the latter for the engine to take out.
std::string_view NameOf(const std::string& name) {
  return name == "host" ? std::string_view(":authority") : std::string_view(name);
}

bool Apply(const std::vector<config::HeaderAdd>& adds, const std::vector<std::string>& removes,
           http::HeaderBlock* headers) {
  bool ok = true;
  for (const std::string& name : removes) headers->Remove(std::string_view(name));
  for (const config::HeaderAdd& add : adds) {
    const std::string_view name = NameOf(add.name);
    const bool present = headers->Get(name).data() != nullptr;
    switch (add.mode) {
      case config::HeaderAdd::Mode::kAppendOrAdd:
        ok &= name == ":authority" ? headers->Set(name, add.value) : headers->Add(name, add.value);
        break;
      case config::HeaderAdd::Mode::kAddIfAbsent:
        if (!present && name != ":authority") ok &= headers->Add(name, add.value);
        break;
      case config::HeaderAdd::Mode::kOverwriteOrAdd:
        ok &= headers->Set(name, add.value);
        break;
      case config::HeaderAdd::Mode::kOverwriteIfExists:
        if (present || name == ":authority") ok &= headers->Set(name, add.value);
        break;
    }
  }
  return ok;
}

}  // namespace

bool MutateRequest(std::initializer_list<const config::HeaderMutation*> mutations,
                   http::HeaderBlock* headers) {
  bool ok = true;
  for (const config::HeaderMutation* m : mutations) {
    ok &= Apply(m->request_add, m->request_remove, headers);
  }
  return ok;
}

bool MutateResponse(std::initializer_list<const config::HeaderMutation*> mutations,
                    http::HeaderBlock* headers) {
  bool ok = true;
  for (const config::HeaderMutation* m : mutations) {
    if (m != nullptr) ok &= Apply(m->response_add, m->response_remove, headers);
  }
  headers->Remove(":authority");  // a response has none
  return ok;
}

}  // namespace meltemi::engine
