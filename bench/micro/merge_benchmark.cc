// Software GSO and GRO: what cutting a super-frame costs a part, copied (as ip/segmenter.h does) or
// borrowed; what merging costs a packet, where packets follow each other and where they do not.
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "dataplane/ip/merge.h"
#include "dataplane/ip/segmenter.h"
#include "dataplane/packet/heap_pool.h"
#include "dataplane/wire/builders.h"
#include "l7/base/check.h"

namespace meltemi {
namespace {

constexpr uint32_t kText = 1448;
constexpr uint16_t kHeaderBytes = 14 + 20 + 20;

// A super-frame of 40 parts as TCP or a pod makes it.
packet::Packet* SuperFrame(packet::PacketPool* pool) {
  const std::string bytes = wire::Ethernet(
      {},
      wire::Ip({.source = *IpAddr::Parse("10.0.0.1"), .destination = *IpAddr::Parse("10.0.0.2")},
               wire::Tcp({.payload = std::string(40 * kText, 'x')})));
  packet::Packet* p = wire::ToPacket(pool, bytes);
  p->l2_len = 14;
  p->l3_len = 20;
  p->l4_len = 20;
  p->tso_segsz = kText;
  p->ol_flags |= RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4;
  return p;
}

void CutCopied(benchmark::State& state) {
  packet::HeapPacketPool pool;
  packet::Packet* frame = SuperFrame(&pool);
  for (auto _ : state) {
    ip::Segmenter segmenter(frame, &pool);
    for (uint32_t i = 0; i < segmenter.count(); ++i) pool.Free(segmenter.Next());
  }
  state.SetItemsProcessed(state.iterations() * 40);
  pool.Free(frame);
}
BENCHMARK(CutCopied);

// The same without the headers' changes: a packet of headers, and another that borrows the text.
void CutBorrowed(benchmark::State& state) {
  packet::HeapPacketPool pool;
  Chain text;
  packet::Packet* frame = SuperFrame(&pool);
  const std::string headers = wire::ToString(frame).substr(0, kHeaderBytes);
  pool.TakePayload(frame, kHeaderBytes, 40 * kText, &text);
  for (auto _ : state) {
    for (uint32_t i = 0; i < 40; ++i) {
      packet::Packet* part = pool.Alloc();
      std::memcpy(packet::Append(part, kHeaderBytes), headers.data(), kHeaderBytes);
      CHECK(pool.AppendBytes(part, text, size_t{i} * kText, kText, 0));
      benchmark::DoNotOptimize(part);
      pool.Free(part);
    }
  }
  state.SetItemsProcessed(state.iterations() * 40);
}
BENCHMARK(CutBorrowed);

// A burst of 32 packets of `text` bytes: of one connection and in order, or of 32 connections.
void MergeBurst(benchmark::State& state, bool one, uint32_t text, bool trusted) {
  packet::HeapPacketPool pool;
  std::vector<ip::Segment> burst;
  for (uint32_t i = 0; i < 32; ++i) {
    const auto port = static_cast<uint16_t>(one ? 1000 : 1000 + i);
    const std::string bytes = wire::Ip(
        {.source = *IpAddr::Parse("10.0.0.1"), .destination = *IpAddr::Parse("10.0.0.2")},
        wire::Tcp({.source_port = port, .sequence = i * text, .payload = std::string(text, 'x')}));
    packet::Packet* p = wire::ToPacket(&pool, bytes);
    packet::TrimFront(p, 20);
    burst.push_back({.packet = p,
                     .source = {*IpAddr::Parse("10.0.0.1"), port},
                     .destination = {*IpAddr::Parse("10.0.0.2"), 80},
                     .ip_header_bytes = 20,
                     .checksum_trusted = trusted});
  }
  std::vector<ip::Segment> segments;
  for (auto _ : state) {
    segments = burst;
    benchmark::DoNotOptimize(ip::Merge(&segments));
    if (segments.size() < 32) {
      std::vector<ip::Segment> apart;
      for (const ip::Segment& s : segments) ip::Unmerge(s, &apart);
    }
  }
  state.SetItemsProcessed(state.iterations() * 32);
  for (const ip::Segment& s : burst) pool.Free(s.packet);
}
BENCHMARK_CAPTURE(MergeBurst, one_connection, true, kText, true);
BENCHMARK_CAPTURE(MergeBurst, one_connection_with_checksum, true, kText, false);
BENCHMARK_CAPTURE(MergeBurst, many_connections, false, kText, false);
BENCHMARK_CAPTURE(MergeBurst, small_packets, false, 100, false);

}  // namespace
}  // namespace meltemi
