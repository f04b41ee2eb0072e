// A connection's bytes, from either side: read whole and in pieces, the events must be the same,
// and what is sent must be whole frames. The input's first byte chooses the side and seeds the
// pieces.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "l7/base/check.h"
#include "l7/base/heap_buffer_pool.h"
#include "l7/base/prng.h"
#include "l7/http2/session.h"

namespace meltemi::http2 {
namespace {

struct Outcome {
  std::vector<std::string> events;  // bodies joined
  std::string output;
  bool operator==(const Outcome&) const = default;
};

std::string Text(const http::HeaderBlock& headers) {
  std::string out;
  for (const http::Header& h : headers.headers()) {
    out.append(h.name).append(":").append(h.value).append("\n");
  }
  return out;
}

class Run {
 public:
  Run(Role role, HeapBufferPool* pool) : pool_(pool) {
    SessionOptions options;
    options.allow_connect = true;
    options.role = role;
    options.initial_stream_window_size = 70'000;
    session_.emplace(options, &memory_, pool);
    if (role == Role::kServer) return;
    const http::HeaderBlock none(pool);
    for (int i = 0; i < 4; ++i) {
      CHECK(session_->SendRequest({.method = i == 3 ? "HEAD" : "GET",
                                   .scheme = "http",
                                   .authority = "a",
                                   .path = "/",
                                   .headers = &none,
                                   .end = true},
                                  Instant()) != 0);
    }
  }

  void Feed(std::string_view bytes) {
    CHECK(AppendCopy(pool_, bytes, &in_));
    Event event;
    while ((event = session_->Next(&in_, Instant())) != Event::kNeedMore) {
      Take(event);
      if (event == Event::kError) return in_.Clear();
    }
  }

  Outcome Finish() {
    in_.Clear();
    out_.output = session_->TakeOutput(1 << 20).ToString();
    session_.reset();
    return std::move(out_);
  }

 private:
  void Take(Event event) {
    const uint32_t id = session_->stream();
    std::string text = std::to_string(static_cast<int>(event)) + "/" + std::to_string(id) + " ";
    if (event == Event::kRequest) {
      const http::RequestHead head = session_->TakeRequest();
      text.append(head.method).append(" ").append(head.target).append("\n") += Text(head.headers);
    } else if (event == Event::kResponse) {
      const http::ResponseHead head = session_->TakeResponse();
      text += std::to_string(head.status) + "\n" + Text(head.headers);
    } else if (event == Event::kBody) {
      const Chain body = session_->TakeBody();
      session_->Consumed(id, body.size());
      if (!out_.events.empty() && out_.events.back().starts_with(text)) {
        out_.events.back() += body.ToString();
        return;
      }
      text += body.ToString();
    } else if (event == Event::kEnd) {
      if (const auto trailers = session_->TakeTrailers()) text += Text(*trailers);
    } else if (event == Event::kReset) {
      // How much of a body was given before its stream proved wrong depends on the pieces.
      const std::string body =
          std::to_string(static_cast<int>(Event::kBody)) + "/" + std::to_string(id) + " ";
      std::erase_if(out_.events, [&body](const std::string& e) { return e.starts_with(body); });
      text += session_->reset_reason();
    } else if (event == Event::kError) {
      text += session_->error_reason();
    }
    out_.events.push_back(std::move(text));
  }

  HeapBufferPool* const pool_;
  HpackMemory memory_;
  std::optional<Session> session_;
  Chain in_;
  Outcome out_;
};

void CheckFrames(std::string_view output, Role role) {
  if (role == Role::kClient) output.remove_prefix(kPreface.size());
  while (!output.empty()) {
    CHECK(output.size() >= kFrameHeaderBytes);
    const FrameHeader header = ReadFrameHeader(reinterpret_cast<const uint8_t*>(output.data()));
    CHECK(header.length <= kFrameBytesMax && kFrameHeaderBytes + header.length <= output.size());
    output.remove_prefix(kFrameHeaderBytes + header.length);
  }
}

}  // namespace
}  // namespace meltemi::http2

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace meltemi;         // NOLINT
  using namespace meltemi::http2;  // NOLINT
  if (size == 0) return 0;
  const Role role = (data[0] & 1) != 0 ? Role::kClient : Role::kServer;
  std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  HeapBufferPool pool;
  {
    Run whole(role, &pool);
    whole.Feed(stream);
    const Outcome expected = whole.Finish();
    CheckFrames(expected.output, role);
    Prng splits(data[0]);
    Run pieces(role, &pool);
    while (!stream.empty()) {
      const size_t n = std::min<size_t>(stream.size(), 1 + splits.Below(40));
      pieces.Feed(stream.substr(0, n));
      stream.remove_prefix(n);
    }
    CHECK(pieces.Finish() == expected);
  }
  CHECK(pool.outstanding() == 0);
  return 0;
}
