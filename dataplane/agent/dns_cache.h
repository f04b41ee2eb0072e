// DnsCache: what the names in DNS clusters stand for, and when to ask again. Names wanted and
// answers in, questions and addresses out.
//
// A name is asked for at once when it is first wanted, then once per refresh interval after each
// answer. A failure leaves what was known in force. A name that is no longer wanted is forgotten.
// Pure; the agent's, on its thread. Bounds: limits::kConfigEndpointsMax, by the compiler.
#ifndef MELTEMI_DATAPLANE_AGENT_DNS_CACHE_H_
#define MELTEMI_DATAPLANE_AGENT_DNS_CACHE_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "l7/base/ip_addr.h"
#include "l7/base/time.h"
#include "l7/config/compile.h"

namespace meltemi::agent {

struct DnsAnswer {
  std::string name;
  std::vector<IpAddr> addresses;  // none: there are none, if `error` is empty too
  std::string error;              // the resolver could not tell
};

class DnsCache {
 public:
  using Wanted = std::map<std::string, Duration>;  // name -> refresh interval

  void Want(const Wanted& names);
  // Names to ask for now; each is due again only after its answer.
  std::vector<std::string> Due(Instant now);
  // True: the addresses of a wanted name are others than before.
  bool OnAnswer(const DnsAnswer& answer, Instant now);
  bool empty() const { return entries_.empty(); }
  // When Due has something next.
  Instant next_due() const;

  const config::ResolvedNames& addresses() const { return addresses_; }
  // Wanted names that nothing, not even a failure, has come for yet.
  std::set<std::string> unanswered() const;

 private:
  struct Entry {
    Duration refresh;
    Instant due;
    bool asked = false;  // an answer will come
    bool answered = false;
  };
  std::map<std::string, Entry> entries_;
  config::ResolvedNames addresses_;
};

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_DNS_CACHE_H_
