#include "control/pilot/ads_session/session.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace meltemi::control::pilot::ads_session {
namespace {

bool WholeStatePerResponse(Type type) { return type == Type::kCluster || type == Type::kListener; }

bool Same(const Resources& resources, const std::string& name, const Resource& resource) {
  const auto found = resources.find(name);
  return found != resources.end() && found->second->version == resource.version;
}

}  // namespace

Event AdsSession::OnRequest(const Request& request) {
  const std::optional<Type> type = TypeFromUrl(request.type_url());
  if (!type) return Event::kUnknownType;
  if (request.resource_names_size() > kNamesMax) return Event::kTooManyNames;
  TypeState& state = of(*type);
  ReadNode(request);
  // What the node has of one type decides what it may have of the others.
  for (TypeState& each : types_) each.considered.clear();
  if (!state.status.subscribed) {
    // The nonce, if there is one, belongs to a stream that is gone.
    state.status.subscribed = true;
    state.answer_due = WholeStatePerResponse(*type);
    Subscribe(request, *type, &state);
    return Event::kSubscribed;
  }
  if (request.response_nonce() != state.nonce) {
    ForgetUnnamed(request, &state);
    return Event::kStale;
  }
  Subscribe(request, *type, &state);
  if (!state.waiting) return Event::kSubscribed;
  state.waiting = false;
  if (request.has_error_detail()) {
    state.status.version_nacked = state.status.version_sent;
    state.status.error = request.error_detail().message();
    if (!WholeStatePerResponse(*type)) {
      for (const auto& [name, resource] : state.pending) state.refused.insert(name);
    }
    state.pending.clear();
    return Event::kNacked;
  }
  Ack(*type, &state);
  RetryRefused(&state);
  return Event::kAcked;
}

// A stream's first request has the node; at most kNamesMax addresses of it are kept.
void AdsSession::ReadNode(const Request& request) {
  if (const auto& at = request.node().locality();
      request.node().has_locality() &&
      (!locality_ || locality_->SerializeAsString() != at.SerializeAsString())) {
    locality_ = at;
    in_place_.clear();
  }
  const auto& fields = request.node().metadata().fields();
  const auto workloads = fields.find("WORKLOADS");
  if (workloads == fields.end()) return;
  says_workloads_ = true;
  workloads_.clear();
  narrowed_.clear();
  for (const auto& workload : workloads->second.list_value().values()) {
    const auto addresses = workload.struct_value().fields().find("addresses");
    if (addresses == workload.struct_value().fields().end()) continue;
    for (const auto& address : addresses->second.list_value().values()) {
      if (workloads_.size() < kNamesMax) workloads_.insert(address.string_value());
    }
  }
}

void AdsSession::Subscribe(const Request& request, Type type, TypeState* state) {
  std::set<std::string> names(request.resource_names().begin(), request.resource_names().end());
  const bool star = names.erase("*") > 0;
  if (!names.empty() || star) state->named_once = true;
  const bool wildcard = star || (WholeStatePerResponse(type) && !state->named_once);
  if (names == state->names && wildcard == state->wildcard) return;
  state->names = std::move(names);
  state->wildcard = wildcard;
  // What is no longer subscribed to is forgotten by the node: it must be sent again when it is.
  if (wildcard) return;
  for (Resources* resources : {&state->sent, &state->pending, &state->status.acked}) {
    std::erase_if(*resources,
                  [&](const auto& entry) { return !state->names.contains(entry.first); });
  }
  // Nor is there anything left to complain about when all that was refused is given up.
  if (state->refused.empty()) return;
  std::erase_if(state->refused, [&](const auto& name) { return !state->names.contains(name); });
  if (state->refused.empty()) state->status.error.clear();
}

void AdsSession::ForgetUnnamed(const Request& request, TypeState* state) {
  if (state->wildcard) return;
  const std::set<std::string> names(request.resource_names().begin(),
                                    request.resource_names().end());
  for (Resources* resources : {&state->sent, &state->status.acked}) {
    std::erase_if(*resources, [&](const auto& entry) { return !names.contains(entry.first); });
  }
}

void AdsSession::Ack(Type type, TypeState* state) {
  state->status.version_acked = state->status.version_sent;
  state->status.error.clear();
  if (WholeStatePerResponse(type)) state->status.acked.clear();
  for (auto& [name, resource] : state->pending) state->status.acked[name] = resource;
  state->pending.clear();
}

// A node takes nothing of a response in which one resource is wrong. When that one has been put
// right and accepted, the others, which have not changed, must still reach it.
void AdsSession::RetryRefused(TypeState* state) {
  if (state->refused.empty()) return;
  for (const std::string& name : state->refused) state->sent.erase(name);
  state->refused.clear();
}

AdsSession::Readiness AdsSession::ReadinessOf(const std::string& cluster,
                                              const Snapshot& snapshot) const {
  const Resources& clusters = snapshot.type(Type::kCluster).resources;
  const auto found = clusters.find(cluster);
  if (found == clusters.end()) return Readiness::kReady;  // there is no such thing to wait for
  const TypeState& cds = of(Type::kCluster);
  if (!cds.status.acked.contains(cluster)) {
    return cds.waiting ? Readiness::kLater : Readiness::kRefused;
  }
  // It may be on its way out, by a response that does not have it.
  if (cds.waiting && !cds.pending.contains(cluster)) return Readiness::kLater;
  const std::string& assignment = found->second->assignment;
  if (!snapshot.type(Type::kEndpoint).resources.contains(assignment)) return Readiness::kReady;
  const TypeState& eds = of(Type::kEndpoint);
  if (eds.status.acked.contains(assignment)) return Readiness::kReady;
  const bool asked = eds.wildcard || eds.names.contains(assignment);
  return eds.waiting || !asked ? Readiness::kLater : Readiness::kRefused;
}

bool AdsSession::HoldUnready(Type type, const Snapshot& snapshot, Resources* wanted) const {
  if (type != Type::kListener && type != Type::kRoute) return true;
  if (!of(Type::kCluster).wildcard) return true;
  const Resources& has = of(type).status.acked;
  for (auto entry = wanted->begin(); entry != wanted->end();) {
    Readiness worst = Readiness::kReady;
    if (!Same(has, entry->first, *entry->second)) {
      for (const std::string& cluster : entry->second->clusters) {
        worst = std::max(worst, ReadinessOf(cluster, snapshot));
      }
    }
    if (worst == Readiness::kLater) return false;
    const auto old = has.find(entry->first);
    if (worst == Readiness::kRefused && old == has.end()) {
      entry = wanted->erase(entry);
      continue;
    }
    if (worst == Readiness::kRefused) entry->second = old->second;
    ++entry;
  }
  return true;
}

void AdsSession::KeepUsed(Resources* wanted) const {
  const TypeState& cds = of(Type::kCluster);
  for (const Type type : {Type::kListener, Type::kRoute}) {
    const TypeState& users = of(type);
    for (const Resources* resources : {&users.status.acked, &users.pending}) {
      for (const auto& [name, user] : *resources) {
        for (const std::string& cluster : user->clusters) {
          const auto has = cds.status.acked.find(cluster);
          if (has != cds.status.acked.end()) wanted->insert(*has);
        }
      }
    }
  }
}

bool AdsSession::IsFor(const Resource& resource) const {
  return resource.workload.empty() || workloads_.contains(resource.workload);
}

bool AdsSession::MayHaveSecrets(const Resource& listener, const Snapshot& snapshot) const {
  const Resources& secrets = snapshot.type(Type::kSecret).resources;
  return std::all_of(listener.secrets.begin(), listener.secrets.end(), [&](const auto& name) {
    const auto secret = secrets.find(name);
    return secret == secrets.end() || secret->second->nodes.contains(node_);
  });
}

std::shared_ptr<const Resource> AdsSession::Here(
    const std::string& name, const std::shared_ptr<const Resource>& endpoints) const {
  InPlace& known = in_place_[name];
  if (known.of != endpoints) known = {endpoints, Localized(*endpoints, *locality_)};
  return known.here;
}

Resources AdsSession::Wanted(Type type, const Snapshot& snapshot) const {
  const TypeState& state = of(type);
  const Resources& all = snapshot.type(type).resources;
  Resources out;
  if (state.wildcard && type != Type::kSecret) out = all;
  for (const std::string& name : state.names) {
    const auto it = all.find(name);
    if (it != all.end()) out.insert(*it);
  }
  std::erase_if(out, [&](const auto& entry) {
    const Resource& resource = *entry.second;
    if (type == Type::kSecret) return !resource.nodes.contains(node_);
    return !IsFor(resource) || !MayHaveSecrets(resource, snapshot);
  });
  if (type == Type::kEndpoint && locality_.has_value()) {
    for (auto& [name, resource] : out) {
      if (resource->locality.has_value()) resource = Here(name, resource);
    }
    // What is no longer wanted is not remembered.
    std::erase_if(in_place_, [&](const auto& entry) { return !out.contains(entry.first); });
  }
  if (type == Type::kListener && says_workloads_) Narrow(&out);
  return out;
}

void AdsSession::Narrow(Resources* listeners) const {
  Narrowed served;
  for (auto& [name, listener] : *listeners) {
    if (listener->by_source == nullptr) continue;
    const auto known = narrowed_.find(listener.get());
    const auto [at, fresh] = served.emplace(
        listener.get(), known != narrowed_.end()
                            ? known->second
                            : std::pair(listener, NarrowedTo(workloads_, *listener)));
    listener = at->second.second;
  }
  narrowed_ = std::move(served);
}

std::vector<Held> AdsSession::HeldBack(const Snapshot& snapshot) const {
  std::vector<Held> out;
  if (!status(Type::kListener).subscribed) return out;
  for (const auto& [name, listener] : snapshot.type(Type::kListener).resources) {
    if (!IsFor(*listener) || MayHaveSecrets(*listener, snapshot)) continue;
    out.push_back({name, node_.empty() ? "not served: secrets are sent over mutual TLS only; see "
                                         "--grpc-tls-addr of meltemi-pilot"
                                       : "not served: no Pod of the gateway has this node as its "
                                         "spec.nodeName, so its secrets do not go there"});
  }
  return out;
}

std::optional<AdsSession::Response> AdsSession::Next(const Snapshot& snapshot) {
  for (const Type type : kTypes) {
    if (auto response = NextOf(type, snapshot)) return response;
  }
  return std::nullopt;
}

std::optional<AdsSession::Response> AdsSession::NextOf(Type type, const Snapshot& snapshot) {
  TypeState& state = of(type);
  if (!state.status.subscribed || state.waiting) return std::nullopt;
  if (!state.answer_due && state.considered == snapshot.version) return std::nullopt;
  const Resources current = Wanted(type, snapshot);
  Resources wanted = current;
  if (type == Type::kCluster) KeepUsed(&wanted);
  if (!HoldUnready(type, snapshot, &wanted)) return std::nullopt;
  state.considered = snapshot.version;
  Response response;
  const bool changed = Compare(type, wanted, &state, &response);
  const std::string version = wanted == current ? snapshot.type(type).version : VersionOf(wanted);
  state.sent = std::move(wanted);
  if (!changed && !state.answer_due) return std::nullopt;
  state.answer_due = false;
  state.waiting = true;
  state.nonce = absl::StrCat(++nonce_count_);
  state.status.version_sent = version;
  state.status.error.clear();
  response.set_version_info(version);
  response.set_type_url(TypeUrl(type));
  response.set_nonce(state.nonce);
  return response;
}

bool AdsSession::Compare(Type type, const Resources& wanted, TypeState* state,
                         Response* response) const {
  const bool whole = WholeStatePerResponse(type);
  bool changed = false;
  for (const auto& [name, resource] : wanted) changed |= !Same(state->sent, name, *resource);
  // By-name types cannot say "gone": the listener or cluster that wanted it says so.
  for (const auto& [name, resource] : state->sent) changed |= whole && !wanted.contains(name);
  if (!changed && !state->answer_due) return false;
  for (const auto& [name, resource] : wanted) {
    if (!whole && Same(state->sent, name, *resource)) continue;
    *response->add_resources() = resource->any;
    state->pending[name] = resource;
    state->refused.erase(name);
  }
  return changed;
}

bool AdsSession::InSync(Type type, const Snapshot& snapshot) const {
  const TypeState& state = of(type);
  if (!state.status.subscribed || state.waiting || !state.status.error.empty()) return false;
  const Resources wanted = Wanted(type, snapshot);
  const Resources& has = state.status.acked;
  if (WholeStatePerResponse(type) && wanted.size() != has.size()) return false;
  return std::all_of(wanted.begin(), wanted.end(),
                     [&](const auto& entry) { return Same(has, entry.first, *entry.second); });
}

}  // namespace meltemi::control::pilot::ads_session
