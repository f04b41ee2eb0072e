#include "bench/load/message_reader.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "l7/base/heap_buffer_pool.h"

namespace meltemi::load {
namespace {

using Result = MessageReader::Result;

struct Read {
  std::vector<Message> messages;
  bool error = false;
  bool idle = false;
};

// Feeds `wire` in pieces of `piece` bytes.
Read Feed(MessageKind kind, const std::string& wire, size_t piece) {
  HeapBufferPool pool;
  MessageReader reader(kind);
  Chain in;
  Read out;
  for (size_t at = 0; at < wire.size() && !out.error; at += piece) {
    EXPECT_TRUE(AppendCopy(&pool, std::string_view(wire).substr(at, piece), &in));
    Message message;
    Result result = Result::kMessage;
    while ((result = reader.Read(&in, &message)) == Result::kMessage) {
      out.messages.push_back(message);
      if (in.empty()) break;
    }
    out.error = result == Result::kError;
  }
  out.idle = reader.idle();
  in.Clear();
  return out;
}

struct Row {
  const char* name;
  MessageKind kind;
  std::string wire;
  int count;
  int status;
  uint64_t body_bytes;
  bool close;
};

std::vector<Row> GoodRows() {
  const auto response = MessageKind::kResponse;
  const auto request = MessageKind::kRequest;
  return {
      {"length", response, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 1, 200, 5, false},
      {"empty body", response, "HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n", 1, 404, 0,
       false},
      {"close", response,
       "HTTP/1.1 200 OK\r\nconnection: Close\r\ndate: x\r\ncontent-length: 1\r\n\r\nx", 1, 200, 1,
       true},
      {"no content", response, "HTTP/1.1 204 No Content\r\nx: y\r\n\r\n", 1, 204, 0, false},
      {"chunked", response,
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n",
       1, 200, 8, false},
      {"get", request, "GET / HTTP/1.1\r\nhost: a\r\n\r\n", 1, 0, 0, false},
      {"post", request, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc", 1, 0, 3,
       false},
      {"two at once", request,
       "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n", 2, 0, 0, false},
  };
}

// Goal: what is found does not depend on how the bytes were split. Method: every piece size.
TEST(MessageReader, FindsMessagesHoweverTheyAreSplit) {
  for (const Row& row : GoodRows()) {
    for (size_t piece = 1; piece <= row.wire.size(); ++piece) {
      const Read read = Feed(row.kind, row.wire, piece);
      ASSERT_FALSE(read.error) << row.name << " " << piece;
      ASSERT_EQ(static_cast<size_t>(row.count), read.messages.size()) << row.name << " " << piece;
      const Message& last = read.messages.back();
      EXPECT_EQ(row.status, last.status) << row.name;
      EXPECT_EQ(row.body_bytes, last.body_bytes) << row.name << " " << piece;
      EXPECT_EQ(row.close, last.close) << row.name;
      EXPECT_TRUE(read.idle) << row.name;
    }
  }
}

TEST(MessageReader, RefusesWhatItCannotMeasure) {
  const std::pair<const char*, std::string> rows[] = {
      {"no length", "HTTP/1.1 200 OK\r\nx: y\r\n\r\n"},
      {"bad length", "HTTP/1.1 200 OK\r\ncontent-length: 5x\r\n\r\n"},
      {"no status", "HTTP/1.1 abc OK\r\ncontent-length: 0\r\n\r\n"},
      {"not HTTP", "SSH-2.0-x      \r\n\r\n"},
      {"other coding", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n"},
      {"bad chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"},
  };
  for (const auto& [name, wire] : rows) {
    EXPECT_TRUE(Feed(MessageKind::kResponse, wire, wire.size()).error) << name;
  }
}

TEST(MessageReader, BoundsTheHead) {
  const std::string line = "HTTP/1.1 200 OK\r\n";
  for (const size_t bytes : {MessageReader::kHeadBytesMax, MessageReader::kHeadBytesMax + 1}) {
    const std::string wire = line + std::string(bytes - line.size(), 'a');
    EXPECT_EQ(bytes > MessageReader::kHeadBytesMax, Feed(MessageKind::kResponse, wire, 1000).error);
  }
}

}  // namespace
}  // namespace meltemi::load
