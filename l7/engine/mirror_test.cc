// Goal: a mirror gets a copy of the request, its answer and its troubles never show, and the
// original never waits for it. Method: the engine by hand; the mirror is a cluster of its own.
#include <algorithm>
#include <string>

#include "l7/base/limits.h"
#include "l7/engine/engine_fixture.h"

namespace meltemi::engine {
namespace {

class MirrorTest : public EngineTest {
 protected:
  MirrorTest() {
    config::Cluster copy;
    copy.name = "copy";
    copy.stable_id = 8;
    config::Endpoint& endpoint = copy.endpoints.emplace_back();
    endpoint.address = Address(99, 9090);
    endpoint.stable_id = 900;
    snapshot_->clusters.push_back(std::move(copy));
    config::Mirror& mirror = forward().mirrors.emplace_back();
    mirror.target = Target(1);
    mirror.target.name = "copy";
  }
  static std::string Post(size_t length, std::string_view body) {
    return "POST /p HTTP/1.1\r\nHost: backend:80\r\ncontent-length: " + std::to_string(length) +
           "\r\n\r\n" + std::string(body);
  }
  uint64_t sent() { return engine().counters().mirrors_sent; }
  uint64_t dropped() { return engine().counters().mirrors_dropped; }
};

TEST_F(MirrorTest, ACopyGoesAndItsAnswerIsThrownAway) {
  const ConnId down = Accept();
  Send(down, Get("/a", "x-one: 1\r\n"));
  const ConnId up = Connect(), copy = Connect();
  EXPECT_EQ(At(up).address, Address(10, 8080));
  EXPECT_EQ(At(copy).address, Address(99, 9090));
  const std::string request = Take(up), shadow = Take(copy);
  EXPECT_EQ(HeaderOf(request, "host"), "backend");
  EXPECT_EQ(HeaderOf(shadow, "host"), "backend-shadow");
  EXPECT_EQ(shadow.substr(0, 7), "GET /a ");
  EXPECT_EQ(HeaderOf(shadow, "x-one"), "1");
  EXPECT_EQ(HeaderOf(shadow, "x-request-id"), HeaderOf(request, "x-request-id"));
  Send(copy, Status(500));
  EXPECT_EQ(Take(down), "");
  Send(up, Ok("hello"));
  EXPECT_EQ(BodyOf(Take(down)), "hello");
  EXPECT_FALSE(At(copy).dead());  // kept for the next one
  EXPECT_EQ(engine().records().size(), 1u);
  EXPECT_EQ(sent(), 1u);
  EXPECT_EQ(engine().exchange_count(), 0u);
}

TEST_F(MirrorTest, TheBodyGoesToBoth) {
  const ConnId down = Accept();
  Send(down, Post(8, "1234"));
  const ConnId up = Connect(), copy = Connect();
  Send(down, "5678");
  EXPECT_EQ(BodyOf(Take(up)), "12345678");
  const std::string shadow = Take(copy);
  EXPECT_EQ(BodyOf(shadow), "12345678");
  EXPECT_EQ(HeaderOf(shadow, "host"), "backend-shadow:80");
  EXPECT_EQ(HeaderOf(shadow, "content-length"), "8");
}

TEST_F(MirrorTest, ChunksAndTrailersToo) {
  const ConnId down = Accept();
  Send(down, "POST / HTTP/1.1\r\nHost: b\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
  const ConnId up = Connect(), copy = Connect();
  Send(down, "2\r\nde\r\n0\r\nx-sum: 1\r\n\r\n");
  const std::string body = BodyOf(Take(up)), shadow = BodyOf(Take(copy));
  for (const std::string& text : {body, shadow}) {
    EXPECT_NE(text.find("abc"), std::string::npos) << text;
    EXPECT_NE(text.find("de\r\n0\r\nx-sum: 1\r\n\r\n"), std::string::npos) << text;
  }
}

TEST_F(MirrorTest, AMirrorThatConnectsLateGetsTheWholeBody) {
  const ConnId down = Accept();
  Send(down, Post(4, "12"));
  const ConnId up = Connect();
  Send(down, "34");
  Send(up, Ok("done"));
  EXPECT_EQ(BodyOf(Take(down)), "done");
  EXPECT_EQ(engine().exchange_count(), 1u);
  EXPECT_EQ(BodyOf(Take(Connect())), "1234");
}

TEST_F(MirrorTest, AMirrorThatFallsBehindIsGivenUpAtItsBound) {
  const size_t bound = limits::kHttpRetryBufferBytesMax;
  for (const size_t size : {bound - 1, bound, bound + 1}) {
    const uint64_t before = dropped();
    const ConnId down = Accept();
    Send(down, Post(size, ""));
    const ConnId up = Connect();
    const ConnId copy = TakeConnect();  // and never answered
    for (size_t at = 0; at < size; at += 4096) {
      Send(down, std::string(std::min<size_t>(4096, size - at), 'x'));
    }
    EXPECT_EQ(dropped() - before, size > bound ? 1u : 0u) << size;
    EXPECT_EQ(At(copy).dead(), size > bound);
    EXPECT_EQ(BodyOf(Take(up)).size(), size);
    Send(up, Ok("", "connection: close\r\n"));
    EXPECT_EQ(StatusOf(Take(down)), 200);
    if (!At(copy).dead()) Closed(copy);
  }
}

TEST_F(MirrorTest, AnUnreachableMirrorIsNobodysTrouble) {
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Refuse();
  Send(up, Ok("1"));
  EXPECT_EQ(BodyOf(Take(down)), "1");
  EXPECT_EQ(LastRecord(), "200 - via_upstream");
}

TEST_F(MirrorTest, AClientThatLeavesInItsBodyEndsTheCopy) {
  const ConnId down = Accept();
  Send(down, Post(8, "1234"));
  const ConnId up = Connect(), copy = Connect();
  Closed(down);
  EXPECT_TRUE(At(up).dead());
  EXPECT_TRUE(At(copy).dead());
  EXPECT_EQ(engine().exchange_count(), 0u);
}

TEST_F(MirrorTest, AnEarlyAnswerEndsTheCopyOfAnUnfinishedBody) {
  const ConnId down = Accept();
  Send(down, Post(8, "1234"));
  const ConnId up = Connect(), copy = Connect();
  Send(up, Status(413, "connection: close\r\n"));
  EXPECT_EQ(StatusOf(Take(down)), 413);
  EXPECT_TRUE(At(copy).dead());
}

TEST_F(MirrorTest, TimeIsUpForTheCopyToo) {
  forward().timeout = Duration::Seconds(1);
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect(), copy = Connect();
  Send(up, Ok("1"));
  Advance(Duration::Seconds(2));
  EXPECT_TRUE(At(copy).dead());
  EXPECT_EQ(engine().exchange_count(), 0u);
}

TEST_F(MirrorTest, NoMoreCopiesThanAQuarterOfTheExchanges) {
  for (int i = 0; i < 9; ++i) {
    Send(Accept(), Get());
    EXPECT_EQ(dropped(), i < 8 ? 0u : 1u) << i;
  }
}

TEST_F(MirrorTest, AShareOfRequestsHasCopies) {
  forward().mirrors[0].fraction = {25, 100};
  const ConnId down = Accept();
  ConnId up, copy;
  for (int i = 0; i < 400; ++i) {
    const uint64_t before = sent();
    Send(down, Get());
    if (!up.valid()) up = Connect();
    if (sent() > before && !copy.valid()) copy = Connect();
    Send(up, Ok("1"));
    if (sent() > before) Send(copy, Ok("2"));
    ASSERT_EQ(BodyOf(Take(down)), "1");
  }
  EXPECT_NEAR(static_cast<double>(sent()), 100, 30);
}

TEST_F(MirrorTest, AnUnknownClusterHasNoCopies) {
  forward().mirrors[0].target.cluster = config::kNoIndex;
  EXPECT_EQ(BodyOf(RoundTrip(Accept(), Get(), Ok("1"))), "1");
  EXPECT_EQ(dropped(), 1u);
}

TEST_F(MirrorTest, TheHostMayStayAsItIs) {
  forward().mirrors[0].host_suffix = false;
  Send(Accept(), Get());
  Connect();
  EXPECT_EQ(HeaderOf(Take(Connect()), "host"), "backend");
}

}  // namespace
}  // namespace meltemi::engine
