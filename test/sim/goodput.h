// Goodput of one bulk transfer from Tcp to Tcp over a Bottleneck, on a virtual clock. Exact: the
// same options give the same number.
#ifndef MELTEMI_TEST_SIM_GOODPUT_H_
#define MELTEMI_TEST_SIM_GOODPUT_H_

#include <cstdint>

#include "dataplane/tcp/tcp.h"
#include "test/sim/bottleneck.h"

namespace meltemi::sim {

struct GoodputOptions {
  BottleneckOptions path;  // of the data; acknowledgements are delayed only
  tcp::TcpOptions tcp;     // of both ends
  bool sack = true;        // else the path takes the option out of the SYN
  Duration time = Duration::Seconds(20);
};

struct Goodput {
  double mbit_s = 0;  // delivered in order, from the SYN on
  uint64_t retransmits = 0, timeouts = 0, undos = 0, lost = 0, dropped = 0;
};

Goodput MeasureGoodput(const GoodputOptions& options);

}  // namespace meltemi::sim

#endif  // MELTEMI_TEST_SIM_GOODPUT_H_
