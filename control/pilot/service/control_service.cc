#include "control/pilot/service/control_service.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace meltemi::control::pilot::service {
namespace {

grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, grpc::Status status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(std::move(status));
  return reactor;
}

grpc::Status Unavailable(const absl::Status& status) {
  return {grpc::StatusCode::UNAVAILABLE, std::string(status.message())};
}

void AddProblems(const model::Problems& problems,
                 google::protobuf::RepeatedPtrField<v1::Problem>* list) {
  for (const model::Problem& problem : problems) {
    v1::Problem* to = list->Add();
    to->set_file(problem.file);
    to->set_object(problem.object);
    to->set_path(problem.path);
    to->set_message(problem.message);
  }
}

v1::ApplyResponse::Outcome ToProto(registry::Outcome outcome) {
  switch (outcome) {
    case registry::Outcome::kCreated:
      return v1::ApplyResponse::CREATED;
    case registry::Outcome::kChanged:
      return v1::ApplyResponse::CHANGED;
    case registry::Outcome::kUnchanged:
      return v1::ApplyResponse::UNCHANGED;
  }
  return v1::ApplyResponse::OUTCOME_UNSPECIFIED;
}

void SetName(const std::string& kind, const std::string& ns, const std::string& name,
             v1::ObjectName* to) {
  to->set_kind(kind);
  to->set_namespace_(ns);
  to->set_name(name);
}

void SetTime(absl::Time from, google::protobuf::Timestamp* to) {
  to->set_seconds(absl::ToUnixSeconds(from));
  to->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(from - absl::FromUnixSeconds(absl::ToUnixSeconds(from)))));
}

// "virtualservices", "VirtualService", "virtualservice" and kubectl's "vs" name one kind.
bool KindMatches(const std::string& wanted, const std::string& kind) {
  static constexpr std::pair<const char*, const char*> kShort[] = {
      {"vs", "VirtualService"}, {"dr", "DestinationRule"}, {"se", "ServiceEntry"},
      {"we", "WorkloadEntry"},  {"svc", "Service"},        {"po", "Pod"},
      {"ep", "Endpoints"}};
  for (const auto& [word, meant] : kShort) {
    if (absl::EqualsIgnoreCase(wanted, word)) return kind == meant;
  }
  return wanted.empty() || absl::EqualsIgnoreCase(wanted, kind) ||
         absl::EqualsIgnoreCase(wanted, kind + "s") ||
         (absl::EndsWith(kind, "y") &&
          absl::EqualsIgnoreCase(wanted, kind.substr(0, kind.size() - 1) + "ies"));
}

// What is kept from nodes, in words of the listeners.
model::Problems HeldFrom(const std::vector<ads_server::NodeView>& nodes) {
  model::Problems out;
  for (const ads_server::NodeView& node : nodes) {
    for (const ads_session::Held& held : node.held) {
      out.push_back(
          {"", absl::StrCat("Node ", node.id), absl::StrCat("listener ", held.listener), held.why});
    }
  }
  return out;
}

}  // namespace

std::string ControlService::Version() const {
  const auto snapshot = ads_->snapshot();
  return snapshot == nullptr ? "" : snapshot->version;
}

// Of the objects the operator gave: the others were there before, `status` shows them.
model::Problems ControlService::UnsupportedOf(const registry::Plan& plan) const {
  if (!plan.model) return {};
  model::Problems out = publisher_->Unsupported(*plan.model);
  std::erase_if(out, [&](const model::Problem& problem) {
    return std::none_of(plan.results.begin(), plan.results.end(), [&](const auto& result) {
      const registry::ObjectName& name = result.first;
      return problem.object == absl::StrCat(name.kind, " ", name.ns, "/", name.name);
    });
  });
  return out;
}

grpc::ServerUnaryReactor* ControlService::Apply(grpc::CallbackServerContext* context,
                                                const v1::ApplyRequest* request,
                                                v1::ApplyResponse* response) {
  std::vector<std::pair<std::string, std::string>> given;
  for (const auto& file : request->files()) given.emplace_back(file.name(), file.yaml());
  using Mode = registry::FileRegistry::Mode;
  const auto plan = registry_->Apply(given, request->dry_run() ? Mode::kDryRun : Mode::kWrite);
  if (!plan.ok()) return Answer(context, Unavailable(plan.status()));
  AddProblems(plan->problems, response->mutable_problems());
  if (plan->problems.empty()) {
    for (const auto& [name, outcome] : plan->results) {
      auto* result = response->add_results();
      SetName(name.kind, name.ns, name.name, result->mutable_object());
      result->set_outcome(ToProto(outcome));
    }
    AddProblems(UnsupportedOf(*plan), response->mutable_unsupported());
  }
  response->set_version(Version());
  return Answer(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControlService::Get(grpc::CallbackServerContext* context,
                                              const v1::GetRequest* request,
                                              v1::GetResponse* response) {
  std::vector<model::Document> documents = registry_->state().documents;
  std::sort(documents.begin(), documents.end(),
            [](const model::Document& a, const model::Document& b) {
              return std::tie(a.meta.kind, a.meta.ns, a.meta.name) <
                     std::tie(b.meta.kind, b.meta.ns, b.meta.name);
            });
  for (const model::Document& document : documents) {
    const model::Meta& meta = document.meta;
    if (!KindMatches(request->kind(), meta.kind)) continue;
    if (!request->namespace_().empty() && request->namespace_() != meta.ns) continue;
    if (!request->name().empty() && request->name() != meta.name) continue;
    auto* object = response->add_objects();
    SetName(meta.kind, meta.ns, meta.name, object->mutable_object());
    object->set_api_version(document.api_version);
    object->set_file(meta.file);
    object->set_yaml(document.Shown());
  }
  return Answer(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControlService::Delete(grpc::CallbackServerContext* context,
                                                 const v1::DeleteRequest* request,
                                                 v1::DeleteResponse* response) {
  const std::vector<model::Document> documents = registry_->state().documents;
  std::vector<registry::ObjectName> names;
  for (const v1::ObjectName& object : request->objects()) {
    registry::ObjectName name{object.kind(), object.namespace_(), object.name()};
    // The kind as it is spelled in the object, whatever the operator typed.
    for (const model::Document& document : documents) {
      if (KindMatches(name.kind, document.meta.kind)) name.kind = document.meta.kind;
    }
    names.push_back(std::move(name));
  }
  const auto plan = registry_->Delete(names);
  if (!plan.ok()) return Answer(context, Unavailable(plan.status()));
  AddProblems(plan->problems, response->mutable_problems());
  response->set_version(Version());
  return Answer(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControlService::Status(grpc::CallbackServerContext* context,
                                                 const v1::StatusRequest*,
                                                 v1::StatusResponse* response) {
  for (const ads_server::NodeView& view : ads_->Nodes()) {
    auto* node = response->add_nodes();
    node->set_id(view.id);
    node->set_address(view.address);
    SetTime(view.connected, node->mutable_connected());
    for (const ads_server::TypeView& type : view.types) {
      auto* to = node->add_types();
      to->set_type_url(ads_session::TypeUrl(type.type));
      to->set_version_sent(type.status.version_sent);
      to->set_version_acked(type.status.version_acked);
      to->set_version_nacked(type.status.version_nacked);
      to->set_error(type.status.error);
      to->set_resources(static_cast<int32_t>(type.status.acked.size()));
      to->set_in_sync(type.in_sync);
    }
  }
  AddProblems(HeldFrom(ads_->Nodes()), response->mutable_unsupported());
  const registry::FileRegistry::State state = registry_->state();
  response->set_version(Version());
  if (state.model != nullptr) {
    SetTime(state.changed, response->mutable_changed());
    response->set_services(static_cast<int32_t>(state.model->services().size()));
  }
  response->set_objects(static_cast<int32_t>(state.documents.size()));
  AddProblems(state.problems, response->mutable_problems());
  AddProblems(publisher_->unsupported(), response->mutable_unsupported());
  return Answer(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* ControlService::ProxyConfig(grpc::CallbackServerContext* context,
                                                      const v1::ProxyConfigRequest* request,
                                                      v1::ProxyConfigResponse* response) {
  const auto type = ads_session::TypeFromUrl(request->type_url());
  if (!type) {
    return Answer(context, {grpc::StatusCode::INVALID_ARGUMENT,
                            absl::StrCat("unknown type \"", request->type_url(), "\"")});
  }
  const std::vector<ads_server::NodeView> nodes = ads_->Nodes();
  const ads_server::NodeView* found = nullptr;
  for (const ads_server::NodeView& node : nodes) {
    if (node.id == request->node()) found = &node;  // the youngest stream of that name
  }
  if (found == nullptr) {
    return Answer(context, {grpc::StatusCode::NOT_FOUND,
                            absl::StrCat("node \"", request->node(), "\" is not connected")});
  }
  for (const ads_server::TypeView& view : found->types) {
    if (view.type != *type) continue;
    for (const auto& [name, resource] : view.status.acked) {
      auto* to = response->add_resources();
      to->set_name(name);
      to->set_version(resource->version);
      *to->mutable_resource() = ads_session::Shown(*type, *resource);
    }
  }
  return Answer(context, grpc::Status::OK);
}

}  // namespace meltemi::control::pilot::service
