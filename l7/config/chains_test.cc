#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "l7/config/snapshot.h"

namespace meltemi::config {
namespace {

Listener Gateway() {
  Listener l;
  const auto add = [&l](std::vector<std::string> names, Transport transport, uint32_t to) {
    l.chains.push_back({{.server_names = std::move(names), .transport = transport}, to});
  };
  add({"*.example.com"}, Transport::kAny, 1);
  add({"a.example.com", "b.org"}, Transport::kAny, 2);
  add({"*.c.example.com"}, Transport::kAny, 3);
  add({}, Transport::kTls, 4);
  add({}, Transport::kPlain, 5);
  add({"only-tls.org"}, Transport::kTls, 6);
  return l;
}

// Goal: the most specific server name decides, then the transport; what nothing takes goes to the
// default chain or nowhere. Method: a table of clients.
TEST(ChooseChain, TakesTheMostSpecific) {
  const struct {
    std::string name;
    Transport transport;
    std::string sni;
    uint32_t want;
  } kRows[] = {
      {"exact before wildcard", Transport::kTls, "a.example.com", 2},
      {"second name of a chain", Transport::kTls, "b.org", 2},
      {"wildcard", Transport::kTls, "z.example.com", 1},
      {"wildcard over several labels", Transport::kTls, "y.z.example.com", 1},
      {"longer wildcard before a shorter one", Transport::kTls, "x.c.example.com", 3},
      {"a wildcard does not take its own domain", Transport::kTls, "example.com", 4},
      {"no name", Transport::kTls, "", 4},
      {"unknown name", Transport::kTls, "elsewhere.net", 4},
      {"plain", Transport::kPlain, "", 5},
      {"name and transport", Transport::kTls, "only-tls.org", 6},
      {"a name binds: no other chain is tried", Transport::kPlain, "only-tls.org", kNoIndex},
  };
  const Listener gateway = Gateway();
  for (const auto& row : kRows) {
    EXPECT_EQ(ChooseChain(gateway, 0, {row.transport, row.sni, {}}).listener, row.want) << row.name;
  }
}

TEST(ChooseChain, FallsBackToTheDefaultChain) {
  Listener l = Gateway();
  l.chains.push_back({{.fallback = true}, 7});
  EXPECT_EQ(ChooseChain(l, 0, {Transport::kPlain, "only-tls.org", {}}).listener, 7u);
  EXPECT_EQ(ChooseChain(l, 0, {Transport::kTls, "a.example.com", {}}).listener, 2u);
}

TEST(ChooseChain, IsTheListenerItselfWithoutChains) {
  EXPECT_EQ(ChooseChain(Listener{}, 9, {Transport::kTls, "a", {}}).listener, 9u);
}

// Goal: a port that takes both tells the mesh's TLS by its ALPN; the workload's own TLS and plain
// bytes go to other chains. Method: chains as of PERMISSIVE, a table of clients.
TEST(ChooseChain, TellsTheMeshByItsProtocols) {
  Listener l;
  l.chains = {{{.transport = Transport::kTls, .protocols = {"istio", "istio-h2"}}, 1},
              {{.transport = Transport::kTls}, 2},
              {{.transport = Transport::kPlain}, 3}};
  using Names = std::vector<std::string>;
  const auto choose = [&l](Transport transport, const Names& protocols) {
    return ChooseChain(l, 0, {transport, "", protocols});
  };
  EXPECT_EQ(choose(Transport::kTls, {"istio"}).listener, 1u);
  const ChainChoice second = choose(Transport::kTls, {"h2", "istio-h2"});
  EXPECT_EQ(second.listener, 1u);
  EXPECT_EQ(second.protocol, "istio-h2");
  EXPECT_EQ(choose(Transport::kTls, {"h2"}).listener, 2u);
  EXPECT_EQ(choose(Transport::kTls, {}).listener, 2u);
  EXPECT_EQ(choose(Transport::kTls, {}).protocol, "");
  EXPECT_EQ(choose(Transport::kPlain, {}).listener, 3u);
  l.chains.pop_back();  // STRICT
  EXPECT_EQ(choose(Transport::kPlain, {}).listener, kNoIndex);
}

IpPrefix Prefix(const char* text) { return *IpPrefix::Parse(text); }
IpAddr Ip(const char* text) { return *IpAddr::Parse(text); }

// Goal: addresses choose as Envoy documents it, step by step. Method: chains that ask for one thing
// each, a table of clients, each told from the one above by the next step.
TEST(ChooseChain, ChoosesByAddressesInEnvoysOrder) {
  Listener l;
  const auto add = [&l](ChainMatch match, uint32_t to) {
    l.chains.push_back({std::move(match), to});
  };
  add({.destination_port = 443}, 1);
  add({.destinations = {Prefix("10.0.0.0/8")}}, 2);
  add({.destinations = {Prefix("10.1.0.0/16"), Prefix("2001:db8::/32")}}, 3);
  add({.direct_sources = {Prefix("172.16.0.0/12")}}, 4);
  add({.source_type = SourceType::kSameIpOrLoopback}, 5);
  add({.source_type = SourceType::kExternal, .sources = {Prefix("192.168.0.0/16")}}, 6);
  add({.source_type = SourceType::kExternal, .sources = {Prefix("192.168.7.0/24")}}, 7);
  add({.source_type = SourceType::kExternal,
       .sources = {Prefix("192.168.7.0/24")},
       .source_ports = {1000, 2000}},
      8);
  add({.sources = {Prefix("203.0.113.1/32")}}, 9);
  const struct {
    std::string name;
    const char *local, *remote, *direct;
    uint32_t want;
    uint16_t local_port = 80, remote_port = 7;
  } kRows[] = {
      {"the destination's port first", "10.0.0.1", "192.168.7.1", "172.16.0.1", 1, 443},
      {"then its address", "10.2.0.1", "192.168.7.1", "172.16.0.1", 2},
      {"by the longest prefix", "10.1.0.1", "192.168.7.1", "172.16.0.1", 3},
      {"of IPv6 too", "2001:db8::1", "2001:db8::1", "2001:db8::1", 3},
      {"then who has sent it", "9.0.0.1", "192.168.7.1", "172.16.0.1", 4},
      {"the same address at both ends", "9.0.0.1", "9.0.0.1", "1.1.1.1", 5},
      {"loopback", "9.0.0.1", "127.1.2.3", "1.1.1.1", 5},
      {"loopback of IPv6", "fd00::1", "::1", "::1", 5},
      {"then the source's address", "9.0.0.1", "192.168.6.1", "1.1.1.1", 6},
      {"by the longest prefix", "9.0.0.1", "192.168.7.1", "1.1.1.1", 7},
      {"then its port", "9.0.0.1", "192.168.7.1", "1.1.1.1", 8, 80, 2000},
      {"external before any: nothing else is tried", "9.0.0.1", "203.0.113.1", "1.1.1.1", kNoIndex},
  };
  for (const auto& row : kRows) {
    const Heard heard{.local = {Ip(row.local), row.local_port},
                      .remote = {Ip(row.remote), row.remote_port},
                      .direct_remote = Ip(row.direct)};
    EXPECT_EQ(ChooseChain(l, 0, heard).listener, row.want) << row.name;
  }
  EXPECT_FALSE(l.sniffs());
}

// Goal: a step that has chosen is not taken back: Envoy's trees have one way down.
TEST(ChooseChain, NeverGoesBack) {
  Listener l;
  l.chains = {{{.destinations = {Prefix("10.0.0.0/8")}, .sources = {Prefix("1.1.1.1/32")}}, 1},
              {{.server_names = {"a"}, .transport = Transport::kTls}, 2},
              {{.fallback = true}, 3}};
  const auto choose = [&l](const char* local, const char* remote, std::string_view sni) {
    const Transport transport = sni.empty() ? Transport::kPlain : Transport::kTls;
    return ChooseChain(l, 0,
                       {.transport = transport,
                        .sni = sni,
                        .local = {Ip(local), 1},
                        .remote = {Ip(remote), 1}})
        .listener;
  };
  EXPECT_EQ(choose("10.0.0.1", "1.1.1.1", "a"), 1u);
  EXPECT_EQ(choose("10.0.0.1", "1.1.1.2", "a"), 3u);
  EXPECT_EQ(choose("11.0.0.1", "1.1.1.2", "a"), 2u);
  EXPECT_EQ(choose("11.0.0.1", "1.1.1.2", ""), 3u);
  EXPECT_TRUE(l.sniffs());
}

// As Envoy, the first protocol that the client prefers, not the first chain.
TEST(ChooseChain, TheClientsPreferenceDecides) {
  Listener l;
  l.chains = {{{.transport = Transport::kTls, .protocols = {"http/1.1"}}, 1},
              {{.transport = Transport::kTls, .protocols = {"h2"}}, 2}};
  const std::vector<std::string> offered = {"h2", "http/1.1"};
  EXPECT_EQ(ChooseChain(l, 0, {Transport::kTls, "", offered}).listener, 2u);
}

}  // namespace
}  // namespace meltemi::config
