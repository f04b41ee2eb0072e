// Goal: what connections do when the worker's packets run short (rooms.cc), segment by segment.
// Method: a crowd with a pool of 16,000 small rooms: reserve 1,000, floors 12,000; the test takes
// rooms out of it itself.
#include <string>
#include <vector>

#include "dataplane/tcp/room_budget.h"
#include "dataplane/tcp/testing/crowd.h"
#include "gtest/gtest.h"

namespace meltemi::tcp::testing {
namespace {

constexpr uint32_t kSmall = 16'000, kReserve = 1'000, kFloors = 12'000;

class Rooms : public ::testing::Test {
 protected:
  Rooms() : crowd({.conn_count_max = 64}, {kSmall, 1'600, 64'000}) { syn_.mss = 1460; }
  ~Rooms() override { Leave(kSmall); }

  // So many small rooms are free from now on.
  void Leave(uint32_t free) {
    packet::HeapPacketPool& pool = crowd.pool();
    while (pool.free_count(packet::kSmall) > free) taken_.push_back(pool.Alloc());
    while (pool.free_count(packet::kSmall) < free && !taken_.empty()) {
      pool.Free(taken_.back());
      taken_.pop_back();
    }
  }
  // The floors of others, and nothing more.
  void LeaveFloors() { Leave(kReserve + kFloors); }
  Link Open(uint32_t n) {
    const auto link = crowd.Open(Crowd::Peer(n), 1000 * n, syn_);
    CHECK(link.has_value());
    crowd.Take();
    return *link;
  }
  Say Text(const Link& link, uint32_t offset, uint32_t bytes) {
    return {.flags = kAck, .seq = link.seq + offset, .ack = link.ack, .text_bytes = bytes};
  }
  Heard Last() {
    const std::vector<Heard> heard = crowd.Take();
    CHECK(!heard.empty());
    return heard.back();
  }
  bool Send(const Link& link, uint32_t bytes) {
    Chain chain;
    CHECK(AppendCopy(&crowd.pool(), std::string(bytes, 'x'), &chain));
    return crowd.tcp().Send(link.id, std::move(chain), crowd.now());
  }

  Crowd crowd;

 private:
  Options syn_;
  std::vector<packet::Packet*> taken_;
};

TEST_F(Rooms, AWindowIsOneRoomAtTheFloor) {
  LeaveFloors();
  crowd.From(Crowd::Peer(1), {.flags = kSyn, .seq = 5});
  EXPECT_EQ(Last().window, kRoomTextBytes);
}

TEST_F(Rooms, OneRoomWaitsForItsOwnerAndTheWindowIsShut) {
  LeaveFloors();
  const Link link = Open(1);
  crowd.reading = false;
  crowd.From(link.peer, Text(link, 0, 1000));
  EXPECT_EQ(Last().window, kRoomTextBytes - 1000) << "what was promised stays";
  crowd.From(link.peer, Text(link, 1000, kRoomTextBytes - 1000));
  const Heard refused = Last();
  EXPECT_EQ(refused.ack, link.seq + 1000);
  EXPECT_EQ(refused.window, 0);
  EXPECT_EQ(crowd.counters().drop_rooms_short, 1u);
  crowd.Read();
  EXPECT_EQ(Last().window, kRoomTextBytes) << "and is open again at once";
}

TEST_F(Rooms, SegmentsOfOneBurstShareARoom) {
  LeaveFloors();
  const Link link = Open(1);
  crowd.reading = false;
  const int64_t before = crowd.pool().outstanding();
  crowd.FromAll({{link.peer, Text(link, 0, 500)},
                 {link.peer, Text(link, 500, kRoomTextBytes - 501)},
                 {link.peer, Text(link, kRoomTextBytes - 1, 1)}});
  EXPECT_EQ(Last().ack, link.seq + kRoomTextBytes);
  EXPECT_EQ(crowd.KeptText().size(), kRoomTextBytes);
  EXPECT_EQ(crowd.pool().outstanding(), before + 1);
  EXPECT_EQ(crowd.counters().joined_rooms_short, 2u);
  crowd.Read();
}

TEST_F(Rooms, TextThatGoesOnWhereAnotherEndedIsWhole) {
  LeaveFloors();
  const Link link = Open(1);
  crowd.reading = false;
  std::string sent;
  for (const char fill : {'a', 'b', 'c'}) {
    crowd.fill = fill;
    crowd.From(link.peer, Text(link, static_cast<uint32_t>(sent.size()), 100));
    sent += std::string(100, fill);
    if (fill == 'a') continue;
    EXPECT_EQ(crowd.KeptText(), std::string(100, 'a')) << "bursts later: no room";
  }
  crowd.Read();
}

// A super-frame, when there is no large room to be had: its text is copied into small ones.
TEST_F(Rooms, TextOfLargeRoomsIsCopiedIntoSmallOnes) {
  const Link link = Open(1);
  packet::HeapPacketPool& pool = crowd.pool();
  std::vector<packet::Packet*> large;
  while (pool.free_count(packet::kLarge) > 400) large.push_back(pool.Alloc(packet::kLarge));
  crowd.reading = false;
  crowd.From(link.peer, Text(link, 0, 5000));
  EXPECT_EQ(Last().ack, link.seq + 5000);
  EXPECT_EQ(crowd.counters().copied_rooms_short, 1u);
  EXPECT_EQ(pool.free_count(packet::kLarge), 400u) << "the segment's own is free again";
  EXPECT_EQ(pool.free_count(packet::kSmall), kSmall - 3);
  for (packet::Packet* p : large) pool.Free(p);
}

TEST_F(Rooms, OutOfOrderTextIsNotKept) {
  LeaveFloors();
  const Link link = Open(1);
  const int64_t before = crowd.pool().outstanding();
  crowd.reading = false;
  crowd.From(link.peer, Text(link, 0, 10));
  crowd.From(link.peer, Text(link, 110, 100));
  EXPECT_EQ(crowd.pool().outstanding(), before + 1);
  crowd.Read();
}

// The reserve is not for text: taken one room above it, refused at its edge.
TEST_F(Rooms, NoTextIsTakenOutOfTheReserve) {
  LeaveFloors();
  const Link link = Open(1);
  for (const uint32_t free : {kReserve + 1, kReserve, kReserve - 1}) {
    const uint64_t before = crowd.received();
    Leave(free + 1);  // the segment itself
    crowd.From(link.peer, Text(link, static_cast<uint32_t>(before), 100));
    EXPECT_EQ(crowd.received() - before, free > kReserve ? 100u : 0u) << free;
    if (free <= kReserve) EXPECT_EQ(Last().window, 0);
  }
}

TEST_F(Rooms, BeforeAShutWindowOneWriteWaits) {
  LeaveFloors();
  const Link link = Open(1);
  crowd.From(link.peer, {.flags = kAck, .seq = link.seq, .ack = link.ack, .window = 0});
  EXPECT_FALSE(Send(link, 1));
  const int64_t before = crowd.pool().outstanding();
  EXPECT_FALSE(Send(link, 1));
  EXPECT_EQ(crowd.pool().outstanding(), before) << "two that fit one room are one";
  EXPECT_FALSE(Send(link, kRoomTextBytes - 2));
  EXPECT_EQ(crowd.pool().outstanding(), before);
  EXPECT_FALSE(Send(link, 1));
  EXPECT_EQ(crowd.pool().outstanding(), before + 1) << "one more does not fit";
}

TEST_F(Rooms, BeforeAnOpenWindowFourWait) {
  LeaveFloors();
  const Link link = Open(1);
  for (int i = 1; i <= 4; ++i) EXPECT_TRUE(Send(link, 1400)) << i;
  EXPECT_FALSE(Send(link, 1400));
}

// Two connections whose peers take nothing, one for longer: it goes, and only when the reserve is
// all there is.
TEST_F(Rooms, TheLongestStalledMakesRoom) {
  LeaveFloors();
  const Link old = Open(1);
  const Link young = Open(2);
  const Link honest = Open(3);
  const auto shut = [&](const Link& link) {
    crowd.From(link.peer, {.flags = kAck, .seq = link.seq, .ack = link.ack, .window = 0});
    Send(link, 100);
    crowd.tcp().CheckInvariants();
  };
  const auto pass = [&](Duration time) {  // the peers answer every probe: shut
    for (Duration t; t < time; t = t + Duration::Millis(100)) {
      crowd.Wait(Duration::Millis(100));
      for (const Heard& h : crowd.Take()) {
        const Link& link = h.to == old.peer ? old : young;
        crowd.From(h.to, {.flags = kAck, .seq = link.seq, .ack = link.ack, .window = 0});
      }
    }
  };
  shut(old);
  pass(Duration::Seconds(20));
  shut(young);
  pass(Duration::Seconds(3));
  const auto touch = [&](uint32_t free) {
    Leave(free + 1);
    crowd.From(honest.peer, {.flags = kAck, .seq = honest.seq, .ack = honest.ack});
  };
  touch(kReserve + 1);
  EXPECT_EQ(crowd.counters().shed_slow_readers, 0u);
  touch(kReserve);
  pass(Duration::Millis(900));
  touch(kReserve);
  EXPECT_EQ(crowd.counters().shed_slow_readers, 0u) << "it may be over in a moment";
  pass(Duration::Millis(100));
  touch(kReserve);
  EXPECT_EQ(crowd.counters().shed_slow_readers, 1u);
  EXPECT_EQ(crowd.closed(), 1u);
  const Heard reset = Last();
  EXPECT_EQ(reset.to, old.peer);
  EXPECT_TRUE((reset.flags & kRst) != 0);
  touch(kReserve - 1);
  EXPECT_EQ(crowd.closed(), 1u) << "nobody else has stalled for long enough";
  crowd.tcp().CheckInvariants();
}

}  // namespace
}  // namespace meltemi::tcp::testing
