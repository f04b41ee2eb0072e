// The other end of a Session in tests: nghttp2's own session, a real implementation of RFC 9113.
#ifndef MELTEMI_L7_HTTP2_TESTING_PEER_H_
#define MELTEMI_L7_HTTP2_TESTING_PEER_H_

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace meltemi::http2 {

using Headers = std::vector<std::pair<std::string, std::string>>;

class Peer {
 public:
  struct Stream {
    Headers headers, trailers;
    std::vector<Headers> interim;
    std::string body;
    bool head = false, ended = false, reset = false;
    uint32_t reset_code = 0;
    std::string sending;  // body still to be sent
    bool no_end = false;  // trailers follow the body
    bool open = false;    // more may come: Say
    Headers trailers_out;
  };
  enum class Side : uint8_t { kClient, kServer };
  explicit Peer(Side side, std::vector<nghttp2_settings_entry> settings = {});
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  int32_t Request(const Headers& headers, std::string body = {}, Headers trailers = {});
  // A request whose body goes on until it is said to end.
  int32_t Open(const Headers& headers);
  enum class Then : uint8_t { kMore, kEnd };
  void Say(int32_t stream, std::string_view text, Then then = Then::kMore);
  void Respond(int32_t stream, const Headers& headers, std::string body = {},
               Headers trailers = {});
  // A response whose body goes on until it is said to end (Say).
  void Answer(int32_t stream, const Headers& headers);
  // What the peer has to say now.
  std::string Output();
  // False when nghttp2 refuses the bytes.
  bool Input(std::string_view bytes);

  Stream& stream(int32_t id) { return streams_[id]; }
  nghttp2_session* session() { return session_; }
  bool goaway() const { return goaway_; }
  uint32_t goaway_code() const { return goaway_code_; }
  int32_t goaway_last() const { return goaway_last_; }

 private:
  nghttp2_data_provider Body(int32_t stream);
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Stream> streams_;
  Stream pending_;
  bool goaway_ = false;
  uint32_t goaway_code_ = 0;
  int32_t goaway_last_ = 0;
};

}  // namespace meltemi::http2

#endif  // MELTEMI_L7_HTTP2_TESTING_PEER_H_
