#include "bench/load/options.h"

#include "gtest/gtest.h"

namespace meltemi::load {
namespace {

TEST(Options, ReadsBothSidesAndTheRun) {
  const auto o = ParseOptions({"--client-device",
                               "veth:c0",
                               "--client-address",
                               "10.1.1.2/24",
                               "--client-addresses",
                               "3",
                               "--client-gateway=10.1.1.1",
                               "--server-device",
                               "virtio:/s",
                               "--server-address",
                               "10.1.2.2",
                               "--server-mac",
                               "02:00:00:00:00:0a",
                               "--server-port",
                               "80",
                               "--target",
                               "10.96.0.1:9080",
                               "--rate",
                               "1e5",
                               "--arrival",
                               "poisson",
                               "--reuse",
                               "per-request",
                               "-c",
                               "7",
                               "--duration",
                               "1.5s",
                               "--response-bytes",
                               "1048576",
                               "--hosts",
                               "10",
                               "--host",
                               "svc-{}.test"});
  ASSERT_TRUE(o.ok()) << o.status().message();
  EXPECT_EQ("veth:c0", o->process.client_device);
  ASSERT_EQ(3u, o->process.client.addresses.size());
  EXPECT_EQ("10.1.1.4", o->process.client.addresses[2].ToString());
  EXPECT_EQ(24, o->process.server.prefix_bits);
  EXPECT_EQ(10, o->process.server.mac[5]);
  EXPECT_EQ(80, o->process.server.listen_port);
  EXPECT_EQ(1'048'576u, o->process.backend.response_bytes);
  EXPECT_EQ("10.96.0.1:9080", o->run.target.ToString());
  EXPECT_EQ(100'000.0, o->run.rate);
  EXPECT_EQ(Arrival::kPoisson, o->run.arrival);
  EXPECT_EQ(Reuse::kPerRequest, o->run.reuse);
  EXPECT_EQ(7u, o->run.connections);
  EXPECT_EQ(Duration::Millis(1500), o->run.duration);
}

TEST(Options, NamesWhatIsWrong) {
  const std::vector<std::vector<std::string>> rows = {
      {},
      {"--client-device", "veth:a"},
      {"--client-device", "veth:a", "--client-address", "10.0.0.1"},  // no target
      {"--client-device", "veth:a", "--client-address", "10.0.0.1", "--target", "10.0.0.2"},
      {"--server-device", "veth:a", "--server-address", "10.0.0.1/33"},
      {"--server-device", "veth:a", "--server-address", "10.0.0.1", "--server-mac", "02:0"},
      {"--server-device", "veth:a", "--server-address", "10.0.0.1", "--duration", "5"},
      {"--server-device", "veth:a", "--server-address", "10.0.0.1", "--connections", "0"},
      {"--server-device", "veth:a", "--server-address", "10.0.0.1", "--nonsense", "1"},
  };
  for (const auto& args : rows) {
    const auto o = ParseOptions(args);
    EXPECT_FALSE(o.ok()) << (args.empty() ? "" : args.back());
    EXPECT_FALSE(o.status().message().empty());
  }
}

TEST(Options, ALineOfARunChangesWhatItNames) {
  RunOptions defaults;
  defaults.target = {*IpAddr::Parse("10.0.0.1"), 80};
  defaults.connections = 9;
  const auto run = ParseRun("--rate=50 --warmup 10ms", defaults);
  ASSERT_TRUE(run.ok()) << run.status().message();
  EXPECT_EQ(9u, run->connections);
  EXPECT_EQ(50.0, run->rate);
  EXPECT_EQ(Duration::Millis(10), run->warmup);
  EXPECT_EQ(defaults.target, run->target);
  EXPECT_FALSE(ParseRun("--mtu 9000", defaults).ok());  // of the process, not of a run
}

TEST(Options, SixteenByteAddresses) {
  const auto o = ParseOptions({"--client-device", "veth:a", "--client-address", "fd00::ffff/64",
                               "--client-addresses", "2", "--target", "[fd00::1]:80"});
  ASSERT_TRUE(o.ok()) << o.status().message();
  EXPECT_EQ("fd00::1:0", o->process.client.addresses[1].ToString());
  EXPECT_EQ("[fd00::1]:80", o->run.target.ToString());
}

}  // namespace
}  // namespace meltemi::load
