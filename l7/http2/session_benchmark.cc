// What one GET costs on a warm server connection, with an answer of 64 bytes and of 24 KB: bytes
// in, fields out as text, answer in, bytes out. Session and nghttp2's own session take turns in one
// run; TSC ticks, the minimum and the median of many batches.
#include <nghttp2/nghttp2.h>
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "l7/base/check.h"
#include "l7/base/slice.h"
#include "l7/http2/session.h"
#include "l7/http2/testing/peer.h"

namespace meltemi::http2 {
namespace {

constexpr int kBatches = 400;
constexpr int kBatch = 100;

// A free list of one size, like the cache of a worker's pool.
class BenchPool final : public BufferPool {
 public:
  Slice Allocate(uint32_t size) override {
    if (free_.empty()) {
      memory_.push_back(std::make_unique<uint8_t[]>(kRoom));
      buffers_.push_back(std::make_unique<Buffer>(
          Buffer{.memory = memory_.back().get(), .capacity = kRoom, .pool = this}));
      free_.push_back(buffers_.back().get());
    }
    Buffer* const buffer = free_.back();
    free_.pop_back();
    return Slice(buffer, buffer->memory, size);
  }
  uint32_t allocation_max() const override { return kRoom; }
  void Release(Buffer* buffer) override { free_.push_back(buffer); }

 private:
  static constexpr uint32_t kRoom = 16 * 1024;
  std::vector<std::unique_ptr<uint8_t[]>> memory_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::vector<Buffer*> free_;
};

const Headers kRequest = {{":method", "GET"},
                          {":scheme", "http"},
                          {":authority", "reviews.default.svc.cluster.local"},
                          {":path", "/api/v1/reviews/0"},
                          {"user-agent", "meltemi-load/1.0"},
                          {"accept", "*/*"},
                          {"x-request-id", "6b1f5f2e-6f0b-4c86-9d7a-2f3f5b1c0d11"},
                          {"x-forwarded-proto", "http"}};

// A client's bytes: the beginning, then one request each.
struct Script {
  std::string hello;
  std::vector<std::string> requests;
};

Script Record(int n) {
  Peer client(Peer::Side::kClient, {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30}});
  Script out;
  out.hello = client.Output();
  // The connection's window is never opened again: wide enough for the whole run.
  nghttp2_submit_window_update(client.session(), NGHTTP2_FLAG_NONE, 0, 1 << 30);
  out.hello += client.Output();
  for (int i = 0; i < n; ++i) {
    client.Request(kRequest);
    out.requests.push_back(client.Output());
    CHECK(!out.requests.back().empty());
    // A client forgets a stream by its answer only; without a cap here it stops at 100.
    nghttp2_submit_rst_stream(client.session(), NGHTTP2_FLAG_NONE, 2 * i + 1, NGHTTP2_CANCEL);
    client.Output();
  }
  return out;
}

class Ours {
 public:
  Ours(std::string_view hello, size_t body_bytes)
      : session_({}, &memory_, &pool_), headers_(&pool_) {
    CHECK(AppendCopy(&pool_, std::string(body_bytes, 'b'), &body_));
    CHECK(headers_.Add("server", "meltemi") && headers_.Add("x-length", "n") &&
          headers_.Add("content-type", "text/plain"));
    Feed(hello);
  }
  size_t Feed(std::string_view bytes) {
    CHECK(AppendCopy(&pool_, bytes, &in_));
    while (true) {
      const Event event = session_.Next(&in_, Instant());
      if (event == Event::kNeedMore) return session_.TakeOutput(1 << 20).size();
      CHECK(event == Event::kRequest || event == Event::kEnd);
      if (event == Event::kEnd) continue;
      const http::RequestHead head = session_.TakeRequest();
      seen_ += head.headers.size();
      CHECK(session_.SendResponse(session_.stream(), 200, headers_, false));
      // Refers to what came from upstream; the send queue's bound is the engine's affair here.
      session_.SendBody(session_.stream(), body_.Share(0, body_.size()));
      session_.SendEnd(session_.stream(), std::nullopt);
    }
  }

 private:
  BenchPool pool_;
  HpackMemory memory_;
  Session session_;
  http::HeaderBlock headers_;
  Chain in_, body_;
  size_t seen_ = 0;
};

class Theirs {
 public:
  Theirs(std::string_view hello, size_t body_bytes) : body_(body_bytes, 'b') {
    nghttp2_session_callbacks* callbacks = nullptr;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, OnHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    nghttp2_option* option = nullptr;
    CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_closed_streams(option, 1);
    CHECK(nghttp2_session_server_new2(&session_, callbacks, this, option) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0) == 0);
    Feed(hello);
  }
  ~Theirs() { nghttp2_session_del(session_); }
  Theirs(const Theirs&) = delete;
  Theirs& operator=(const Theirs&) = delete;

  size_t Feed(std::string_view bytes) {
    const ssize_t n = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    CHECK(n == static_cast<ssize_t>(bytes.size()));
    size_t sent = 0;
    while (true) {
      const uint8_t* data = nullptr;
      const ssize_t out = nghttp2_session_mem_send(session_, &data);
      CHECK(out >= 0);
      if (out == 0) return sent;
      CHECK(sent + static_cast<size_t>(out) <= out_.size());
      std::memcpy(out_.data() + sent, data, static_cast<size_t>(out));  // to a packet
      sent += static_cast<size_t>(out);
    }
  }

 private:
  static int OnHeader(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf* name,
                      nghttp2_rcbuf* value, uint8_t, void* self) {
    auto* const me = static_cast<Theirs*>(self);
    me->fields_.push_back({name, value});
    nghttp2_rcbuf_incref(name);
    nghttp2_rcbuf_incref(value);
    return 0;
  }
  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* self) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    auto* const me = static_cast<Theirs*>(self);
    const std::array<nghttp2_nv, 4> fields = {
        Field(":status", "200", http::Known::kOther),
        Field("server", "meltemi", http::Known::kOther),
        Field("x-length", "n", http::Known::kOther),
        Field("content-type", "text/plain", http::Known::kOther)};
    nghttp2_data_provider body;
    body.source.ptr = me;
    me->sent_ = 0;
    body.read_callback = [](nghttp2_session*, int32_t, uint8_t* buffer, size_t size,
                            uint32_t* flags, nghttp2_data_source* source, void*) -> ssize_t {
      auto* const self = static_cast<Theirs*>(source->ptr);
      const size_t n = std::min(size, self->body_.size() - self->sent_);
      std::memcpy(buffer, self->body_.data() + self->sent_, n);
      self->sent_ += n;
      if (self->sent_ == self->body_.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<ssize_t>(n);
    };
    CHECK(nghttp2_submit_response(session, frame->hd.stream_id, fields.data(), fields.size(),
                                  &body) == 0);
    for (const auto& [name, value] : me->fields_) {
      nghttp2_rcbuf_decref(name);
      nghttp2_rcbuf_decref(value);
    }
    me->fields_.clear();
    return 0;
  }

  nghttp2_session* session_ = nullptr;
  std::vector<std::pair<nghttp2_rcbuf*, nghttp2_rcbuf*>> fields_;
  const std::string body_;
  size_t sent_ = 0;
  std::array<char, 1 << 17> out_;
};

template <typename T>
double Batch(T* side, const Script& script, size_t at) {
  const uint64_t begin = __rdtsc();
  for (int i = 0; i < kBatch; ++i) {
    CHECK(side->Feed(script.requests[at + static_cast<size_t>(i)]) > 64);
  }
  return static_cast<double>(__rdtsc() - begin) / kBatch;
}

void Print(const char* name, std::vector<double> cycles, double base) {
  std::sort(cycles.begin(), cycles.end());
  const double median = cycles[cycles.size() / 2];
  std::printf("%-21s %8.0f %8.0f %8.2f\n", name, cycles.front(), median,
              base == 0 ? 1.0 : median / base);
}

void Compare(const Script& script, size_t body_bytes) {
  const auto ours = std::make_unique<Ours>(script.hello, body_bytes);
  const auto theirs = std::make_unique<Theirs>(script.hello, body_bytes);
  std::vector<double> a, b;
  for (size_t i = 0; i < kBatches; ++i) {
    a.push_back(Batch(ours.get(), script, i * kBatch));
    b.push_back(Batch(theirs.get(), script, i * kBatch));
  }
  std::vector<double> sorted = a;
  std::sort(sorted.begin(), sorted.end());
  std::printf("%8zu-byte answer  %8s %8s %8s\n", body_bytes, "minimum", "median", "ratio");
  Print("  meltemi Session", a, 0);
  Print("  nghttp2_session", b, sorted[sorted.size() / 2]);
}

int Main() {
  std::printf("Ticks per request\n");
  const Script script = Record(kBatches * kBatch);
  Compare(script, 64);
  Compare(script, 24'000);
  return 0;
}

}  // namespace
}  // namespace meltemi::http2

int main() { return meltemi::http2::Main(); }
