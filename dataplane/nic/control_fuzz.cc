// Goal: what the control thread reads about devices breaks nothing: device strings of the
// bootstrap file, and rtnetlink datagrams. Method: the first byte chooses ('n' a datagram, else a
// device string, whole input).
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/nic/device.h"
#include "dataplane/nic/netlink_watch.h"
#include "l7/base/check.h"

namespace meltemi::nic {
namespace {

void ReadDevice(std::string_view text) {
  const auto device = ParseDevice(text);
  if (!device.ok()) {
    CHECK(!device.status().message().empty());
    return;
  }
  const auto again = ParseDevice(FormatDevice(*device));
  CHECK(again.ok() && *again == *device);
}

void ReadDatagram(std::span<const uint8_t> bytes) {
  std::vector<LinkEvent> events;
  ParseLinkMessages(bytes, &events);
  CHECK(events.size() <= bytes.size() / 16);  // struct nlmsghdr
  for (const LinkEvent& event : events) {
    CHECK(event.name.size() <= bytes.size() && event.name.find('\0') == std::string::npos);
  }
}

}  // namespace
}  // namespace meltemi::nic

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 0 && data[0] == 'n' && (size == 1 || data[1] != 'u')) {
    meltemi::nic::ReadDatagram({data + 1, size - 1});
  } else {
    meltemi::nic::ReadDevice({reinterpret_cast<const char*>(data), size});
  }
  return 0;
}
