// What the parts of HTTP cost: parsing a head, the header block, writing a head, finding a route
// among few and many, picking an endpoint. One thread, everything in the cache: lower bounds.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "dataplane/packet/heap_pool.h"
#include "l7/base/check.h"
#include "l7/base/text.h"
#include "l7/cluster/cluster.h"
#include "l7/http/message.h"
#include "l7/http1/decoder.h"
#include "l7/http1/head_parser.h"
#include "l7/http1/serializer.h"
#include "l7/route/match.h"

namespace meltemi {
namespace {

constexpr std::string_view kMeshRequest =
    "GET /reviews/0 HTTP/1.1\r\nhost: reviews.default.svc.cluster.local:9080\r\n"
    "user-agent: python-requests/2.28.1\r\nx-request-id: 3f1c9a52-6e07-9d0a-8f0c-1c1b2a3d4e5f\r\n"
    "accept: application/json, text/plain, */*\r\nx-forwarded-proto: http\r\n\r\n";

void ParseRequest(benchmark::State& state) {
  packet::HeapPacketPool pool;
  std::string head(kMeshRequest);
  for (auto _ : state) {
    http::RequestHead out(&pool);
    const auto verdict =
        http1::ParseRequestHead(head.data(), head.data() + head.size(), http1::HeadLimits{}, &out);
    CHECK(verdict == http::Reject::kNone);
  }
}
BENCHMARK(ParseRequest);

// Find the end, parse, validate: all that a request goes through before it is routed.
void DecodeRequest(benchmark::State& state) {
  packet::HeapPacketPool pool;
  Chain source;
  CHECK(AppendCopy(&pool, kMeshRequest, &source));
  for (auto _ : state) {
    Chain in = source.Share(0, source.size());
    http1::RequestDecoder decoder(&pool, http1::HeadLimits{});
    CHECK(decoder.Next(&in) == http1::Event::kHead);
    CHECK(decoder.Next(&in) == http1::Event::kEnd);
  }
}
BENCHMARK(DecodeRequest);

http::HeaderBlock SixHeaders(BufferPool* pool) {
  http::HeaderBlock block(pool);
  block.Add("user-agent", "python-requests/2.28.1");
  block.Add("x-request-id", "3f1c9a52-6e07-9d0a-8f0c-1c1b2a3d4e5f");
  block.Add("accept", "application/json, text/plain, */*");
  block.Add("x-forwarded-proto", "http");
  block.Add("x-tenant", "blue");
  block.Add("x-b3-traceid", "80f198ee56343ba864fe8b2a57d3eff7");
  return block;
}

void HeaderBlockAddSix(benchmark::State& state) {
  packet::HeapPacketPool pool;
  for (auto _ : state) benchmark::DoNotOptimize(SixHeaders(&pool).size());
}
BENCHMARK(HeaderBlockAddSix);

void HeaderBlockGet(benchmark::State& state) {
  packet::HeapPacketPool pool;
  const http::HeaderBlock block = SixHeaders(&pool);
  for (auto _ : state) benchmark::DoNotOptimize(block.Get("x-tenant"));
}
BENCHMARK(HeaderBlockGet);

void WriteRequest(benchmark::State& state) {
  packet::HeapPacketPool pool;
  const http::HeaderBlock block = SixHeaders(&pool);
  for (auto _ : state) {
    Chain out;
    CHECK(http1::WriteRequestHead("GET", "/reviews/0", "reviews:9080", block, {}, &pool, &out));
  }
}
BENCHMARK(WriteRequest);

// The last of so many routes of one virtual host, by path prefix.
void RouteLast(benchmark::State& state) {
  config::VirtualHost host;
  for (int64_t i = 0; i < state.range(0); ++i) {
    config::Route route;
    route.match.path_value = Cat("/service-", i, "/");
    host.routes.push_back(std::move(route));
  }
  host.index.Build(host.routes);
  const std::string path = Cat("/service-", state.range(0) - 1, "/reviews/0");
  const auto no_header = [](std::string_view) -> std::optional<std::string_view> { return {}; };
  const route::RequestView request{
      .method = "GET", .scheme = "http", .authority = "shop", .path = path, .header = no_header};
  Prng prng(1);
  for (auto _ : state) {
    const config::Route* found = route::FindRoute(host, request, prng);
    CHECK(found == &host.routes.back());
  }
}
BENCHMARK(RouteLast)->Arg(10)->Arg(100)->Arg(1000)->Arg(10'000);

// One of so many virtual hosts, as of a mesh with so many services.
void RouteHost(benchmark::State& state) {
  config::RouteTable table;
  for (int64_t i = 0; i < state.range(0); ++i) {
    table.exact[Cat("service-", i, ".default.svc.cluster.local:9080")] = static_cast<uint32_t>(i);
    table.hosts.emplace_back();
  }
  const std::string authority =
      Cat("service-", state.range(0) / 2, ".default.svc.cluster.local:9080");
  for (auto _ : state) CHECK(route::FindHost(table, authority) != nullptr);
}
BENCHMARK(RouteHost)->Arg(10)->Arg(100)->Arg(1000)->Arg(10'000);

void Pick(benchmark::State& state, config::LbPolicy policy, bool weighted) {
  config::Cluster config{.name = "c", .lb = policy};
  for (uint32_t i = 0; i < static_cast<uint32_t>(state.range(0)); ++i) {
    const std::array<uint8_t, 4> address{10, 0, static_cast<uint8_t>(i >> 8),
                                         static_cast<uint8_t>(i)};
    config.endpoints.push_back({.address = {IpAddr::V4(address.data()), 80},
                                .weight = weighted ? 1 + i % 3 : 1,
                                .stable_id = i});
  }
  cluster::Cluster cluster;
  Prng prng(1);
  std::vector<ConnId> closing;
  cluster.Update(config, prng, Instant(), &closing);
  for (auto _ : state) benchmark::DoNotOptimize(cluster.Pick({}, prng));
}
BENCHMARK_CAPTURE(Pick, round_robin, config::LbPolicy::kRoundRobin, false)->Arg(10)->Arg(1000);
BENCHMARK_CAPTURE(Pick, weighted, config::LbPolicy::kRoundRobin, true)->Arg(10)->Arg(1000);
BENCHMARK_CAPTURE(Pick, least_request, config::LbPolicy::kLeastRequest, false)->Arg(10)->Arg(1000);
BENCHMARK_CAPTURE(Pick, random, config::LbPolicy::kRandom, false)->Arg(10)->Arg(1000);

}  // namespace
}  // namespace meltemi
