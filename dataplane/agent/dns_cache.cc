#include "dataplane/agent/dns_cache.h"

#include <algorithm>

namespace meltemi::agent {

void DnsCache::Want(const Wanted& names) {
  std::erase_if(entries_, [&](const auto& e) { return !names.contains(e.first); });
  std::erase_if(addresses_, [&](const auto& e) { return !names.contains(e.first); });
  for (const auto& [name, refresh] : names) {
    entries_.try_emplace(name, Entry{.due = Instant::FromNanos(INT64_MIN)});
    entries_[name].refresh = refresh;
  }
}

std::vector<std::string> DnsCache::Due(Instant now) {
  std::vector<std::string> due;
  for (auto& [name, entry] : entries_) {
    if (entry.asked || now < entry.due) continue;
    entry.asked = true;
    due.push_back(name);
  }
  return due;
}

bool DnsCache::OnAnswer(const DnsAnswer& answer, Instant now) {
  const auto entry = entries_.find(answer.name);
  if (entry == entries_.end()) return false;
  const bool first = !entry->second.answered;
  entry->second.asked = false;
  entry->second.answered = true;
  entry->second.due = now + entry->second.refresh;
  if (!answer.error.empty()) return first;
  // In an order of their own: resolvers rotate theirs, and that is no change.
  std::vector<IpAddr> sorted = answer.addresses;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::vector<IpAddr>& known = addresses_[answer.name];
  if (known == sorted) return first;
  known = std::move(sorted);
  return true;
}

Instant DnsCache::next_due() const {
  Instant next = Instant::Never();
  for (const auto& [name, entry] : entries_) {
    if (!entry.asked) next = std::min(next, entry.due);
  }
  return next;
}

std::set<std::string> DnsCache::unanswered() const {
  std::set<std::string> names;
  for (const auto& [name, entry] : entries_) {
    if (!entry.answered) names.insert(name);
  }
  return names;
}

}  // namespace meltemi::agent
