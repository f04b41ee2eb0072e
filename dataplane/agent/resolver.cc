#include "dataplane/agent/resolver.h"

#include <netdb.h>
#include <netinet/in.h>

#include <cstring>
#include <deque>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"

namespace meltemi::agent {

struct Resolver::Shared {
  const Lookup lookup;
  absl::Mutex mutex;
  std::deque<std::string> questions ABSL_GUARDED_BY(mutex);
  std::vector<DnsAnswer> answers ABSL_GUARDED_BY(mutex);
  bool ended ABSL_GUARDED_BY(mutex) = false;

  explicit Shared(Lookup lookup_in) : lookup(std::move(lookup_in)) {}
};

Resolver::Resolver(Lookup lookup) : shared_(std::make_shared<Shared>(std::move(lookup))) {}

Resolver::~Resolver() {
  const absl::MutexLock lock(&shared_->mutex);
  shared_->ended = true;
}

void Resolver::Ask(const std::string& name) {
  {
    const absl::MutexLock lock(&shared_->mutex);
    shared_->questions.push_back(name);
  }
  if (std::exchange(started_, true)) return;
  std::thread([shared = shared_] { Run(shared); }).detach();
}

std::vector<DnsAnswer> Resolver::Answers() {
  const absl::MutexLock lock(&shared_->mutex);
  return std::exchange(shared_->answers, {});
}

void Resolver::Run(const std::shared_ptr<Shared>& shared) {
  const auto due = [&] {
    shared->mutex.AssertHeld();
    return shared->ended || !shared->questions.empty();
  };
  while (true) {
    std::string name;
    {
      const absl::MutexLock lock(&shared->mutex);
      shared->mutex.Await(absl::Condition(&due));
      if (shared->ended) return;
      name = std::move(shared->questions.front());
      shared->questions.pop_front();
    }
    DnsAnswer answer = shared->lookup(name);
    const absl::MutexLock lock(&shared->mutex);
    shared->answers.push_back(std::move(answer));
  }
}

DnsAnswer Resolver::BySystem(const std::string& name) {
  DnsAnswer answer{.name = name};
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int rc = getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (rc == EAI_NONAME || rc == EAI_NODATA) return answer;  // an answer: there are none
  if (rc != 0) {
    answer.error = gai_strerror(rc);
    return answer;
  }
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family == AF_INET) {
      sockaddr_in v4{};
      std::memcpy(&v4, entry->ai_addr, sizeof(v4));
      answer.addresses.push_back(IpAddr::V4(ntohl(v4.sin_addr.s_addr)));
    } else if (entry->ai_family == AF_INET6) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, entry->ai_addr, sizeof(v6));
      answer.addresses.push_back(IpAddr::V6(v6.sin6_addr.s6_addr));
    }
  }
  freeaddrinfo(list);
  return answer;
}

}  // namespace meltemi::agent
