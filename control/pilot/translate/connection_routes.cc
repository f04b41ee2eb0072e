#include "control/pilot/translate/connection_routes.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "control/pilot/translate/listener_parts.h"
#include "control/pilot/translate/proto_util.h"
#include "control/pilot/translate/translate.h"
#include "l7/base/ip_addr.h"

namespace meltemi::control::pilot::translate {
namespace {

using envoy::config::listener::v3::FilterChain;
using envoy::config::listener::v3::FilterChainMatch;
using envoy::config::listener::v3::Listener;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;

// Connections that no route divides: their most specific server name is `name`, their
// destination's longest prefix is `subnet`, of all that any route names.
struct Cell {
  std::string name = "*";          // "*": no other, or none at all
  std::optional<IpPrefix> subnet;  // absent: no other
  bool tls = true;

  std::string Subnet() const { return subnet ? subnet->ToString() : ""; }
};

bool HasSubnet(const std::vector<std::string>& subnets, const std::optional<IpPrefix>& inner) {
  if (subnets.empty()) return true;
  return inner && std::any_of(subnets.begin(), subnets.end(), [&](const std::string& text) {
           const auto outer = IpPrefix::Parse(text);
           return outer->bits <= inner->bits && outer->Contains(inner->address);
         });
}

bool HasCell(const ConnectionRoute& route, const Cell& cell) {
  if (!HasSubnet(route.subnets, cell.subnet)) return false;
  if (route.names.empty()) return true;
  return cell.tls && std::any_of(route.names.begin(), route.names.end(), [&](const auto& name) {
           return model::HostCovers(name, cell.name);
         });
}

// The names that cover `name`, the most specific first; "" is that of routes without names.
std::vector<std::string> Patterns(const Cell& cell) {
  if (!cell.tls) return {""};
  std::vector<std::string> patterns = {cell.name};
  for (size_t dot = cell.name.find('.'); dot != std::string::npos;
       dot = cell.name.find('.', dot + 1)) {
    if (dot > 0) patterns.push_back(absl::StrCat("*", cell.name.substr(dot)));
  }
  patterns.push_back("*");
  patterns.push_back("");
  return patterns;
}

class ChainCutter {
 public:
  explicit ChainCutter(const std::vector<ConnectionRoutes>& all) : all_(all) {
    std::set<std::string> known = {"*"};
    for (const ConnectionRoutes& routes : all_) {
      std::map<std::string, std::set<size_t>>& index = by_name_.emplace_back();
      for (size_t s = 0; s < routes.services.size(); ++s) {
        for (const ConnectionRoute& route : routes.services[s]) {
          if (route.names.empty()) index[""].insert(s);
          for (const std::string& name : route.names) {
            index[name].insert(s);
            if (known.insert(name).second) names_.push_back(name);
          }
          for (const std::string& subnet : route.subnets) AddSubnet(*IpPrefix::Parse(subnet));
        }
      }
    }
    // One of no bits is all of its family: then there is no "no other".
    const auto whole = [](const auto& subnet) { return subnet && subnet->bits == 0; };
    if (std::none_of(subnets_.begin(), subnets_.end(), whole)) return;
    AddSubnet(*IpPrefix::Parse("0.0.0.0/0"));
    AddSubnet(*IpPrefix::Parse("::/0"));
    subnets_.erase(subnets_.begin());
  }

  std::vector<ConnectionChain> Run() {
    for (const std::string& name : names_) {
      for (const auto& subnet : subnets_) Add({name, subnet}, "tls");
    }
    for (const auto& subnet : subnets_) {
      const Cell tls{.subnet = subnet}, plain{.subnet = subnet, .tls = false};
      bool same = true;
      for (size_t c = 0; c < all_.size(); ++c) same &= Of(c, tls).proxy == Of(c, plain).proxy;
      Add(tls, same ? "" : "tls");
      if (!same) Add(plain, "raw_buffer");
    }
    MergeSubnets();
    std::vector<ConnectionChain> out;
    for (const Block& block : blocks_) out.push_back(ChainOf(block));
    return out;
  }

 private:
  struct Outcome {
    const TcpProxy* proxy = nullptr;
    std::string origin;
    bool by_route = false;  // else it is where everything else goes
  };
  // Cells with one outcome.
  struct Block {
    const TcpProxy* proxy = nullptr;
    std::string origin, transport;
    std::vector<std::string> names, subnets;  // none: all other
    std::vector<size_t> clients;              // none: all other
    std::string Key(const std::string& bytes) const {
      return absl::StrCat(bytes, "|", transport, "|", absl::StrJoin(clients, ","));
    }
  };

  void AddSubnet(IpPrefix subnet) {
    if (std::find(subnets_.begin(), subnets_.end(), subnet) == subnets_.end()) {
      subnets_.emplace_back(subnet);
    }
  }

  const std::string& BytesOf(const TcpProxy* proxy) {
    const auto [at, fresh] = bytes_.try_emplace(proxy);
    if (fresh && proxy != nullptr) at->second = DeterministicBytes(*proxy);
    return at->second;
  }

  Outcome Of(size_t client, const Cell& cell) const {
    const ConnectionRoutes& routes = all_[client];
    for (const std::string& pattern : Patterns(cell)) {
      const auto services = by_name_[client].find(pattern);
      if (services == by_name_[client].end()) continue;
      for (const size_t service : services->second) {
        for (const ConnectionRoute& route : routes.services[service]) {
          if (HasCell(route, cell)) return {&route.proxy, route.origin, true};
        }
      }
    }
    return {routes.others ? &*routes.others : nullptr, routes.origin};
  }

  // What the first kind of clients finds is everybody's who is not told apart. Where that is what
  // everything else goes to, there is nothing to say: the walk ends here, with the default chain.
  void Add(const Cell& cell, const char* transport) {
    const Outcome base = Of(0, cell);
    std::vector<Block> blocks;
    if (base.by_route) blocks.push_back({base.proxy, base.origin});
    for (size_t c = 1; c < all_.size(); ++c) {
      const Outcome own = Of(c, cell);
      const bool same = BytesOf(own.proxy) == BytesOf(base.proxy);
      if (own.proxy == nullptr || (same && (base.by_route || !own.by_route))) continue;
      const auto like = std::find_if(blocks.begin(), blocks.end(), [&](const Block& block) {
        return !block.clients.empty() && BytesOf(block.proxy) == BytesOf(own.proxy);
      });
      if (like != blocks.end()) {
        like->clients.push_back(c);
      } else {
        blocks.push_back({.proxy = own.proxy, .origin = own.origin, .clients = {c}});
      }
    }
    for (Block& block : blocks) {
      block.transport = transport;
      if (cell.subnet) block.subnets = {cell.Subnet()};
      const std::string key = absl::StrCat(block.Key(BytesOf(block.proxy)), "|", cell.Subnet(), "|",
                                           cell.name == "*" ? "all" : "named");
      const auto [at, fresh] = by_key_.try_emplace(key, blocks_.size());
      if (fresh) blocks_.push_back(std::move(block));
      if (cell.name != "*") blocks_[at->second].names.push_back(cell.name);
    }
  }

  void MergeSubnets() {
    std::map<std::string, size_t> by_names;
    std::vector<Block> merged;
    for (Block& block : blocks_) {
      const std::string key =
          absl::StrCat(block.Key(BytesOf(block.proxy)), "|", absl::StrJoin(block.names, ","));
      const auto [at, fresh] = by_names.try_emplace(key, merged.size());
      if (block.subnets.empty() || fresh || merged[at->second].subnets.empty()) {
        if (!block.subnets.empty()) at->second = merged.size();
        merged.push_back(std::move(block));
      } else {
        merged[at->second].subnets.push_back(block.subnets[0]);
      }
    }
    blocks_ = std::move(merged);
  }

  // It stays when names, addresses and clients come and go: connections that stand go by it.
  std::string NameOf(const Block& block) const {
    std::string name = "tcp";
    if (block.transport == "tls") {
      name = absl::StrCat("sni ", block.names.empty() ? "*" : block.names[0]);
    } else if (block.transport == "raw_buffer") {
      name = "plain";
    }
    if (!block.subnets.empty()) absl::StrAppend(&name, " to ", block.subnets[0]);
    if (!block.clients.empty()) absl::StrAppend(&name, " by ", block.origin);
    return name;
  }

  ConnectionChain ChainOf(const Block& block) const {
    ConnectionChain chain{.name = NameOf(block), .proxy = *block.proxy};
    chain.match.set_transport_protocol(block.transport);
    for (const std::string& name : block.names) chain.match.add_server_names(name);
    for (const std::string& text : block.subnets) {
      const IpPrefix subnet = *IpPrefix::Parse(text);
      auto* range = chain.match.add_prefix_ranges();
      range->set_address_prefix(subnet.address.ToString());
      range->mutable_prefix_len()->set_value(subnet.bits);
    }
    for (const size_t c : block.clients) AddSources(all_[c].clients, &chain.match);
    return chain;
  }

  const std::vector<ConnectionRoutes>& all_;
  std::vector<std::map<std::string, std::set<size_t>>> by_name_;  // of each kind: services
  std::vector<std::string> names_;                                // but "*", as they come
  std::vector<std::optional<IpPrefix>> subnets_ = {std::optional<IpPrefix>()};
  std::map<const TcpProxy*, std::string> bytes_;
  std::vector<Block> blocks_;
  std::map<std::string, size_t> by_key_;
};

bool BySourceAlone(const FilterChainMatch& match) {
  return match.server_names().empty() && match.transport_protocol().empty() &&
         match.prefix_ranges().empty();
}

// What of `subnets` is left to be asked at an address; absent: the address is in none.
std::optional<std::vector<std::string>> SubnetsAt(const std::vector<std::string>& subnets,
                                                  const std::string& address) {
  if (subnets.empty() || address == "0.0.0.0") return subnets;
  const auto at = IpPrefix::Parse(address);
  if (at && HasSubnet(subnets, at)) return std::vector<std::string>();
  return std::nullopt;
}

std::vector<std::string> LowerCase(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const std::string& name : names) out.push_back(absl::AsciiStrToLower(name));
  return out;
}

// What the rule's routes of one kind say, in order, up to one that takes everything.
class PortRoutes {
 public:
  PortRoutes(const model::VirtualService& rule, uint32_t port, const std::string& address,
             const model::Endpoint* client)
      : rule_(rule), port_(port), address_(address), client_(client) {}

  // `make`: the proxy of a route. `names`: of routes that say none.
  template <typename Make>
  std::vector<ConnectionRoute> Read(const char* field, const std::vector<model::TcpRoute>& routes,
                                    const std::vector<std::string>& names, const Make& make) const {
    const std::vector<model::L4Match> everything(1);
    std::vector<ConnectionRoute> out;
    for (size_t i = 0; i < routes.size(); ++i) {
      const auto& matches = routes[i].match.empty() ? everything : routes[i].match;
      for (const model::L4Match& match : matches) {
        if (!Takes(match, model::kMeshGateway, port_, client_)) continue;
        const auto subnets = SubnetsAt(match.subnets, address_);
        if (!subnets) continue;
        ConnectionRoute route{
            .names = match.sni_hosts.empty() ? names : LowerCase(match.sni_hosts),
            .subnets = *subnets,
            .proxy = make(routes[i]),
            .origin = absl::StrCat(rule_.meta.ns, "/", rule_.meta.name, " ", field, "[", i, "]")};
        out.push_back(std::move(route));
        if (out.back().subnets.empty() && out.back().names == names) return out;
      }
    }
    return out;
  }

 private:
  const model::VirtualService& rule_;
  const uint32_t port_;
  const std::string& address_;
  const model::Endpoint* const client_;
};

}  // namespace

bool Covers(const std::vector<std::string>& subnets, const model::Endpoint& workload) {
  return HasSubnet(subnets, IpPrefix::Parse(workload.address)) ||
         std::any_of(workload.ips.begin(), workload.ips.end(), [&](const std::string& ip) {
           return HasSubnet(subnets, IpPrefix::Parse(ip));
         });
}

std::vector<ConnectionChain> ChainsOf(const std::vector<ConnectionRoutes>& all) {
  return ChainCutter(all).Run();
}

void AddConnectionChains(const std::vector<ConnectionRoutes>& all, Listener* listener) {
  bool by_source_alone = true;
  for (const ConnectionChain& made : ChainsOf(all)) {
    FilterChain* chain = listener->add_filter_chains();
    chain->set_name(made.name);
    *chain->mutable_filter_chain_match() = made.match;
    *chain->add_filters() = ProxyFilter(made.proxy);
    by_source_alone &= BySourceAlone(made.match);
  }
  if (!all[0].others) return;
  // Without the others it is as if no rule asked for sources.
  FilterChain* last =
      by_source_alone ? listener->add_filter_chains() : listener->mutable_default_filter_chain();
  *last->add_filters() = ProxyFilter(*all[0].others);
}

ConnectionRoutes RoutesOfPort(const model::Model& model, const model::MeshService& service,
                              const model::MeshPort& port, const model::MeshConfig& mesh,
                              const std::string& address, const Clients& clients) {
  ConnectionRoutes out{.clients = clients};
  std::vector<ConnectionRoute>& list = out.services.emplace_back();
  const model::VirtualService* rule = model.VirtualServiceFor(service.hostname);
  const bool tls = port.protocol == model::Protocol::kTls;
  const bool by_name = tls && service.of_any_address();
  if (rule != nullptr) {
    const PortRoutes routes(*rule, port.number, address, clients.one);
    if (tls) {
      list = routes.Read("tls", rule->tls, {}, [&](const model::TcpRoute& route) {
        TcpProxy proxy;
        proxy.set_stat_prefix(ClusterName(port.number, "", service.hostname));
        SetDestinations(model, rule->meta, route.route, port.number, &proxy);
        SetAccessLog(mesh, &proxy);
        return proxy;
      });
    }
    if (by_name && !list.empty()) return out;  // the rule says which names are the service's
    const std::vector<std::string> names =
        by_name ? LowerCase({service.hostname}) : std::vector<std::string>();
    for (ConnectionRoute& route : routes.Read("tcp", rule->tcp, names, [&](const auto& of) {
           return TcpProxyFor(model, service, port, mesh, &of);
         })) {
      list.push_back(std::move(route));
    }
  }
  if (by_name) {
    list.push_back({.names = LowerCase({service.hostname}),
                    .proxy = TcpProxyFor(model, service, port, mesh, nullptr),
                    .origin = "service"});
  } else if (!list.empty() && list.back().takes_all()) {
    out.others = std::move(list.back().proxy);
    out.origin = std::move(list.back().origin);
    list.pop_back();
  } else {
    out.others = TcpProxyFor(model, service, port, mesh, nullptr);
  }
  return out;
}

}  // namespace meltemi::control::pilot::translate
