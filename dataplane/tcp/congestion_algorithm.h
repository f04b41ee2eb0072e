// The congestion control of a Tcp's connections, named by TcpOptions.
#ifndef MELTEMI_DATAPLANE_TCP_CONGESTION_ALGORITHM_H_
#define MELTEMI_DATAPLANE_TCP_CONGESTION_ALGORITHM_H_

#include <cstdint>

namespace meltemi::tcp {

enum class CongestionAlgorithm : uint8_t { kCubic, kNewReno };

}  // namespace meltemi::tcp

#endif  // MELTEMI_DATAPLANE_TCP_CONGESTION_ALGORITHM_H_
