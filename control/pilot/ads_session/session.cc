#include "control/pilot/ads_session/session.h"

#include "absl/strings/str_cat.h"

namespace meltemi::control::pilot::ads_session {
namespace {

bool WholeStatePerResponse(Type type) { return type == Type::kCluster || type == Type::kListener; }

}  // namespace

Event AdsSession::OnRequest(const Request& request) {
  const std::optional<Type> type = TypeFromUrl(request.type_url());
  if (!type) return Event::kUnknownType;
  if (request.resource_names_size() > kNamesMax) return Event::kTooManyNames;
  TypeState& state = types_[static_cast<size_t>(*type)];
  if (!state.status.subscribed) {
    // The nonce, if there is one, belongs to a stream that is gone.
    state.status.subscribed = true;
    state.answer_due = WholeStatePerResponse(*type);
    Subscribe(request, *type, &state);
    return Event::kSubscribed;
  }
  if (request.response_nonce() != state.nonce) return Event::kStale;
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

void AdsSession::Subscribe(const Request& request, Type type, TypeState* state) {
  std::set<std::string> names(request.resource_names().begin(), request.resource_names().end());
  const bool star = names.erase("*") > 0;
  if (!names.empty() || star) state->named_once = true;
  const bool wildcard = star || (WholeStatePerResponse(type) && !state->named_once);
  if (names == state->names && wildcard == state->wildcard) return;
  state->names = std::move(names);
  state->wildcard = wildcard;
  state->considered.clear();
  // What is no longer subscribed to is forgotten by the node: it must be sent again when it is.
  if (wildcard) return;
  for (Resources* resources : {&state->sent, &state->status.acked}) {
    std::erase_if(*resources,
                  [&](const auto& entry) { return !state->names.contains(entry.first); });
  }
  std::erase_if(state->refused, [&](const auto& name) { return !state->names.contains(name); });
}

void AdsSession::Ack(Type type, TypeState* state) {
  state->status.version_acked = state->status.version_sent;
  state->status.error.clear();
  if (WholeStatePerResponse(type)) state->status.acked.clear();
  for (auto& [name, resource] : state->pending) state->status.acked[name] = resource;
  // The same request may have given up names.
  std::erase_if(state->status.acked,
                [&](const auto& entry) { return !state->sent.contains(entry.first); });
  state->pending.clear();
}

// A node takes nothing of a response in which one resource is wrong. When that one has been put
// right and accepted, the others, which have not changed, must still reach it.
void AdsSession::RetryRefused(TypeState* state) {
  if (state->refused.empty()) return;
  for (const std::string& name : state->refused) state->sent.erase(name);
  state->refused.clear();
  state->considered.clear();
}

AdsSession::Resources AdsSession::Wanted(const TypeState& state, const TypeSnapshot& snapshot) {
  if (state.wildcard) return snapshot.resources;
  Resources out;
  for (const std::string& name : state.names) {
    const auto it = snapshot.resources.find(name);
    if (it != snapshot.resources.end()) out.insert(*it);
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
  TypeState& state = types_[static_cast<size_t>(type)];
  const TypeSnapshot& current = snapshot.type(type);
  if (!state.status.subscribed) return std::nullopt;
  if (!state.answer_due && state.considered == current.version) return std::nullopt;
  Resources wanted = Wanted(state, current);
  Response response;
  if (WholeStatePerResponse(type)) state.pending.clear();
  bool removed = false;
  for (const auto& [name, resource] : state.sent) removed |= !wanted.contains(name);
  bool changed = false;
  for (const auto& [name, resource] : wanted) {
    const auto it = state.sent.find(name);
    const bool same = it != state.sent.end() && it->second->version == resource->version;
    changed |= !same;
    if (same && !WholeStatePerResponse(type)) continue;
    *response.add_resources() = resource->any;
    state.pending[name] = resource;
    state.refused.erase(name);
  }
  state.considered = current.version;
  state.sent = std::move(wanted);
  // By-name types cannot say "gone": the listener or cluster that wanted it says so.
  if (!state.answer_due && !changed && !(removed && WholeStatePerResponse(type))) {
    std::erase_if(state.status.acked,
                  [&](const auto& entry) { return !state.sent.contains(entry.first); });
    return std::nullopt;
  }
  state.answer_due = false;
  state.waiting = true;
  state.nonce = absl::StrCat(++nonce_count_);
  state.status.version_sent = current.version;
  state.status.error.clear();
  response.set_version_info(current.version);
  response.set_type_url(TypeUrl(type));
  response.set_nonce(state.nonce);
  return response;
}

bool AdsSession::InSync(Type type, const Snapshot& snapshot) const {
  const TypeState& state = types_[static_cast<size_t>(type)];
  if (!state.status.subscribed || state.waiting || !state.status.error.empty()) return false;
  const Resources wanted = Wanted(state, snapshot.type(type));
  if (wanted.size() != state.status.acked.size()) return false;
  for (const auto& [name, resource] : wanted) {
    const auto it = state.status.acked.find(name);
    if (it == state.status.acked.end() || it->second->version != resource->version) return false;
  }
  return true;
}

}  // namespace meltemi::control::pilot::ads_session
