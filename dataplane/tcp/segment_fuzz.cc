// Whatever arrives as TCP, at a listening, an opening and an established connection: nothing
// crashes, spins or leaks, what we send is well formed, and a dead connection gives no event.
//
// Input: a byte of options (bit 0 IPv6, bit 1 we open, bit 2 super-frames may be sent, bit 3 no
// handshake first, bit 4 no SYN queue: cookies, bit 5 memory for 8 KB), then records of kind (1
// byte), length (1 byte) and bytes.
//   kind & 7:  0-3 a segment as it lies on the wire; its sequence and acknowledgement numbers count
//              from the peer's and our first one. 4 we send length * 100 bytes. 5 length * 20 ms
//              pass. 6 finish, release, abort or open again, by length. 7 ICMP: sequence (4 bytes),
//              MTU (2), hard (1).
//   bits of a segment's kind: 3 checksum trusted (else made right), 4 ports as they are (else those
//              of the connection), 5 in pieces of 7 bytes, 6 the numbers are absolute, 7 the
//              checksum stays as it is
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/packet/heap_pool.h"
#include "dataplane/tcp/segment.h"
#include "dataplane/tcp/tcp.h"
#include "l7/base/check.h"

namespace meltemi::tcp {
namespace {

constexpr uint32_t kPeerFirst = 0xffff'fc00;  // wraps after 1 KB

uint32_t Load32(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
}
void Store32(uint32_t v, uint8_t* p) {
  for (int i = 0; i < 4; ++i) p[i] = static_cast<uint8_t>(v >> (24 - 8 * i));
}

class Peer {
 public:
  explicit Peer(uint8_t options)
      : tcp_(std::make_unique<Tcp>(OptionsOf(options), &pool_, &timers_, &prng_, now_)) {
    const bool ipv6 = (options & 1) != 0;
    tuple_ = {{*IpAddr::Parse(ipv6 ? "fd00::1" : "10.0.0.1"), 80},
              {*IpAddr::Parse(ipv6 ? "fd00::2" : "10.0.0.2"), 40'000}};
    if ((options & 4) != 0) path_.super_frame_bytes_max = 65'535;
    if ((options & 2) != 0) Open();
    if ((options & 8) == 0) Handshake((options & 2) != 0);
  }

  void Play(uint8_t kind, const uint8_t* data, uint8_t n) {
    switch (kind & 7) {
      case 4:
        return Send(n * 100u);
      case 5:
        return Wait(Duration::Millis(20) * n);
      case 6:
        return Act(n);
      case 7:
        return Icmp(data, n);
      default:
        return Deliver(kind, std::string(reinterpret_cast<const char*>(data), n));
    }
  }

  void End() {
    // Timers come to an end: retransmissions, TIME_WAIT.
    Wait(Duration::Seconds(100));
    tcp_->AbortAddress(tuple_.remote.ip, now_, &events_);
    Flush();
    CHECK(tcp_->conn_count() == 0);
    tcp_.reset();
    CHECK(pool_.outstanding() == 0);
  }

 private:
  static TcpOptions OptionsOf(uint8_t bits) {
    TcpOptions o{.conn_count_max = 16, .keepalive = {.idle = Duration::Seconds(30)}};
    if ((bits & 16) != 0) o.syn_queue_max = 0;
    if ((bits & 32) != 0) o.memory_bytes_max = 8192;
    return o;
  }

  void Open() {
    if (tcp_->InUse(tuple_)) return;
    id_ = tcp_->Connect(tuple_, path_, 7, Instant::Never(), now_);
    alive_ = id_.valid();
    Flush();
  }

  void Handshake(bool active) {
    std::string syn(24, '\0');
    auto* p = reinterpret_cast<uint8_t*>(syn.data());
    Store32(active ? 1 : 0, p + 8);
    p[12] = 6 << 4;
    p[13] = active ? kSyn | kAck : kSyn;
    p[14] = 0xff;
    p[20] = 2, p[21] = 4, p[22] = 5, p[23] = 0xb4;
    Deliver(0, syn);
    std::string ack(20, '\0');
    p = reinterpret_cast<uint8_t*>(ack.data());
    Store32(1, p + 4), Store32(1, p + 8);
    p[12] = 5 << 4, p[13] = kAck, p[14] = 0xff;
    Deliver(0, ack);
  }

  // A chain of segments of at most `piece` bytes.
  packet::Packet* MakePacket(const std::string& bytes, size_t piece) {
    packet::Packet* head = nullptr;
    packet::Packet* tail = nullptr;
    size_t done = 0;
    do {
      packet::Packet* p = pool_.Alloc(packet::kLarge);
      CHECK(p != nullptr);
      const size_t n = std::min(piece, bytes.size() - done);
      std::memcpy(packet::Append(p, static_cast<uint16_t>(n)), bytes.data() + done, n);
      done += n;
      if (head == nullptr) {
        head = p;
      } else {
        tail->next = p;
        ++head->nb_segs;
        head->pkt_len += static_cast<uint32_t>(n);
      }
      tail = p;
    } while (done < bytes.size());
    return head;
  }

  void Deliver(uint8_t kind, std::string bytes) {
    auto* p = reinterpret_cast<uint8_t*>(bytes.data());
    const bool own_ports = (kind & 16) != 0;
    if (bytes.size() >= 12 && !own_ports) {
      p[0] = static_cast<uint8_t>(tuple_.remote.port >> 8);
      p[1] = static_cast<uint8_t>(tuple_.remote.port);
      p[2] = static_cast<uint8_t>(tuple_.local.port >> 8);
      p[3] = static_cast<uint8_t>(tuple_.local.port);
    }
    if (bytes.size() >= 12 && (kind & 64) == 0) {
      Store32(Load32(p + 4) + kPeerFirst, p + 4);
      Store32(Load32(p + 8) + our_first_, p + 8);
    }
    SegmentIn in;
    in.source = tuple_.remote;
    in.destination = tuple_.local;
    if (own_ports && bytes.size() >= 4) {
      in.source.port = static_cast<uint16_t>(p[0] << 8 | p[1]);
      in.destination.port = static_cast<uint16_t>(p[2] << 8 | p[3]);
    }
    if (bytes.size() >= 20 && (kind & 128) == 0) {
      p[16] = p[17] = 0;
      packet::Packet* whole = MakePacket(bytes, 16'000);
      const uint32_t sum = uint32_t{PacketSum(whole)} +
                           PseudoHeaderSum(in.source.ip, in.destination.ip, whole->pkt_len);
      const auto checksum = static_cast<uint16_t>(~((sum & 0xffff) + (sum >> 16)));
      p[16] = static_cast<uint8_t>(checksum >> 8);
      p[17] = static_cast<uint8_t>(checksum);
      pool_.Free(whole);
    }
    in.packet = MakePacket(bytes, (kind & 32) != 0 ? 7 : 16'000);
    in.checksum_trusted = (kind & 8) != 0;
    std::vector<SegmentIn> unmatched;
    tcp_->Receive({&in, 1}, now_, &events_, &unmatched);
    for (const SegmentIn& s : unmatched) tcp_->Accept(s, path_, now_);
    Flush();
  }

  void Send(uint32_t n) {
    if (!alive_ || finished_ || n == 0) return;
    Chain chain;
    if (!AppendCopy(&pool_, std::string(n, 'x'), &chain)) return;
    [[maybe_unused]] const bool room = tcp_->Send(id_, std::move(chain), now_);
    Flush();
  }

  void Act(uint8_t n) {
    if (n % 4 == 3) return Open();
    if (!alive_) return;
    if (n % 4 == 0) tcp_->Finish(id_, now_);
    if (n % 4 == 1) tcp_->Release(id_, now_);
    if (n % 4 == 2) tcp_->Abort(id_, now_);
    finished_ = true;
    alive_ = n % 4 == 0;
    Flush();
  }

  void Icmp(const uint8_t* data, uint8_t n) {
    if (n < 7) return;
    const uint32_t mtu = static_cast<uint32_t>(data[4] << 8 | data[5]);
    tcp_->OnIcmp(tuple_.local, tuple_.remote, Load32(data) + our_first_, data[6] % 2 == 1, mtu,
                 now_, &events_);
    Flush();
  }

  void Wait(Duration d) {
    const Instant end = now_ + d;
    while (timers_.NextDeadline() <= end) {
      now_ = std::max(now_, timers_.NextDeadline());
      timers_.Advance(now_, [this](Timer& t) { tcp_->OnTimer(t, now_, &events_); });
      Flush();
    }
    now_ = end;
  }

  void TakeEvents() {
    for (TcpEvent& e : std::exchange(events_, {})) {
      using Kind = TcpEvent::Kind;
      if (e.kind == Kind::kAccepted) {
        // Several may be there, from other ports; what is asked of us is asked of the last.
        id_ = e.id;
        alive_ = true, finished_ = false;
        continue;
      }
      if (e.kind == Kind::kData) {
        CHECK(!e.bytes.empty());
        tcp_->Consumed(e.id, static_cast<uint32_t>(e.bytes.size()), now_);
        continue;
      }
      if (!(e.id == id_)) continue;
      CHECK(alive_);
      if (e.kind == Kind::kClosed || e.kind == Kind::kConnectFailed) alive_ = false;
    }
  }

  void Flush() {
    for (int turn = 0;; ++turn) {
      CHECK(turn < 1000);  // else the worker would spin
      TakeEvents();
      if (!tcp_->transmit_pending()) break;
      std::vector<SegmentOut> out;
      tcp_->Transmit(now_, 64, &out);
      for (const SegmentOut& s : out) Capture(s);
    }
    tcp_->CheckInvariants();
  }

  void Capture(const SegmentOut& out) {
    Segment s;
    CHECK(ParseSegment(out.packet, {out.source, 0}, {out.destination, 0}, &s) == ParseResult::kOk);
    if (s.has(kSyn)) our_first_ = s.seq;
    CHECK(out.packet->pkt_len >= kHeaderBytes);
    const bool super = (out.packet->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
    CHECK(super || out.packet->pkt_len <= path_.mtu);
    CHECK(!super || (path_.super_frame_bytes_max > 0 && out.packet->tso_segsz > 0));
    pool_.Free(out.packet);
  }

  packet::HeapPacketPool pool_;
  Prng prng_{1};
  Instant now_ = Instant::FromNanos(1'000'000'000);
  TimerWheel timers_{now_};
  Path path_;
  FourTuple tuple_;
  std::vector<TcpEvent> events_;
  TcpId id_;
  bool alive_ = false, finished_ = false;
  uint32_t our_first_ = 0;
  std::unique_ptr<Tcp> tcp_;
};

}  // namespace
}  // namespace meltemi::tcp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  meltemi::tcp::Peer peer(data[0]);
  for (size_t at = 1; at + 2 <= size;) {
    const auto n = static_cast<uint8_t>(std::min<size_t>(data[at + 1], size - at - 2));
    peer.Play(data[at], data + at + 2, n);
    at += 2u + n;
  }
  peer.End();
  return 0;
}
