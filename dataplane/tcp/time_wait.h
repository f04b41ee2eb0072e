// TimeWaitTable: what remains of a connection after both FINs, RFC 9293 3.6 and 3.10.7.4: enough to
// acknowledge the peer's FIN again and to keep the tuple, 80 bytes instead of a connection.
//
// Entries leave in the order they came in (one common 2 MSL; a restart moves to the back), so one
// timer serves all. While SYN cookies are out, entries may stay for as long as those live: what
// comes behind such a one waits for it. Bound: `capacity`; the oldest gives way. The flow table is
// kept by the owner.
#ifndef MELTEMI_DATAPLANE_TCP_TIME_WAIT_H_
#define MELTEMI_DATAPLANE_TCP_TIME_WAIT_H_

#include <cstdint>
#include <optional>

#include "dataplane/tcp/object_pool.h"
#include "dataplane/tcp/seq.h"
#include "l7/base/ip_addr.h"
#include "l7/base/time.h"

namespace meltemi::tcp {

struct TimeWait {
  TimeWait* prev = nullptr;
  TimeWait* next = nullptr;
  Instant deadline;
  Instant ack_allowed_at;  // rate limit of answers to segments that carry no text
  FourTuple tuple;
  uint32_t hash = 0;
  uint32_t snd_nxt = 0;
  uint32_t rcv_nxt = 0;
  uint32_t ts_recent = 0;
  uint32_t timestamp_offset = 0;
  uint16_t window = 0;
  bool timestamps = false;
  bool refused = false;  // what comes is answered with RST: it began with a cookie (accept.cc)
};

// RFC 6191 2: may a SYN at `seq`, with or without a timestamp, begin the next incarnation? What its
// timestamp says of its age goes before what its number says.
inline bool MayReuse(const TimeWait& old, uint32_t seq, std::optional<uint32_t> timestamp) {
  const bool higher = SeqLess(old.rcv_nxt, seq);
  if (!old.timestamps) return timestamp.has_value() || higher;
  if (!timestamp || *timestamp == old.ts_recent) return higher;
  return SeqLess(old.ts_recent, *timestamp);
}

class TimeWaitTable {
 public:
  explicit TimeWaitTable(uint32_t capacity) : capacity_(capacity), pool_(capacity) {}
  ~TimeWaitTable() {
    while (TimeWait* entry = oldest()) Remove(entry);
  }

  bool full() const { return size_ >= capacity_; }
  TimeWait* oldest() { return ends_.next == &ends_ ? nullptr : ends_.next; }

  // Not when full. The caller fills in the rest.
  TimeWait* Add(Instant deadline) {
    CHECK(!full());
    TimeWait* entry = pool_.Take();
    CHECK(entry != nullptr);
    *entry = TimeWait{};
    entry->deadline = deadline;
    LinkLast(entry);
    ++size_;
    return entry;
  }
  void Restart(TimeWait* entry, Instant deadline) {
    Unlink(entry);
    entry->deadline = deadline;
    LinkLast(entry);
  }
  void Remove(TimeWait* entry) {
    Unlink(entry);
    pool_.Give(entry);
    --size_;
  }
  uint32_t size() const { return size_; }

 private:
  void LinkLast(TimeWait* entry) {
    entry->prev = ends_.prev;
    entry->next = &ends_;
    ends_.prev->next = entry;
    ends_.prev = entry;
  }
  static void Unlink(TimeWait* entry) {
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
  }

  const uint32_t capacity_;
  uint32_t size_ = 0;
  ObjectPool<TimeWait> pool_;
  TimeWait ends_{.prev = &ends_, .next = &ends_};
};

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_TIME_WAIT_H_
