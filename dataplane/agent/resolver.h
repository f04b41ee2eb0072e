// Resolver: names to addresses by the host's own resolver (getaddrinfo: /etc/hosts,
// /etc/resolv.conf), on a thread of its own, because asking blocks for as long as a name server is
// silent. One name after the other; questions wait in a queue, which the agent keeps short by
// asking for a name only once at a time.
//
// Ask and Answers: the agent's thread.
#ifndef MELTEMI_DATAPLANE_AGENT_RESOLVER_H_
#define MELTEMI_DATAPLANE_AGENT_RESOLVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/agent/dns_cache.h"

namespace meltemi::agent {

class Resolver {
 public:
  using Lookup = std::function<DnsAnswer(const std::string& name)>;

  // The thread begins with the first question.
  explicit Resolver(Lookup lookup = BySystem);
  ~Resolver();

  void Ask(const std::string& name);
  // Those that have come since the last call.
  std::vector<DnsAnswer> Answers();

  static DnsAnswer BySystem(const std::string& name);

 private:
  struct Shared;
  static void Run(const std::shared_ptr<Shared>& shared);

  // Shared with the thread, against the rule: a question to a silent name server cannot be called
  // back, and the process must not wait for it when it ends. So the thread is not joined, and the
  // last to leave cleans up.
  const std::shared_ptr<Shared> shared_;
  bool started_ = false;
};

}  // namespace meltemi::agent

#endif  // MELTEMI_DATAPLANE_AGENT_RESOLVER_H_
