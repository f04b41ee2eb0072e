// ContextTable: the TLS contexts of a configuration, by the stable ids that listeners and clusters
// of snapshots name them with (config::TlsSettings), and by whose certificate it is where the
// settings leave that to the connection. Immutable; a secret that changes makes a new
// table, not a new snapshot. Made on the agent's thread, handed to the workers by shared::Latest.
#ifndef MELTEMI_DATAPLANE_TLS_CONTEXT_TABLE_H_
#define MELTEMI_DATAPLANE_TLS_CONTEXT_TABLE_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataplane/tls/context.h"

namespace meltemi::tls {

struct ContextEntry {
  uint32_t id = 0;     // config::TlsSettings::stable_id
  std::string source;  // settings with one context per identity: whose this is; else empty
  ContextRef context;  // never null: settings whose secrets are not there have no entry
  std::string sni;     // clients; empty: none sent
  // That the context offers; empty: the connection's own is offered.
  std::vector<std::string> alpn;
};

class ContextTable {
 public:
  explicit ContextTable(std::vector<ContextEntry> entries) : entries_(std::move(entries)) {
    std::sort(entries_.begin(), entries_.end(),
              [](const ContextEntry& a, const ContextEntry& b) { return KeyOf(a) < KeyOf(b); });
  }
  // Null when there is none (yet).
  const ContextEntry* Find(uint32_t id, std::string_view source = {}) const {
    const Key key(id, source);
    const auto at = std::lower_bound(
        entries_.begin(), entries_.end(), key,
        [](const ContextEntry& e, const Key& wanted) { return KeyOf(e) < wanted; });
    return at != entries_.end() && KeyOf(*at) == key ? &*at : nullptr;
  }
  size_t size() const { return entries_.size(); }

 private:
  using Key = std::pair<uint32_t, std::string_view>;
  static Key KeyOf(const ContextEntry& e) { return {e.id, e.source}; }

  std::vector<ContextEntry> entries_;  // by id, then source
};

using ContextTableRef = std::shared_ptr<const ContextTable>;
inline ContextTableRef MakeContextTable(std::vector<ContextEntry> entries) {
  return std::make_shared<const ContextTable>(std::move(entries));
}

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_CONTEXT_TABLE_H_
