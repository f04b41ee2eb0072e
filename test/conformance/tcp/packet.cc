#include "test/conformance/tcp/packet.h"

#include "absl/strings/str_cat.h"

namespace meltemi::tcp::conformance {

std::string Packet::ToString() const {
  std::string s;
  const std::pair<uint8_t, char> names[] = {{kSyn, 'S'}, {kFin, 'F'}, {kRst, 'R'}, {kPsh, 'P'},
                                            {kUrg, 'U'}, {kEce, 'E'}, {kCwr, 'W'}, {kAck, '.'}};
  for (const auto& [bit, name] : names) {
    if ((flags & bit) != 0) s += name;
  }
  if (s.empty()) s = "none";
  if (seq) {
    absl::StrAppend(&s, " ", *seq, ":", *seq + text_bytes, "(", text_bytes, ")");
  } else {
    absl::StrAppend(&s, " (", text_bytes, ")");
  }
  if (ack) absl::StrAppend(&s, " ack ", *ack);
  if (window) absl::StrAppend(&s, " win ", *window);
  if (urgent != 0) absl::StrAppend(&s, " urg ", urgent);
  if (ecn && *ecn != 0) absl::StrAppend(&s, " ecn ", *ecn);
  std::string options;
  if (mss) absl::StrAppend(&options, " mss ", *mss);
  if (scale) absl::StrAppend(&options, " wscale ", *scale);
  if (sack_ok.value_or(false)) absl::StrAppend(&options, " sackOK");
  if (ts) absl::StrAppend(&options, " ts ", ts->value, "/", ts->echo);
  for (const SeqRange& r : sack) absl::StrAppend(&options, " sack ", r.begin, "-", r.end);
  if (!raw_options.empty()) absl::StrAppend(&options, " ", raw_options.size(), " raw bytes");
  if (!options.empty()) absl::StrAppend(&s, " <", options.substr(1), ">");
  if (bad_checksum) s += " bad checksum";
  return s;
}

std::string Difference(const Packet& want, const Packet& got) {
  std::string why;
  auto compare = [&why](const char* name, const auto& w, const auto& g) {
    if (w && (!g || !(*w == *g))) absl::StrAppend(&why, " ", name);
  };
  const uint8_t mask = (want.flags & kPsh) != 0 ? 0xff : static_cast<uint8_t>(~kPsh);
  if ((want.flags & mask) != (got.flags & mask)) why += " flags";
  compare("seq", want.seq, got.seq);
  compare("ack", want.ack, got.ack);
  if (want.text_bytes != got.text_bytes) why += " length";
  compare("window", want.window, got.window);
  compare("ecn", want.ecn, got.ecn);
  compare("mss", want.mss, got.mss);
  compare("scale", want.scale, got.scale);
  compare("sackOK", want.sack_ok, got.sack_ok);
  compare("ts", want.ts, got.ts);
  if (!want.any_sack && want.sack != got.sack) why += " sack";
  if (want.no_mss && got.mss) why += " mss-present";
  if (want.no_scale && got.scale) why += " scale-present";
  if (want.no_ts && got.ts) why += " ts-present";
  return why;
}

}  // namespace meltemi::tcp::conformance
