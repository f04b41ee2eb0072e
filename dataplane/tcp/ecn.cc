// Explicit congestion notification, RFC 3168 6.1, for both roles.
#include "dataplane/tcp/tcp_impl.h"

namespace meltemi::tcp {
namespace {

constexpr uint8_t kEcnCe = 3;  // congestion experienced, RFC 3168 5

}  // namespace

// 6.1.1: a SYN that asks has ECE and CWR, the answer has ECE alone. A SYN that arrives with a mark
// has crossed a box that writes into the field: no ECN then.
void Tcp::Impl::NegotiateEcn(Conn& c, const Segment& s) {
  const bool ece = s.has(kEce);
  const bool cwr = s.has(kCwr);
  if (s.has(kAck)) {
    c.ecn = ece && !cwr && AsksForEcn(c);
  } else {
    c.ecn = AcceptsEcn(s);
  }
  if (c.ecn) ++counters_.ecn_negotiated;
}

bool Tcp::Impl::AcceptsEcn(const Segment& syn) const {
  return syn.has(kEce) && syn.has(kCwr) && syn.ecn == 0 && options_.ecn != Ecn::kOff;
}

// 6.1.1.1: a SYN that was lost may have been dropped for asking.
bool Tcp::Impl::AsksForEcn(const Conn& c) const {
  return options_.ecn == Ecn::kAsk && !c.syn_retransmitted;
}

// 6.1.3, of a segment with text: its mark is echoed until the sender says that it has heard.
void Tcp::Impl::NoteEcn(Conn& c, const Segment& s) {
  if (s.has(kCwr)) c.ecn_echo = false;
  if (s.ecn != kEcnCe) return;
  ++counters_.ecn_ce_in;
  c.ecn_echo = true;
  c.ack_now = true;
}

// 6.1.2: as for a loss, once each round trip, with nothing to send again.
void Tcp::Impl::OnEce(Conn& c, uint32_t flight_before) {
  LossState& loss = *c.loss;
  ++counters_.ecn_ece_in;
  if (loss.mode != LossState::Mode::kOpen) return;  // reduced for this window already
  c.congestion.OnLoss(flight_before, c.smss());
  c.ecn_cwr = true;
  loss.undo.possible = false;
  if (c.flight() == 0) return;
  loss.mode = LossState::Mode::kReduced;
  loss.recover = c.snd_nxt;
  loss.recover_valid = false;
  loss.prr.Start(flight_before);
}

}  // namespace meltemi::tcp
