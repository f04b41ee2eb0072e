// Program: the load process: its ports, its two hosts, and the loop that turns them.
//
// Owns: packet memory, ports, stacks, the backend, TLS contexts and who computes handshakes.
// Thread: the caller's, pinned by it; the one place here that reads clocks and files.
#ifndef MELTEMI_BENCH_LOAD_PROGRAM_H_
#define MELTEMI_BENCH_LOAD_PROGRAM_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/load/backend.h"
#include "bench/load/options.h"
#include "bench/load/report.h"
#include "bench/load/stack.h"
#include "bench/load/tls_setup.h"
#include "dataplane/nic/packet_pools.h"
#include "dataplane/nic/port.h"

namespace meltemi::load {

class Program {
 public:
  using Stopped = std::function<bool()>;

  static absl::StatusOr<std::unique_ptr<Program>> Open(ProcessOptions options,
                                                       const Stopped& stopped);
  ~Program();

  // One run of the generator, to its end or until stopped.
  void Run(const RunOptions& options, const Stopped& stopped, RunResult* result, Effort* effort);
  // Serves as the backend alone, and answers ARP, for about `time`; sleeps where the ports allow.
  // Ends early when `fd` (-1: none) is readable: true then.
  bool Idle(Duration time, int fd);
  bool has_client() const { return client_ != nullptr; }

 private:
  explicit Program(ProcessOptions options) : options_(std::move(options)) {}
  absl::Status OpenPort(const std::string& device, const std::string& name, const Stopped& stopped,
                        std::unique_ptr<nic::Port>* port);
  absl::Status OpenTls();
  void WaitForLinks(const Stopped& stopped);
  void UseClientTls(const RunOptions& run);
  void ServeOnce(Effort* effort);
  void ReadCounters(Effort* effort) const;

  const ProcessOptions options_;
  std::unique_ptr<nic::PacketPools> pools_;
  std::unique_ptr<nic::Port> client_port_, server_port_;
  TlsContexts tls_contexts_;
  std::unique_ptr<Handshakes> handshakes_;
  std::unique_ptr<Stack> client_, server_;
  std::unique_ptr<Backend> backend_;
};

}  // namespace meltemi::load

#endif  // MELTEMI_BENCH_LOAD_PROGRAM_H_
