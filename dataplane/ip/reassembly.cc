#include "dataplane/ip/reassembly.h"

#include <algorithm>

#include "l7/base/check.h"

namespace meltemi::ip {
namespace {

// Where a fragment at `offset` stands among those held. From the back: most come in order.
int PlaceOf(const Datagram& datagram, uint16_t offset) {
  int at = datagram.count;
  while (at > 0 && datagram.fragments[at - 1].offset >= offset) --at;
  return at;
}

}  // namespace

Reassembly::Reassembly(TimerWheel* timers) : timers_(timers) {
  index_.reserve(limits::kReassemblyDatagramsMax);
  sources_.reserve(limits::kReassemblyDatagramsMax);
}

Reassembly::~Reassembly() { CHECK(slots_.size() == 0); }

Datagram* Reassembly::Find(const DatagramKey& key) {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : slots_.Find(found->second);
}

Datagram* Reassembly::FromTimer(const Timer& timer) {
  return slots_.Find(DatagramId::FromBits(timer.subject));
}

Datagram* Reassembly::Create(const DatagramKey& key, PortId port) {
  const DatagramId id = slots_.Emplace(key, port);
  CHECK(id.valid());
  Datagram* datagram = slots_.Find(id);
  datagram->timer.subject = id.bits();
  index_.emplace(key, id);
  datagram->older = newest_;
  (newest_ == nullptr ? oldest_ : newest_->newer) = datagram;
  newest_ = datagram;
  Charge(datagram, kDatagramCharge);
  return datagram;
}

void Reassembly::Erase(Datagram* datagram) {
  CHECK(datagram->count == 0);
  timers_->Cancel(&datagram->timer);
  Charge(datagram, -int64_t{kDatagramCharge});
  CHECK(datagram->charged_bytes == 0);
  (datagram->older == nullptr ? oldest_ : datagram->older->newer) = datagram->newer;
  (datagram->newer == nullptr ? newest_ : datagram->newer->older) = datagram->older;
  index_.erase(datagram->key);
  slots_.Erase(DatagramId::FromBits(datagram->timer.subject));
}

Reassembly::Fits Reassembly::Judge(const Datagram& d, const HeldFragment& f, bool more) {
  // It contradicts the end, or is the end and something lies behind it.
  const bool ended = d.total_bytes != 0;
  if (ended && (more ? f.end() >= d.total_bytes : f.end() != d.total_bytes)) return Fits::kOverlap;
  if (!more && d.count > 0 && d.fragments[d.count - 1].end() > f.end()) return Fits::kOverlap;
  const int at = PlaceOf(d, f.offset);
  const HeldFragment* before = at > 0 ? &d.fragments[at - 1] : nullptr;
  const HeldFragment* behind = at < d.count ? &d.fragments[at] : nullptr;
  // RFC 8200 4.5 lets an exact duplicate pass: networks make them.
  if (behind != nullptr && behind->offset == f.offset && behind->bytes == f.bytes) {
    return Fits::kDuplicate;
  }
  if (before != nullptr && before->end() > f.offset) return Fits::kOverlap;
  if (behind != nullptr && f.end() > behind->offset) return Fits::kOverlap;
  return d.count < limits::kReassemblyFragmentsMax ? Fits::kYes : Fits::kTooMany;
}

void Reassembly::Add(Datagram* d, const HeldFragment& f, bool more) {
  CHECK(!d->refused && d->count < limits::kReassemblyFragmentsMax);
  const int at = PlaceOf(*d, f.offset);
  std::move_backward(d->fragments.begin() + at, d->fragments.begin() + d->count,
                     d->fragments.begin() + d->count + 1);
  d->fragments[at] = f;
  ++d->count;
  ++fragment_count_;
  d->payload_bytes += f.bytes;
  if (!more) d->total_bytes = f.end();
  Charge(d, RoomBytes(f.packet));
}

void Reassembly::Release(Datagram* d) {
  fragment_count_ -= d->count;
  d->count = 0;
  d->payload_bytes = 0;
  Charge(d, int64_t{kDatagramCharge} - d->charged_bytes);
}

uint32_t Reassembly::RoomBytes(const packet::Packet* packet) {
  uint32_t bytes = 0;
  for (; packet != nullptr; packet = packet->next) bytes += packet->buf_len;
  return bytes;
}

void Reassembly::Charge(Datagram* d, int64_t bytes) {
  d->charged_bytes = static_cast<uint32_t>(d->charged_bytes + bytes);
  charged_bytes_ = static_cast<uint32_t>(charged_bytes_ + bytes);
  const auto source = sources_.try_emplace(d->key.source, 0).first;
  source->second = static_cast<uint32_t>(source->second + bytes);
  if (source->second == 0) sources_.erase(source);
}

uint32_t Reassembly::charged_to(const IpAddr& source) const {
  const auto found = sources_.find(source);
  return found == sources_.end() ? 0 : found->second;
}

Datagram* Reassembly::Oldest(const Datagram* except) {
  return oldest_ != except || oldest_ == nullptr ? oldest_ : oldest_->newer;
}

// Linear over at most kReassemblyDatagramsMax, and only for a source at its bound.
Datagram* Reassembly::OldestOf(const IpAddr& source, const Datagram* except) {
  Datagram* d = oldest_;
  while (d != nullptr && (d == except || d->key.source != source)) d = d->newer;
  return d;
}

std::vector<Datagram*> Reassembly::OfPort(PortId port) {
  std::vector<Datagram*> found;
  for (Datagram* d = oldest_; d != nullptr; d = d->newer) {
    if (d->port == port) found.push_back(d);
  }
  return found;
}

}  // namespace meltemi::ip
