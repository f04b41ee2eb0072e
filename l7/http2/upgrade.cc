#include "l7/http2/upgrade.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "l7/http2/frame.h"

namespace meltemi::http2 {

bool DecodeSettingsHeader(std::string_view value, std::string* payload) {
  const auto digit = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  };
  // 4 characters for 3 bytes.
  if (value.size() > size_t{kSettingsMax} * kSettingBytes * 4 / 3) return false;
  if (!std::all_of(value.begin(), value.end(), digit)) return false;
  payload->clear();
  if (value.empty()) return true;
  return absl::WebSafeBase64Unescape(absl::string_view(value.data(), value.size()), payload) &&
         payload->size() % kSettingBytes == 0;
}

}  // namespace meltemi::http2
