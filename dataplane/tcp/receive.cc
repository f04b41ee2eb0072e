// From a burst of packets to connections, in stages, each of which fetches what the next one reads:
//
//   1  all: parse, check, hash                   fetches the buckets of the flow table
//   2  16 at a time: the bucket says which       fetches the connections
//   3  these 16: what is in flight, IPv6         fetches what was sent, the addresses
//   4  these 16: find, process in order
//
// Stages 2 and 3 only guess (the tuple is compared in the fourth, and a connection may be gone by
// then): nothing depends on them but time.
#include <algorithm>
#include <array>

#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {
namespace {

// Enough to overlap all the misses that a core can have on their way, few enough that all stays in
// L1 until it is used. Of fewer than kStagedMin, fetching ahead gains less than it costs.
constexpr size_t kGroup = 16;
constexpr size_t kStagedMin = 4;

void PrefetchLines(const Conn* c) {
  const auto* line = reinterpret_cast<const char*>(c);
  for (int i = 0; i < kConnLines; ++i) __builtin_prefetch(line + 64 * i, 1);
}

}  // namespace

bool Tcp::Impl::Parse(const SegmentIn& in, Segment* segment) {
  counters_.segments_in += in.parts;
  switch (ParseSegment(in.packet, in.source, in.destination, segment)) {
    case ParseResult::kBadHeader:
      ++counters_.drop_header;
      pool_->Free(in.packet);
      return false;
    case ParseResult::kBadOptions:
      ++counters_.options_malformed;
      break;
    case ParseResult::kOk:
      break;
  }
  segment->ecn = in.ecn;
  segment->part_bytes = in.part_bytes;
  if (!in.checksum_trusted && !ChecksumOk(in.packet, in.source.ip, in.destination.ip)) {
    ++counters_.drop_checksum;
    pool_->Free(in.packet);
    return false;
  }
  return true;
}

void Tcp::Impl::Receive(std::span<const SegmentIn> in, Instant now,
                        std::vector<SegmentIn>* unmatched) {
  staged_.clear();
  reused_.clear();
  for (uint32_t i = 0; i < in.size(); ++i) {
    Staged staged{.index = i};
    if (!Parse(in[i], &staged.segment)) continue;
    staged.hash = flows_.Hash(staged.segment.tuple);
    flows_.Prefetch(staged.hash);
    staged_.push_back(staged);
  }
  for (size_t i = 0; i < staged_.size(); ++i) {
    if (i % kGroup == 0 && staged_.size() - i >= kStagedMin) {
      FetchAhead(std::span(staged_).subspan(i, std::min(kGroup, staged_.size() - i)));
    }
    Staged& staged = staged_[i];
    Segment& s = staged.segment;
    const FlowTable::Entry entry = Lookup(s.tuple, staged.hash);
    if (entry.value == nullptr) {
      ++counters_.unmatched;
      unmatched->push_back(in[staged.index]);
    } else if (entry.kind == FlowTable::Kind::kTimeWait) {
      OnTimeWaitSegment(static_cast<TimeWait*>(entry.value), in[staged.index], s, now, unmatched);
    } else {
      Input(*static_cast<Conn*>(entry.value), s, now);
    }
  }
}

void Tcp::Impl::FetchAhead(std::span<const Staged> group) {
  std::array<const Conn*, kGroup> conns;
  size_t count = 0;
  for (const Staged& staged : group) {
    const FlowTable::Entry entry = flows_.Peek(staged.hash);
    if (entry.value == nullptr || entry.kind != FlowTable::Kind::kConn) continue;
    conns[count] = static_cast<const Conn*>(entry.value);
    PrefetchLines(conns[count++]);
  }
  for (size_t i = 0; i < count; ++i) {
    if (conns[i]->apart) __builtin_prefetch(conns[i]->name.pair());
    const LossState* loss = conns[i]->loss;
    if (loss == nullptr) continue;
    __builtin_prefetch(loss, 1);
    __builtin_prefetch(&loss->hystart, 1);
    __builtin_prefetch(&loss->ranges, 1);
    __builtin_prefetch(conns[i]->queue.last(), 1);
  }
}

// RFC 9293 3.10.7.4 for TIME-WAIT, with RFC 6191 (a newer SYN ends it) and RFC 1337 (RST does not).
void Tcp::Impl::OnTimeWaitSegment(TimeWait* entry, const SegmentIn& in, Segment& s, Instant now,
                                  std::vector<SegmentIn>* unmatched) {
  ++counters_.time_wait_segments;
  if (s.has(kSyn) && !s.has(kAck) && !s.has(kRst)) {
    std::optional<uint32_t> stamp;
    if (s.options.timestamps) stamp = s.options.timestamps->value;
    if (MayReuse(*entry, s.seq, stamp)) {
      ++counters_.time_wait_reused;
      reused_.push_back({entry->tuple, entry->snd_nxt + kReusedIssGap});
      flows_.Erase(entry->hash, entry);
      time_wait_.Remove(entry);
      unmatched->push_back(in);
      return;
    }
  }
  if (entry->refused) {
    RejectSegment(s);
    return DropPacket(s);
  }
  // An ACK in order asks for nothing: two ends in TIME-WAIT would talk for ever.
  const bool plain = s.length() == 0 && s.seq == entry->rcv_nxt;
  const bool answer = !s.has(kRst) && !plain && (s.length() > 0 || now >= entry->ack_allowed_at);
  if (answer) {
    entry->ack_allowed_at = now + kChallengeInterval;
    // Its FIN again, or text before it: our ACK was lost, its wait for one begins anew.
    if (s.length() > 0 && SeqLessEq(s.end(), entry->rcv_nxt)) {
      time_wait_.Restart(entry, std::max(entry->deadline, now + options_.time_wait));
    }
    Options options;
    if (entry->timestamps) {
      options.timestamps =
          Timestamps{TimestampClock(now) + entry->timestamp_offset, entry->ts_recent};
    }
    Reply(entry->tuple, entry->snd_nxt, entry->rcv_nxt, kAck, entry->window, options);
  }
  DropPacket(s);
}

// A packet that belongs to no connection's queues.
void Tcp::Impl::Reply(const FourTuple& tuple, uint32_t seq, uint32_t ack, uint8_t flags,
                      uint16_t window, const Options& options) {
  packet::Packet* p = replies_.size() < limits::kTcpReplyQueueMax ? pool_->Alloc() : nullptr;
  if (p == nullptr) {
    ++counters_.drop_no_memory;
    return;
  }
  uint8_t* header = packet::Append(p, kHeaderBytes + kOptionBytesMax);
  const int option_bytes = EmitOptions(options, header + kHeaderBytes);
  packet::TrimTo(p, kHeaderBytes + option_bytes);
  WriteHeader({.tuple = tuple, .seq = seq, .ack = ack, .window = window, .flags = flags},
              option_bytes, kHeaderBytes + option_bytes, header);
  p->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
  p->l4_len = kHeaderBytes + option_bytes;
  replies_.push_back({.packet = p, .source = tuple.local.ip, .destination = tuple.remote.ip});
}

// RFC 9293 3.10.7.1: no connection.
void Tcp::Impl::RejectSegment(const Segment& s) {
  if (s.has(kRst)) {
    ++counters_.drop_closed;
    return;
  }
  ++counters_.resets_out;
  if (s.has(kAck)) {
    Reply(s.tuple, s.ack, 0, kRst, 0, Options{});
  } else {
    Reply(s.tuple, 0, s.end(), kRst | kAck, 0, Options{});
  }
}

void Tcp::Impl::DropPacket(Segment& s) {
  if (s.packet != nullptr) pool_->Free(s.packet);
  s.packet = nullptr;
}

}  // namespace meltemi::tcp
