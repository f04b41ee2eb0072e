#include "l7/route/normalize.h"

#include "l7/route/match.h"

namespace meltemi::route {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool Unreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

// RFC 3986 6.2.2.2; encoded characters that stay encoded get upper-case digits (6.2.2.1).
bool Decode(std::string_view path, std::string* out) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\') {
      out->push_back('/');
      continue;
    }
    if (path[i] != '%') {
      out->push_back(path[i]);
      continue;
    }
    if (i + 2 >= path.size()) return false;
    const int high = HexValue(path[i + 1]), low = HexValue(path[i + 2]);
    if (high < 0 || low < 0) return false;
    const char c = static_cast<char>(high * 16 + low);
    if (Unreserved(c)) {
      out->push_back(c);
    } else {
      constexpr char kDigits[] = "0123456789ABCDEF";
      out->append({'%', kDigits[high], kDigits[low]});
    }
    i += 2;
  }
  return true;
}

}  // namespace

bool NormalizePath(std::string_view path, std::string* out) {
  const std::string_view only = PathOnly(path);
  out->clear();
  if (only.empty() || only[0] != '/') {  // "*" of OPTIONS
    out->append(path);
    return true;
  }
  std::string decoded;
  if (!Decode(only, &decoded)) return false;
  // RFC 3986 5.2.4, on an absolute path.
  std::string_view rest = decoded;
  while (!rest.empty()) {
    const size_t end = rest.find('/', 1);
    const std::string_view segment = rest.substr(0, end);
    const bool last = end == std::string_view::npos;
    rest = last ? std::string_view() : rest.substr(end);
    if (segment == "/..") {
      const size_t slash = out->rfind('/');
      out->resize(slash == std::string::npos ? 0 : slash);
      if (last) out->push_back('/');
    } else if (segment == "/.") {
      if (last) out->push_back('/');
    } else {
      out->append(segment);
    }
  }
  out->append(path.substr(only.size()));
  return true;
}

}  // namespace meltemi::route
