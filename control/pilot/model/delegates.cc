// Routes that name another rule instead of a destination (delegate): the other's routes take their
// place, each narrowed by what the first rule matches. As Istio merges them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "control/pilot/model/builder.h"

namespace meltemi::control::pilot::model {
namespace {

using Match = std::optional<StringMatch>;
using Matches = std::map<std::string, StringMatch>;

// What holds where both do: the narrower of the two. False: as Istio, only texts are compared, so
// that expressions go with nothing else.
bool Narrow(const Match& root, Match* leaf) {
  using Kind = StringMatch::Kind;
  if (!root || (leaf->has_value() && root->kind == Kind::kPresent)) return true;
  if (!leaf->has_value() || (*leaf)->kind == Kind::kPresent) {
    *leaf = root;
    return true;
  }
  if (root->kind == Kind::kRegex || (*leaf)->kind == Kind::kRegex) return false;
  if (root->kind == Kind::kExact) {
    return (*leaf)->kind == Kind::kExact && (*leaf)->value == root->value;
  }
  return (*leaf)->value.starts_with(root->value);
}

bool NarrowAll(const Matches& root, Matches* leaf) {
  for (const auto& [name, match] : root) {
    const auto found = leaf->find(name);
    Match narrowed = found == leaf->end() ? Match() : Match(found->second);
    if (!Narrow(match, &narrowed)) return false;
    (*leaf)[name] = *narrowed;
  }
  return true;
}

bool NarrowSource(const SourceMatch& root, SourceMatch* leaf) {
  for (const auto& [name, value] : root.labels) {
    if (leaf->labels.emplace(name, value).first->second != value) return false;
  }
  if (leaf->ns.empty()) leaf->ns = root.ns;
  return root.ns.empty() || leaf->ns == root.ns;
}

std::string Joined(const std::string& root, const std::string& leaf) {
  return root.empty() || leaf.empty() ? root + leaf : absl::StrCat(root, "-", leaf);
}

// Absent: no request matches both.
std::optional<HttpMatch> Both(const HttpMatch& root, HttpMatch leaf) {
  if (root.uri && leaf.uri && root.ignore_uri_case != leaf.ignore_uri_case) return std::nullopt;
  if (!leaf.uri) leaf.ignore_uri_case = root.ignore_uri_case;
  const bool texts = Narrow(root.uri, &leaf.uri) && Narrow(root.scheme, &leaf.scheme) &&
                     Narrow(root.method, &leaf.method) && Narrow(root.authority, &leaf.authority);
  if (!texts || !NarrowAll(root.headers, &leaf.headers) ||
      !NarrowAll(root.query_params, &leaf.query_params)) {
    return std::nullopt;
  }
  for (const auto& [name, match] : root.without_headers) {
    const auto [at, added] = leaf.without_headers.emplace(name, match);
    const bool same = at->second.kind == match.kind && at->second.value == match.value;
    if (!added && !same) return std::nullopt;
  }
  if (root.port != 0 && leaf.port != 0 && root.port != leaf.port) return std::nullopt;
  if (leaf.port == 0) leaf.port = root.port;
  if (leaf.gateways.empty()) leaf.gateways = root.gateways;
  for (const std::string& gateway : leaf.gateways) {
    const auto& of = root.gateways;
    if (!of.empty() && std::find(of.begin(), of.end(), gateway) == of.end()) return std::nullopt;
  }
  if (!NarrowSource(root.source, &leaf.source)) return std::nullopt;
  leaf.name = Joined(root.name, leaf.name);
  return leaf;
}

// False: nothing is left to match.
bool MergeMatches(const std::vector<HttpMatch>& root, std::vector<HttpMatch>* leaf) {
  if (root.empty()) return true;
  if (leaf->empty()) {
    *leaf = root;
    return true;
  }
  std::vector<HttpMatch> merged;
  for (const HttpMatch& outer : root) {
    for (const HttpMatch& inner : *leaf) {
      if (auto both = Both(outer, inner)) merged.push_back(*std::move(both));
    }
  }
  *leaf = std::move(merged);
  return !leaf->empty();
}

void MergeHeaders(const HeaderOps& root, HeaderOps* leaf) {
  leaf->set.insert(root.set.begin(), root.set.end());
  leaf->add.insert(root.add.begin(), root.add.end());
  leaf->remove.insert(leaf->remove.end(), root.remove.begin(), root.remove.end());
}

template <typename T>
void Default(const std::optional<T>& root, std::optional<T>* leaf) {
  if (!leaf->has_value()) *leaf = root;
}

void MergeActions(const HttpRoute& root, HttpRoute* leaf) {
  leaf->name = Joined(root.name, leaf->name);
  Default(root.timeout, &leaf->timeout);
  Default(root.retries, &leaf->retries);
  Default(root.fault, &leaf->fault);
  Default(root.cors, &leaf->cors);
  MergeHeaders(root.request, &leaf->request);
  MergeHeaders(root.response, &leaf->response);
  if (leaf->route.empty()) return;
  Default(root.rewrite, &leaf->rewrite);
  if (leaf->mirrors.empty()) leaf->mirrors = root.mirrors;
}

}  // namespace

// A rule without hosts is what others delegate to.
void ModelBuilder::CheckDelegate(const VirtualService& rule) {
  const auto problem = [&](const std::string& path, const std::string& message) {
    problems_->push_back({rule.meta.file, rule.meta.Object(), path, message});
  };
  if (!rule.gateways.empty() || !rule.tls.empty() || !rule.tcp.empty()) {
    problem("spec.hosts", "required: only http routes can be delegated to");
  }
  for (const HttpRoute& route : rule.http) {
    if (route.delegate.empty()) continue;
    problem(absl::StrCat(route.path, ".delegate"), "a rule without hosts cannot delegate further");
  }
}

// The routes of the rule, those that delegate replaced.
std::vector<HttpRoute> ModelBuilder::WithDelegates(const VirtualService& rule) {
  if (rule.hosts.empty()) {
    CheckDelegate(rule);
    return rule.http;
  }
  std::vector<HttpRoute> routes;
  const auto problem = [&](const HttpRoute& route, const std::string& message) {
    problems_->push_back(
        {rule.meta.file, rule.meta.Object(), absl::StrCat(route.path, ".delegate"), message});
  };
  for (const HttpRoute& root : rule.http) {
    if (root.delegate.empty()) {
      routes.push_back(root);
      continue;
    }
    const VirtualService* other = nullptr;
    for (const VirtualService& known : objects_.virtual_services) {
      if (absl::StrCat(known.meta.ns, "/", known.meta.name) == root.delegate) other = &known;
    }
    if (other == nullptr) {
      problem(root, absl::StrCat("no VirtualService ", root.delegate));
      continue;
    }
    if (!other->hosts.empty()) {
      problem(root, absl::StrCat(other->meta.Object(), " has hosts: it takes no delegated routes"));
      continue;
    }
    // Short names are the other rule's.
    const auto resolve = [&](Destination* destination) {
      destination->host = model_.Resolve(destination->host, other->meta.ns);
    };
    for (HttpRoute leaf : other->http) {
      for (RouteDestination& to : leaf.route) resolve(&to.destination);
      for (Mirror& mirror : leaf.mirrors) resolve(&mirror.destination);
      leaf.path = absl::StrCat(root.path, ".delegate ", root.delegate, ": ", leaf.path);
      leaf.delegate = root.delegate;
      MergeActions(root, &leaf);
      if (MergeMatches(root.match, &leaf.match)) routes.push_back(std::move(leaf));
    }
  }
  return routes;
}

}  // namespace meltemi::control::pilot::model
