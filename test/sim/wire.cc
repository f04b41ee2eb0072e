#include "test/sim/wire.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace meltemi::sim {
namespace {

using worker::Frame;
using worker::FramePtr;

constexpr size_t kMacBytes = 6;
constexpr size_t kLinkBytes = 14;

bool LaterThan(Instant a, uint64_t a_order, Instant b, uint64_t b_order) {
  return a != b ? a > b : a_order > b_order;
}

bool IsArp(const std::string& frame) { return frame.compare(12, 2, "\x08\x06") == 0; }

// Solicitation or advertisement, RFC 4861 4.3 and 4.4.
bool IsNd(const std::string& frame) {
  if (frame.size() < 55 || frame.compare(12, 2, "\x86\xdd") != 0 || frame[20] != 58) return false;
  const auto type = static_cast<uint8_t>(frame[54]);
  return type == 135 || type == 136;
}

uint64_t Word(const char* p, size_t n) {
  uint64_t word = 0;
  std::memcpy(&word, p, n);
  return word;
}

}  // namespace

int Wire::AddLink(const LinkOptions& options) {
  links_.push_back({options, {}});
  return static_cast<int>(links_.size()) - 1;
}

void Wire::Plug(int link, worker::MemoryPort* port, const nic::MacAddr& mac) {
  links_[link].stations.push_back(static_cast<int>(stations_.size()));
  stations_.push_back({port, mac, link, Instant(), Instant()});
}

void Wire::TraceBytes(const std::string& bytes) {
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) Trace(Word(bytes.data() + at, 8));
  Trace(Word(bytes.data() + at, bytes.size() - at) + bytes.size());
}

void Wire::Collect(Instant now) {
  for (int from = 0; from < static_cast<int>(stations_.size()); ++from) {
    std::deque<FramePtr>& sent = stations_[from].port->sent();
    while (!sent.empty() && stations_[from].free_at <= now) {
      FramePtr frame = std::move(sent.front());
      sent.pop_front();
      Send(from, std::move(frame), now);
    }
  }
}

void Wire::Send(int from, FramePtr frame, Instant now) {
  Station& station = stations_[from];
  Link& link = links_[station.link];
  const LinkOptions& options = link.options;
  ++counters_.frames;
  counters_.bytes += frame->bytes.size();
  Trace(static_cast<uint64_t>(now.nanos()));
  Trace(static_cast<uint64_t>(from));
  TraceBytes(frame->bytes);
  const auto nanos = static_cast<int64_t>(frame->bytes.size()) * 1'000'000'000;
  station.free_at = std::max(now, station.free_at) +
                    Duration::Nanos(nanos / std::max<int64_t>(1, options.bytes_per_second));
  if (Loses(&link, frame->bytes)) {
    ++counters_.lost;
    Trace(1);
    return;
  }
  // ARP has no checksum of its own: what damages it, Ethernet's would have found.
  const bool plain = !IsArp(frame->bytes) && frame->header.flags == 0 &&
                     frame->header.gso_type == nic::kVnetGsoNone;
  if (plain && frame->bytes.size() > kLinkBytes && prng_.Chance(options.corrupt_per_mille, 1000)) {
    const size_t at = kLinkBytes + prng_.Below(frame->bytes.size() - kLinkBytes);
    frame->bytes[at] = static_cast<char>(frame->bytes[at] ^ (1 + prng_.Below(255)));
    ++counters_.corrupted;
    Trace(2);
  }
  Instant at = station.free_at + options.delay +
               Duration::Nanos(static_cast<int64_t>(
                   prng_.Below(static_cast<uint64_t>(options.jitter.nanos()) + 1)));
  if (prng_.Chance(options.reorder_per_mille, 1000)) {
    ++counters_.reordered;
    at = at + options.reorder_delay;
  } else {
    at = std::max(at, station.arrives_at);
    station.arrives_at = at;
  }
  if (prng_.Chance(options.duplicate_per_mille, 1000)) {
    ++counters_.duplicated;
    Fly(at + options.delay, from, std::make_unique<Frame>(*frame));
  }
  Fly(at, from, std::move(frame));
}

bool Wire::Loses(Link* link, const std::string& bytes) {
  const bool neighbour = IsArp(bytes) || IsNd(bytes);
  if (neighbour) ++link->neighbour_frames;
  if (!prng_.Chance(link->options.loss_per_mille, 1000)) return false;
  if (!neighbour) return true;
  if (link->neighbour_frames < kNeighbourGap) return false;
  link->neighbour_frames = 0;
  return true;
}

void Wire::Fly(Instant at, int from, FramePtr frame) {
  flying_.push_back({at, order_++, from, std::move(frame)});
  std::push_heap(flying_.begin(), flying_.end(), [](const Flying& a, const Flying& b) {
    return LaterThan(a.at, a.order, b.at, b.order);
  });
}

void Wire::Deliver(Instant now) {
  while (!flying_.empty() && flying_.front().at <= now) {
    std::pop_heap(flying_.begin(), flying_.end(), [](const Flying& a, const Flying& b) {
      return LaterThan(a.at, a.order, b.at, b.order);
    });
    const Flying next = std::move(flying_.back());
    flying_.pop_back();
    Arrive(next);
  }
}

void Wire::Arrive(const Flying& flying) {
  const std::string& bytes = flying.frame->bytes;
  CHECK(bytes.size() >= kLinkBytes);
  const bool group = (static_cast<uint8_t>(bytes[0]) & 1) != 0;
  bool taken = false;
  for (const int to : links_[stations_[flying.from].link].stations) {
    const Station& station = stations_[to];
    if (to == flying.from) continue;
    if (!group && std::memcmp(bytes.data(), station.mac.data(), kMacBytes) != 0) continue;
    taken = true;
    const int queue = QueueOf(bytes, station.port->caps().rx_queues);
    const bool room = station.port->Put(queue, std::make_unique<Frame>(*flying.frame));
    ++(room ? counters_.delivered : counters_.ring_full);
    if (!room) Trace(3);
  }
  if (!taken) ++counters_.no_station;
}

Instant Wire::NextAt() const {
  Instant next = flying_.empty() ? Instant::Never() : flying_.front().at;
  for (const Station& station : stations_) {
    if (!station.port->sent().empty()) next = std::min(next, station.free_at);
  }
  return next;
}

int QueueOf(const std::string& frame, int queues) {
  if (queues == 1) return 0;
  const auto* p = reinterpret_cast<const uint8_t*>(frame.data());
  const size_t n = frame.size();
  // The same for both directions: sums do not know an order.
  uint32_t sum = 0;
  size_t ports = 0;
  if (n >= 38 && p[12] == 0x08 && p[13] == 0x00) {
    for (size_t i = 26; i < 34; ++i) sum += p[i];
    ports = kLinkBytes + (p[14] & 15) * 4u;
  } else if (n >= 58 && p[12] == 0x86 && p[13] == 0xdd) {
    for (size_t i = 22; i < 54; ++i) sum += p[i];
    ports = kLinkBytes + 40;
  } else {
    return 0;
  }
  for (size_t i = ports; i < ports + 4 && i < n; ++i) sum += p[i];
  return static_cast<int>(sum % static_cast<uint32_t>(queues));
}

}  // namespace meltemi::sim
