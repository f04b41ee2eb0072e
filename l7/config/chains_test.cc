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

}  // namespace
}  // namespace meltemi::config
