// Goal: calls that say how long they may take (grpc-timeout) and limits on the duration of streams
// do what Envoy does with max_grpc_timeout and max_stream_duration. Method: tables for the texts;
// the engine's door on virtual time, each limit a millisecond before and after.
#include <string>

#include "l7/engine/engine_fixture.h"
#include "l7/engine/grpc.h"

namespace meltemi::engine {
namespace {

TEST(GrpcTimeout, IsParsed) {
  const struct {
    const char* text;
    int64_t millis;  // -1: no timeout
  } rows[] = {
      {"1H", 3'600'000},  {"1M", 60'000},
      {"2S", 2000},       {"250m", 250},
      {"1u", 1},          {"1001u", 2},
      {"1n", 1},          {"1000000n", 1},
      {"0m", 0},          {"99999999S", 99'999'999'000},
      {"100000000S", -1}, {"", -1},
      {"S", -1},          {"1", -1},
      {"1s", -1},         {"-1S", -1},
      {" 1S", -1},        {"1.5S", -1},
      {"1S ", -1},
  };
  for (const auto& row : rows) {
    const auto parsed = ParseGrpcTimeout(row.text);
    EXPECT_EQ(parsed.has_value() ? parsed->millis() : -1, row.millis) << row.text;
  }
  // More than a time can be: it is long, and it does not overflow.
  EXPECT_GT(ParseGrpcTimeout("99999999H")->millis(), int64_t{1} << 40);
}

TEST(GrpcTimeout, IsWrittenInTheFinestUnitThatHasRoom) {
  EXPECT_EQ(GrpcTimeoutText(Duration::Millis(250)), "250m");
  EXPECT_EQ(GrpcTimeoutText(Duration::Millis(99'999'999)), "99999999m");
  EXPECT_EQ(GrpcTimeoutText(Duration::Millis(100'000'000)), "100000S");
  EXPECT_EQ(GrpcTimeoutText(Duration::Micros(1)), "1m");
}

class DurationTest : public EngineTest {
 protected:
  static std::string Call(std::string_view timeout) {
    std::string text =
        "POST /pkg.S/M HTTP/1.1\r\nHost: backend\r\ncontent-type: application/grpc\r\n";
    if (!timeout.empty()) text.append("grpc-timeout: ").append(timeout).append("\r\n");
    return text + "content-length: 0\r\n\r\n";
  }
  // What a server is told and when the client is answered, in milliseconds; 0: not within a minute.
  std::string Observe(const std::string& request) {
    const ConnId down = Accept();
    Send(down, request);
    const ConnId up = Connect();
    const std::string told = HeaderOf(Take(up), "grpc-timeout");
    int64_t passed = 0;
    while (At(down).written.empty() && !At(down).dead() && passed < 60'000) {
      Advance(Duration::Millis(1));
      ++passed;
    }
    const std::string answer = Take(down);
    if (answer.empty()) Closed(down);
    const std::string status = HeaderOf(answer, "grpc-status");
    return told + " " + std::to_string(answer.empty() ? 0 : passed) + " " +
           (answer.empty()       ? ""
            : status == "(none)" ? LastRecord()
                                 : status + " " + LastRecord());
  }
};

TEST_F(DurationTest, ACallsTimeoutHoldsUpToTheRoutes) {
  forward().timeout = Duration::Seconds(15);
  EXPECT_EQ(Observe(Call("2S")), "2S 15001 14 200 UT response_timeout");  // nobody asks it
  forward().max_grpc_timeout = Duration::Seconds(5);
  EXPECT_EQ(Observe(Call("2S")), "2000m 2001 14 200 UT response_timeout");
  EXPECT_EQ(Observe(Call("4999m")), "4999m 5000 14 200 UT response_timeout");
  EXPECT_EQ(Observe(Call("5S")), "5000m 5001 14 200 UT response_timeout");
  EXPECT_EQ(Observe(Call("5001m")), "5000m 5001 14 200 UT response_timeout");
  EXPECT_EQ(Observe(Call("")), "5000m 5001 14 200 UT response_timeout");
  EXPECT_EQ(Observe(Call("nonsense")), "5000m 5001 14 200 UT response_timeout");
  EXPECT_EQ(Observe(Get()), "(none) 15001 504 UT response_timeout");  // no call
  forward().max_grpc_timeout = Duration();
  EXPECT_EQ(Observe(Call("2S")), "2000m 2001 14 200 UT response_timeout");
  EXPECT_EQ(Observe(Call("")), "(none) 0 ");
}

TEST_F(DurationTest, StreamsEndAfterTheirDuration) {
  forward().timeout = Duration();
  manager().stream_duration_max = Duration::Seconds(7);
  EXPECT_EQ(Observe(Get()), "(none) 7001 408 - max_duration_timeout");
  EXPECT_EQ(Observe(Call("2S")), "2S 7001 4 200 - max_duration_timeout");
  forward().stream_duration_max = Duration::Seconds(3);  // the route's word counts more
  EXPECT_EQ(Observe(Get()), "(none) 3001 408 - max_duration_timeout");
  forward().stream_duration_max = Duration();
  EXPECT_EQ(Observe(Get()), "(none) 0 ");
}

TEST_F(DurationTest, ACallsDurationHoldsUpToTheRoutes) {
  forward().timeout = Duration();
  forward().stream_duration_max = Duration::Seconds(9);
  forward().grpc_timeout_header_max = Duration::Seconds(5);
  EXPECT_EQ(Observe(Call("4999m")), "4999m 5000 4 200 - max_duration_timeout");
  EXPECT_EQ(Observe(Call("5S")), "5S 5001 4 200 - max_duration_timeout");
  EXPECT_EQ(Observe(Call("5001m")), "5000m 5001 4 200 - max_duration_timeout");
  EXPECT_EQ(Observe(Call("")), "(none) 9001 4 200 - max_duration_timeout");
  forward().grpc_timeout_header_max = Duration();
  EXPECT_EQ(Observe(Call("20S")), "20S 20001 4 200 - max_duration_timeout");
  EXPECT_EQ(Observe(Call("0m")), "0m 2 4 200 - max_duration_timeout");
}

// It runs from the request's head on, also while bytes come, and ends responses and tunnels.
TEST_F(DurationTest, ItEndsWhatIsUnderWay) {
  forward().stream_duration_max = Duration::Seconds(3);
  manager().upgrades = {{"websocket", true}};
  const ConnId down = Accept();
  Send(down, Get());
  const ConnId up = Connect();
  Send(up, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n");
  Advance(Duration::Millis(2999));
  Send(up, "some");
  EXPECT_FALSE(At(down).dead());
  Advance(Duration::Millis(2));
  EXPECT_TRUE(At(down).released);
  EXPECT_TRUE(At(up).aborted);
  EXPECT_EQ(LastRecord(), "200 - max_duration_timeout");
  const ConnId chat = Accept();
  Send(chat, Get("/", "connection: upgrade\r\nupgrade: websocket\r\n"));
  const ConnId server = Connect();
  Send(server, "HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
  Advance(Duration::Millis(3001));
  EXPECT_TRUE(At(chat).released);
  EXPECT_TRUE(At(server).released);
  EXPECT_EQ(LastRecord(), "101 - max_duration_timeout");
}

}  // namespace
}  // namespace meltemi::engine
