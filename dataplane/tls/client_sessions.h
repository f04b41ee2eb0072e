// ClientSessions: what this worker's clients may resume, by context, SNI and peer; the newest of
// each. Owned by Tls, on the worker: no lock. Bound: a count; the least recently used one goes.
#ifndef MELTEMI_DATAPLANE_TLS_CLIENT_SESSIONS_H_
#define MELTEMI_DATAPLANE_TLS_CLIENT_SESSIONS_H_

#include <cstdint>
#include <list>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "dataplane/tls/openssl_ptr.h"

namespace meltemi::tls {

class ClientSessions {
 public:
  explicit ClientSessions(uint32_t count_max) : count_max_(count_max) {}

  void Put(const std::string& key, SslSessionPtr session) {
    if (count_max_ == 0) return;
    Erase(key);
    if (order_.size() >= count_max_) Erase(order_.back().key);
    order_.push_front({key, std::move(session)});
    by_key_[key] = order_.begin();
  }
  // Another reference to it; null when there is none. It may be used more than once: a mesh has
  // no observer from whom a repeated ticket would hide anything (RFC 8446 C.4).
  SslSessionPtr Get(const std::string& key) {
    const auto it = by_key_.find(key);
    if (it == by_key_.end()) return nullptr;
    order_.splice(order_.begin(), order_, it->second);
    SSL_SESSION* session = order_.front().session.get();
    SSL_SESSION_up_ref(session);
    return SslSessionPtr(session);
  }
  // By value: the key may be the entry's own.
  void Erase(std::string key) {
    const auto it = by_key_.find(key);
    if (it == by_key_.end()) return;
    order_.erase(it->second);
    by_key_.erase(it);
  }
  size_t size() const { return order_.size(); }

 private:
  struct Entry {
    std::string key;
    SslSessionPtr session;
  };
  const uint32_t count_max_;
  std::list<Entry> order_;  // the most recently used first
  absl::flat_hash_map<std::string, std::list<Entry>::iterator> by_key_;
};

}  // namespace meltemi::tls

#endif  // MELTEMI_DATAPLANE_TLS_CLIENT_SESSIONS_H_
