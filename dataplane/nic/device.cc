#include "dataplane/nic/device.h"

#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "l7/base/text.h"

namespace meltemi::nic {
namespace {

constexpr size_t kNetdevBytesMax = 15;   // IFNAMSIZ with its final zero is 16
constexpr size_t kSocketBytesMax = 107;  // sockaddr_un
constexpr size_t kRingBytesMax = 20;     // rte_ring's names, with our prefix
constexpr size_t kPathBytesMax = 4095;

struct Scheme {
  std::string_view name;
  DeviceKind kind;
};
constexpr std::array<Scheme, 8> kSchemes = {{{"veth", DeviceKind::kVeth},
                                             {"tap", DeviceKind::kTap},
                                             {"pci", DeviceKind::kPci},
                                             {"af_xdp", DeviceKind::kAfXdp},
                                             {"vhost", DeviceKind::kVhost},
                                             {"virtio", DeviceKind::kVirtio},
                                             {"ring", DeviceKind::kRing},
                                             {"null", DeviceKind::kNull}}};

std::string_view Name(DeviceKind kind) {
  for (const Scheme& scheme : kSchemes) {
    if (scheme.kind == kind) return scheme.name;
  }
  return "";
}

absl::Status Bad(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(Cat("device \"", text, "\": ", why));
}

// What the kernel's dev_valid_name accepts, less what would be read as driver arguments.
bool ValidNetdev(std::string_view name) {
  if (name.empty() || name.size() > kNetdevBytesMax || name == "." || name == "..") return false;
  for (const char c : name) {
    if (!absl::ascii_isgraph(c) || absl::StrContains("/:,=", c)) return false;
  }
  return true;
}

// Printable, and without the comma that ends a driver's argument.
bool ValidPath(std::string_view path, size_t bytes_max) {
  if (path.empty() || path.size() > bytes_max) return false;
  for (const char c : path) {
    if (!absl::ascii_isprint(c) || c == ',') return false;
  }
  return true;
}

bool ValidRing(std::string_view name) {
  if (name.empty() || name.size() > kRingBytesMax) return false;
  for (const char c : name) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

bool TakeHex(std::string_view* text, size_t digits) {
  if (text->size() < digits) return false;
  for (size_t i = 0; i < digits; ++i) {
    if (!absl::ascii_isxdigit((*text)[i])) return false;
  }
  text->remove_prefix(digits);
  return true;
}

bool TakeChar(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

// [dddd:]bb:dd.f
bool ValidPci(std::string_view text) {
  std::string_view rest = text;
  if (!TakeHex(&rest, 4) || !TakeChar(&rest, ':')) rest = text;
  if (!TakeHex(&rest, 2) || !TakeChar(&rest, ':') || !TakeHex(&rest, 2) || !TakeChar(&rest, '.')) {
    return false;
  }
  return rest.size() == 1 && rest[0] >= '0' && rest[0] <= '7';
}

absl::Status Check(std::string_view text, const Device& device) {
  switch (device.kind) {
    case DeviceKind::kVeth:
    case DeviceKind::kTap:
    case DeviceKind::kAfXdp:
      if (!ValidNetdev(device.target)) return Bad(text, "not the name of a netdev");
      return absl::OkStatus();
    case DeviceKind::kPci:
      if (!ValidPci(device.target)) return Bad(text, "not a PCI address like 0000:01:00.0");
      return absl::OkStatus();
    case DeviceKind::kVhost:
    case DeviceKind::kVirtio:
      if (!ValidPath(device.target, kSocketBytesMax)) {
        return Bad(text, "not the path of a socket (1 to 107 bytes, no comma)");
      }
      return absl::OkStatus();
    case DeviceKind::kRing:
      if (!ValidRing(device.target)) {
        return Bad(text, "not the name of a ring (1 to 20 letters, digits, - _ .)");
      }
      return absl::OkStatus();
    case DeviceKind::kNull:
      if (!device.target.empty()) return Bad(text, "takes nothing after the colon");
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Device> ParseDevice(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view scheme_name = text.substr(0, colon);
  const Scheme* found = nullptr;
  for (const Scheme& scheme : kSchemes) {
    if (scheme.name == scheme_name) found = &scheme;
  }
  if (colon == std::string_view::npos || found == nullptr) {
    return Bad(text, "begins with none of veth: tap: pci: af_xdp: vhost: virtio: ring: null:");
  }
  Device device{.kind = found->kind, .target = std::string(text.substr(colon + 1)), .netns = ""};
  const size_t comma = device.target.find(',');
  if (device.kind == DeviceKind::kTap && comma != std::string::npos) {
    device.netns = device.target.substr(comma + 1);
    device.target.resize(comma);
    if (!ValidPath(device.netns, kPathBytesMax)) {
      return Bad(text, "not the name or path of a network namespace");
    }
  }
  const absl::Status status = Check(text, device);
  if (!status.ok()) return status;
  return device;
}

std::string FormatDevice(const Device& device) {
  return Cat(Name(device.kind), ":", device.target, device.netns.empty() ? "" : ",", device.netns);
}

bool NeedsEal(DeviceKind kind) { return kind != DeviceKind::kVeth && kind != DeviceKind::kTap; }

}  // namespace meltemi::nic
