#include "l7/http2/testing/peer.h"

#include <algorithm>
#include <cstring>

#include "l7/base/check.h"

namespace meltemi::http2 {
namespace {

std::vector<nghttp2_nv> ToNv(const Headers& headers) {
  std::vector<nghttp2_nv> out;
  for (const auto& [name, value] : headers) {
    out.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                   reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                   value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return out;
}

int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
             const uint8_t* value, size_t value_size, uint8_t, void* self) {
  Peer::Stream& s = static_cast<Peer*>(self)->stream(frame->hd.stream_id);
  (s.head ? s.trailers : s.headers)
      .emplace_back(std::string(reinterpret_cast<const char*>(name), name_size),
                    std::string(reinterpret_cast<const char*>(value), value_size));
  return 0;
}

int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* self) {
  static_cast<Peer*>(self)->stream(id).body.append(reinterpret_cast<const char*>(data), size);
  return 0;
}

}  // namespace

Peer::Peer(Side side, std::vector<nghttp2_settings_entry> settings) {
  nghttp2_session_callbacks* callbacks = nullptr;
  CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, void* self_void) {
        Peer* const self = static_cast<Peer*>(self_void);
        const uint8_t type = frame->hd.type;
        if (type == NGHTTP2_GOAWAY) {
          self->goaway_ = true;
          self->goaway_code_ = frame->goaway.error_code;
          self->goaway_last_ = frame->goaway.last_stream_id;
          return 0;
        }
        if (type == NGHTTP2_RST_STREAM) {
          Stream& s = self->stream(frame->hd.stream_id);
          s.reset = true;
          s.reset_code = frame->rst_stream.error_code;
        }
        if (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA) return 0;
        Stream& s = self->stream(frame->hd.stream_id);
        if (type == NGHTTP2_HEADERS && !s.head) {
          const bool interim = !s.headers.empty() && s.headers[0].first == ":status" &&
                               s.headers[0].second[0] == '1';
          if (interim) {
            s.interim.push_back(std::exchange(s.headers, {}));
          } else {
            s.head = true;
          }
        }
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) s.ended = true;
        return 0;
      });
  nghttp2_option* option = nullptr;
  CHECK(nghttp2_option_new(&option) == 0);
  // More than we take, so that tests can send too much.
  nghttp2_option_set_max_send_header_block_length(option, 1 << 20);
  const int made = side == Side::kClient
                       ? nghttp2_session_client_new2(&session_, callbacks, this, option)
                       : nghttp2_session_server_new2(&session_, callbacks, this, option);
  CHECK(made == 0);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) ==
        0);
}

Peer::~Peer() { nghttp2_session_del(session_); }

nghttp2_data_provider Peer::Body(int32_t) {
  nghttp2_data_provider provider;
  provider.source.ptr = this;
  provider.read_callback = [](nghttp2_session* session, int32_t id, uint8_t* buffer, size_t size,
                              uint32_t* flags, nghttp2_data_source* source, void*) -> ssize_t {
    Stream& s = static_cast<Peer*>(source->ptr)->stream(id);
    const size_t n = std::min(size, s.sending.size());
    std::memcpy(buffer, s.sending.data(), n);
    s.sending.erase(0, n);
    if (n == 0 && s.open) return NGHTTP2_ERR_DEFERRED;
    if (s.sending.empty() && !s.open) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!s.trailers_out.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const auto nv = ToNv(s.trailers_out);
        CHECK(nghttp2_submit_trailer(session, id, nv.data(), nv.size()) == 0);
      }
    }
    return static_cast<ssize_t>(n);
  };
  return provider;
}

int32_t Peer::Request(const Headers& headers, std::string body, Headers trailers) {
  const auto nv = ToNv(headers);
  const bool has_body = !body.empty() || !trailers.empty();
  const nghttp2_data_provider provider = Body(0);
  const int32_t id = nghttp2_submit_request(session_, nullptr, nv.data(), nv.size(),
                                            has_body ? &provider : nullptr, nullptr);
  CHECK(id > 0);
  streams_[id].sending = std::move(body);
  streams_[id].trailers_out = std::move(trailers);
  return id;
}

int32_t Peer::Open(const Headers& headers) {
  const auto nv = ToNv(headers);
  const nghttp2_data_provider provider = Body(0);
  const int32_t id =
      nghttp2_submit_request(session_, nullptr, nv.data(), nv.size(), &provider, nullptr);
  CHECK(id > 0);
  streams_[id].open = true;
  return id;
}

void Peer::Say(int32_t id, std::string_view text, Then then) {
  Stream& s = streams_[id];
  s.sending.append(text);
  s.open = then == Then::kMore;
  nghttp2_session_resume_data(session_, id);  // an error when it does not wait
}

void Peer::Respond(int32_t id, const Headers& headers, std::string body, Headers trailers) {
  const auto nv = ToNv(headers);
  const bool has_body = !body.empty() || !trailers.empty();
  streams_[id].sending = std::move(body);
  streams_[id].trailers_out = std::move(trailers);
  const nghttp2_data_provider provider = Body(id);
  CHECK(nghttp2_submit_response(session_, id, nv.data(), nv.size(),
                                has_body ? &provider : nullptr) == 0);
}

void Peer::Answer(int32_t id, const Headers& headers) {
  const auto nv = ToNv(headers);
  streams_[id].open = true;
  const nghttp2_data_provider provider = Body(id);
  CHECK(nghttp2_submit_response(session_, id, nv.data(), nv.size(), &provider) == 0);
}

std::string Peer::Output() {
  std::string out;
  while (true) {
    const uint8_t* data = nullptr;
    const ssize_t n = nghttp2_session_mem_send(session_, &data);
    CHECK(n >= 0);
    if (n == 0) return out;
    out.append(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
  }
}

bool Peer::Input(std::string_view bytes) {
  const ssize_t n = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return n == static_cast<ssize_t>(bytes.size());
}

}  // namespace meltemi::http2
