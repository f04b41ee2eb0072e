// What the parts of Describe share: a writer of indented lines and the text of small values.
// Internal to l7/config.
#ifndef MELTEMI_L7_CONFIG_DESCRIBE_WRITER_H_
#define MELTEMI_L7_CONFIG_DESCRIBE_WRITER_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "l7/base/text.h"
#include "l7/config/snapshot.h"

namespace meltemi::config {

class DescribeWriter {
 public:
  template <typename... Args>
  void Line(const Args&... args) {
    out_.append(2 * depth_, ' ');
    AppendTo(&out_, args..., '\n');
  }
  // `name: value` when the value is not the default.
  template <typename T, typename D>
  void IfNot(const D& fallback, std::string_view name, const T& value) {
    if (value != fallback) Line(name, ": ", ToText(value));
  }
  void In() { ++depth_; }
  void Out() { --depth_; }
  std::string Take() { return std::move(out_); }

  static std::string ToText(Duration d);
  static std::string ToText(const Fraction& f) { return Cat(f.numerator, "/", f.denominator); }
  static std::string ToText(const StringMatch& m);
  static std::string ToText(const HeaderMatch& m);
  static std::string ToText(const std::string& s) { return Cat('"', s, '"'); }
  static std::string ToText(bool b) { return Cat(b); }
  static std::string ToText(uint32_t n) { return Cat(n); }
  static std::string ToText(uint16_t n) { return Cat(n); }

 private:
  std::string out_;
  int depth_ = 0;
};

// describe_route.cc
void DescribeRouteTable(const RouteTable& table, const Snapshot& snapshot, DescribeWriter* to);
void DescribeUpgrades(const Upgrades& upgrades, DescribeWriter* to);
void DescribeRbac(const std::vector<Rbac>& filters, DescribeWriter* to);
void DescribeRateLimit(const LocalRateLimit* limit, DescribeWriter* to);
void DescribeRateLimit(const std::optional<ConnectionRateLimit>& limit, DescribeWriter* to);
void DescribeRateLimits(const std::vector<RateLimitRule>& rules, DescribeWriter* to);
void DescribeTls(const TlsSettings& settings, DescribeWriter* to);
void DescribeFault(std::string_view name, const std::optional<Fault>& fault, DescribeWriter* to);
void DescribeTargets(const std::vector<WeightedCluster>& targets, const Snapshot& snapshot,
                     DescribeWriter* to);

}  // namespace meltemi::config

#endif  // MELTEMI_L7_CONFIG_DESCRIBE_WRITER_H_
