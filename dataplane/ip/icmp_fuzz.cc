// ICMP messages with right checksums that quote packets which were changed in one place: nothing
// crashes, every packet ends in exactly one way, what TCP is told of makes sense, answers have
// right checksums, and no error is answered with an error (RFC 1122 3.2.2, RFC 4443 2.4 (e)).
//
// Input: records of 12 bytes: flags, type, code, bytes 4 to 7 of the message, length of the quote,
// place and change of a byte in it, the quoted protocol, time. Flags: bit 0 IPv6, bit 1 from the
// uplink, bit 2 the type is one of those that we know, bit 3 wrong checksum, bit 4 in pieces of 20
// bytes, bit 5 the quoted packet is a pod's (else ours), bit 6 the message is for a pod (else us).
// Time: so many times 4 ms pass first.
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include "dataplane/ip/testing/node.h"
#include "dataplane/wire/bytes.h"
#include "l7/base/check.h"
#include "l7/base/limits.h"

namespace meltemi::ip {
namespace {

constexpr size_t kRecordBytes = 12;
constexpr uint8_t kTypes4[] = {wire::kIcmpUnreachable,  wire::kIcmpSourceQuench,
                               wire::kIcmpTimeExceeded, wire::kIcmpParameterProblem,
                               wire::kIcmpEchoRequest,  wire::kIcmpEchoReply,
                               wire::kIcmpRedirect};
constexpr uint8_t kTypes6[] = {wire::kIcmpv6Unreachable,  wire::kIcmpv6PacketTooBig,
                               wire::kIcmpv6TimeExceeded, wire::kIcmpv6ParameterProblem,
                               wire::kIcmpv6EchoRequest,  wire::kIcmpv6EchoReply,
                               wire::kIcmpv6Redirect};

struct Record {
  const uint8_t* p;
  bool flag(int bit) const { return (p[0] >> bit & 1) != 0; }
  bool v4() const { return !flag(0); }
  PortId port() const { return flag(1) ? kUplink : kPodA; }
  uint8_t type() const {
    if (!flag(2)) return p[1];
    return v4() ? kTypes4[p[1] % std::size(kTypes4)] : kTypes6[p[1] % std::size(kTypes6)];
  }
};

IpAddr Pick(const Record& r, const char* v4, const char* v6) { return Addr(r.v4() ? v4 : v6); }
IpAddr Ours(const Record& r) {
  return r.port() == kPodA ? Pick(r, "10.1.0.1", "fd00:1::1") : Pick(r, "172.16.0.1", "fd00:f::1");
}
IpAddr Far(const Record& r) {
  return r.port() == kPodA ? Pick(r, "10.1.0.11", "fd00:1::11")
                           : Pick(r, "172.16.0.2", "fd00:f::2");
}
IpAddr OtherPod(const Record& r) { return Pick(r, "10.1.0.12", "fd00:1::12"); }

// The packet that the message is about, cut off, and one of its bytes changed.
std::string Quote(const Record& r) {
  const wire::IpFields ip{.source = r.flag(5) ? OtherPod(r) : Ours(r), .destination = Far(r)};
  wire::Upper upper = wire::Tcp({.sequence = 1000, .payload = std::string(32, 'x')});
  if (r.p[10] % 3 == 1) upper = wire::Udp({.payload = "question"});
  if (r.p[10] % 3 == 2) upper = wire::Raw(r.p[10], std::string(32, 'x'));
  std::string quote = wire::Ip(ip, upper).substr(0, r.p[7]);
  if (!quote.empty()) {
    char& byte = quote[r.p[8] % quote.size()];
    byte = static_cast<char>(static_cast<uint8_t>(byte) ^ r.p[9]);
  }
  return quote;
}

void Send(TestNode* node, const Record& r) {
  const wire::IcmpFields icmp{.type = r.type(),
                              .code = r.p[2],
                              .rest = wire::Load32(r.p + 3),
                              .payload = Quote(r),
                              .bad_checksum = r.flag(3)};
  const wire::IpFields ip{.source = Far(r), .destination = r.flag(6) ? OtherPod(r) : Ours(r)};
  const std::string packet = wire::Ip(ip, r.v4() ? wire::Icmp(icmp) : wire::Icmpv6(icmp));
  const std::string frame =
      wire::Ethernet({.destination = PlaneMac(r.port()), .source = PeerMac(r.port())}, packet);
  node->SendPacket(r.port(), wire::ToPacket(&node->pool, frame, r.flag(4) ? 20 : 8000));
}

void CheckTold(TestNode* node, const Record& r) {
  CHECK(node->ip.icmp_errors().size() <= 1);
  for (const IcmpError& error : node->ip.icmp_errors()) {
    CHECK(!r.flag(3));
    CHECK(error.local.ip.v4() == r.v4() && error.remote.ip.v4() == r.v4());
    const uint32_t least = r.v4() ? 68 : 1280;
    CHECK((error.kind == IcmpError::Kind::kTooBig) == (error.mtu >= least));
  }
  node->ip.icmp_errors().clear();
}

bool IsError(uint8_t type, bool v4) {
  if (!v4) return type <= wire::kIcmpv6ErrorMax;
  return type == wire::kIcmpUnreachable || type == wire::kIcmpSourceQuench ||
         type == wire::kIcmpTimeExceeded || type == wire::kIcmpParameterProblem ||
         type == wire::kIcmpRedirect;
}

// What the plane has said, not what it has passed on.
void CheckAnswers(TestNode* node, const Record& r) {
  for (const std::string& packet : node->TakeIp(r.port())) {
    CHECK(wire::ChecksumsCorrect(packet));
    const auto* p = reinterpret_cast<const uint8_t*>(packet.data());
    const size_t header_bytes = r.v4() ? 20 : 40;
    const uint8_t protocol = r.v4() ? p[9] : p[6];
    const bool icmp = protocol == (r.v4() ? wire::kProtoIcmp : wire::kProtoIcmpv6);
    if (icmp && IsError(p[header_bytes], r.v4())) CHECK(!IsError(r.type(), r.v4()));
  }
}

void Run(const uint8_t* data, size_t n) {
  TestNode node({.offload = n % 2 == 0});
  node.Warm();
  for (; n >= kRecordBytes; data += kRecordBytes, n -= kRecordBytes) {
    const Record r{data};
    if (data[11] > 0) node.Advance(Duration::Millis(4 * data[11]));
    Send(&node, r);
    CHECK(node.Balanced());
    CheckTold(&node, r);
    CheckAnswers(&node, r);
    for (const PortId port : {kPodA, kPodB, kUplink}) node.Take(port);
  }
  node.Advance(Duration::Seconds(61));
  node.CheckEmpty();
}

}  // namespace
}  // namespace meltemi::ip

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n) {
  meltemi::ip::Run(data, n);
  return 0;
}
