// Two pods that starve a proxy: one sends on every connection as fast as it is let, the other opens
// connections to it, through the plane, and reads them when it is told to.
//
// The text of every connection is the same, so the sender holds it once, and the reader compares
// what comes and keeps nothing. Single thread.
#ifndef MELTEMI_TEST_SIM_SLOW_PODS_H_
#define MELTEMI_TEST_SIM_SLOW_PODS_H_

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "test/sim/host.h"

namespace meltemi::sim {

inline constexpr uint16_t kFastPort = 9191;

inline char TextAt(size_t offset) { return static_cast<char>(offset * 131 % 251); }

class FastPod final : public App {
 public:
  explicit FastPod(size_t bytes) {
    std::string text(bytes, 0);
    for (size_t i = 0; i < bytes; ++i) text[i] = TextAt(i);
    CHECK(AppendCopy(&pool_, text, &text_));
  }
  bool Listens(const SockAddr& local) const override { return local.port == kFastPort; }
  void OnEvent(Host& host, tcp::TcpEvent& event, Instant now) override {
    using Kind = tcp::TcpEvent::Kind;
    if (event.kind == Kind::kAccepted) {
      host.tcp().Send(event.id, text_.Share(0, text_.size()), now);
      host.tcp().Finish(event.id, now);
    }
  }
  Instant OnTurn(Host&, Instant) override { return Instant::Never(); }

 private:
  packet::HeapPacketPool pool_;
  Chain text_;
};

class SlowPod final : public App {
 public:
  SlowPod(const SockAddr& service, int connection_count, size_t bytes, Instant start)
      : service_(service), bytes_(bytes), conns_(connection_count), next_open_(start) {}

  // From now on so many bytes every second of each connection; 0: none.
  void ReadSlowly(uint32_t bytes_per_second, Instant now) {
    rate_ = bytes_per_second;
    next_read_ = rate_ > 0 ? now : Instant::Never();
  }
  // From now on all that comes, at once.
  void ReadAll() { reading_ = catching_up_ = true; }

  int opened() const { return opened_; }
  int whole() const { return whole_; }    // every byte came, then the FIN
  int broken() const { return broken_; }  // ended otherwise
  uint64_t received() const { return received_; }

  bool Listens(const SockAddr&) const override { return false; }
  void OnEvent(Host& host, tcp::TcpEvent& event, Instant now) override;
  Instant OnTurn(Host& host, Instant now) override;

 private:
  struct One {
    TcpId tcp;
    size_t received = 0;
    uint32_t unread = 0;
    bool over = false;
  };
  void Use(Host& host, One* one, uint32_t bytes, Instant now) {
    one->unread -= bytes;
    host.tcp().Consumed(one->tcp, bytes, now);
  }

  const SockAddr service_;
  const size_t bytes_;
  std::vector<One> conns_;
  Instant next_open_;
  Instant next_read_ = Instant::Never();
  uint32_t rate_ = 0;
  bool reading_ = false, catching_up_ = false;
  int opened_ = 0, whole_ = 0, broken_ = 0;
  uint64_t received_ = 0;
};

inline void SlowPod::OnEvent(Host& host, tcp::TcpEvent& event, Instant now) {
  using Kind = tcp::TcpEvent::Kind;
  One& one = conns_[event.cookie];
  switch (event.kind) {
    case Kind::kAccepted:
    case Kind::kConnected:
    case Kind::kSendSpace:
      break;
    case Kind::kData: {
      const std::string text = event.bytes.ToString();
      for (size_t i = 0; i < text.size(); ++i) CHECK(text[i] == TextAt(one.received + i));
      one.received += text.size();
      received_ += text.size();
      one.unread += static_cast<uint32_t>(text.size());
      if (reading_) Use(host, &one, one.unread, now);
      break;
    }
    case Kind::kEof:
      if (one.received == bytes_ && !one.over) ++whole_;
      one.over = true;
      host.Finish(one.tcp, now);
      break;
    case Kind::kClosed:
    case Kind::kConnectFailed:
      if (!one.over) ++broken_;
      one.over = true;
      break;
  }
}

inline Instant SlowPod::OnTurn(Host& host, Instant now) {
  constexpr int kOpenedAtOnce = 64;
  constexpr Duration kOpenPause = Duration::Micros(500);
  if (opened_ < static_cast<int>(conns_.size()) && next_open_ <= now) {
    for (int i = 0; i < kOpenedAtOnce && opened_ < static_cast<int>(conns_.size()); ++i) {
      One& one = conns_[opened_];
      one.tcp = host.Connect(service_, static_cast<uint64_t>(opened_), Instant::Never(), now);
      CHECK(one.tcp.valid());
      ++opened_;
    }
    next_open_ = now + kOpenPause;
  }
  if (catching_up_) {
    catching_up_ = false;
    for (One& one : conns_) {
      if (one.unread > 0) Use(host, &one, one.unread, now);
    }
  }
  if (rate_ > 0 && !reading_ && next_read_ <= now) {
    for (One& one : conns_) {
      if (one.unread > 0) Use(host, &one, std::min(one.unread, rate_), now);
    }
    next_read_ = now + Duration::Seconds(1);
  }
  const Instant opens = opened_ < static_cast<int>(conns_.size()) ? next_open_ : Instant::Never();
  return std::min(opens, reading_ ? Instant::Never() : next_read_);
}

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_SLOW_PODS_H_
