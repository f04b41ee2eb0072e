// Which workloads run which Gateways, and what their ports are.
#include <algorithm>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control/pilot/model/builder.h"

namespace meltemi::control::pilot::model {
namespace {

// What can share a port: plain HTTP with plain HTTP, TLS with TLS of other names.
enum class Sharing { kHttp, kTls, kAlone };

Sharing SharingOf(const GatewayServer& server) {
  if (server.tls) return Sharing::kTls;
  return server.protocol == ServerProtocol::kHttp ? Sharing::kHttp : Sharing::kAlone;
}

struct Taken {
  Sharing sharing = Sharing::kAlone;
  const Gateway* by = nullptr;
  std::map<std::string, const Gateway*> names;  // SNI
};

}  // namespace

bool HostCovers(const std::string& pattern, const std::string& host) {
  if (pattern == host || pattern == "*") return true;
  return pattern.size() > 1 && pattern[0] == '*' && absl::EndsWith(host, pattern.substr(1));
}

const Secret* Model::FindSecret(const std::string& ns, const std::string& name) const {
  const auto found = secrets_.find(absl::StrCat(ns, "/", name));
  return found == secrets_.end() ? nullptr : &found->second;
}

const Gateway* Model::FindGateway(const std::string& name) const {
  for (const Gateway& gateway : gateways_) {
    if (gateway.Name() == name) return &gateway;
  }
  return nullptr;
}

// A port of one workload is one listener: what two servers say about it must go together.
void ModelBuilder::CheckGatewayPorts(const GatewayGroup& group) {
  std::map<uint32_t, Taken> ports;
  for (const size_t index : group.gateways) {
    const Gateway& gateway = model_.gateways_[index];
    for (size_t i = 0; i < gateway.servers.size(); ++i) {
      const GatewayServer& server = gateway.servers[i];
      const auto add = [&](const char* field, const std::string& message) {
        Problem problem{gateway.meta.file, gateway.meta.Object(),
                        absl::StrCat("spec.servers[", i, "].", field), message};
        if (std::find(problems_->begin(), problems_->end(), problem) == problems_->end()) {
          problems_->push_back(std::move(problem));
        }
      };
      const auto [it, inserted] =
          ports.try_emplace(server.port, Taken{SharingOf(server), &gateway, {}});
      if (!inserted &&
          (it->second.sharing != SharingOf(server) || it->second.sharing == Sharing::kAlone)) {
        add("port", absl::StrCat("port ", server.port, " is already used, and otherwise, by ",
                                 it->second.by->meta.Object()));
        continue;
      }
      if (!server.tls) continue;
      for (const auto& [ns, host] : server.hosts) {
        const auto [name, fresh] = it->second.names.try_emplace(host, &gateway);
        if (fresh) continue;
        add("hosts", absl::StrCat("\"", host, "\" on port ", server.port, " is already served by ",
                                  name->second->meta.Object()));
      }
    }
  }
}

void ModelBuilder::AddGateways() {
  for (const Secret& secret : objects_.secrets) {
    model_.secrets_.emplace(absl::StrCat(secret.meta.ns, "/", secret.meta.name), secret);
  }
  model_.gateways_ = objects_.gateways;
  std::sort(model_.gateways_.begin(), model_.gateways_.end(),
            [](const Gateway& a, const Gateway& b) { return a.Name() < b.Name(); });
  std::map<std::string, std::pair<Endpoint, std::vector<size_t>>> workloads;  // by address
  for (size_t i = 0; i < model_.gateways_.size(); ++i) {
    for (const Endpoint& endpoint : Workloads(model_.gateways_[i].selector, objects_)) {
      auto& [kept, gateways] = workloads[endpoint.address];
      kept = endpoint;
      gateways.push_back(i);
    }
  }
  model_.workloads_ = Workloads({}, objects_);
  std::erase_if(model_.workloads_,
                [&](const Endpoint& e) { return workloads.contains(e.address); });
  std::map<std::vector<size_t>, std::vector<Endpoint>> groups;
  for (auto& [address, of] : workloads) groups[of.second].push_back(std::move(of.first));
  for (auto& [gateways, endpoints] : groups) {
    model_.gateway_groups_.push_back({gateways, std::move(endpoints)});
    CheckGatewayPorts(model_.gateway_groups_.back());
  }
}

}  // namespace meltemi::control::pilot::model
