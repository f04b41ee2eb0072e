// meltemi-ca: signs certificates for the mesh's identities. Without a command it serves; the
// commands act on the keystore's folder, and a server that runs on it takes over what they did.
#include <signal.h>
#include <time.h>

#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "ca/limits.h"
#include "ca/os_entropy.h"
#include "ca/pages.h"
#include "ca/server.h"
#include "ca/service/server_certificate.h"
#include "control/common/log.h"
#include "control/common/signals.h"
#include "l7/base/text.h"

namespace meltemi::ca {
namespace {

using control::common::Flag;
using control::common::Level;
using control::common::Log;

constexpr char kVersion[] = "meltemi-ca 0.1";
constexpr char kUsage[] =
    "meltemi-ca: signs certificates for the mesh's identities.\n\n"
    "  meltemi-ca [FLAGS]                    serve\n"
    "  meltemi-ca rotate-root begin          make and distribute the next root (with --cacerts "
    "DIR: "
    "take it from there)\n"
    "  meltemi-ca rotate-root switch         sign with it; --force: before all know it\n"
    "  meltemi-ca rotate-root retire         distrust the old; --force: before all have let go\n"
    "  meltemi-ca rotate-root status         where a rotation stands\n"
    "  meltemi-ca join-token create          print a token, good for one certificate\n"
    "  meltemi-ca certificate create         write a server's certificate and key: Pilot's\n"
    "  meltemi-ca trust-bundle               print the roots to trust, PEM\n\n";

// Not absl::Now, which goes by the cycle counter and learns of a clock that was set only after a
// while: a certificate would begin and end by yesterday's time.
absl::Time Now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return absl::TimeFromTimespec(now);
}

int Fail(const absl::Status& status) {
  std::cerr << "meltemi-ca: " << status.message() << "\n";
  return 1;
}

int Serve(const FlagValues& values, Options options, const sigset_t& signals) {
  const auto server = Server::Start(values, std::move(options), Now, OsEntropy());
  if (!server.ok()) {
    Log(Level::kError, "cannot start", {{"error", std::string(server.status().message())}});
    return 1;
  }
  Log(Level::kInfo, "serving",
      {{"grpc", values.grpc_addr},
       {"grpc_port", Cat((*server)->grpc_port())},
       {"http", values.http_addr},
       {"http_port", Cat((*server)->http_port())},
       {"trust_domain", values.trust_domain}});
  int signal = 0;
  sigwait(&signals, &signal);
  Log(Level::kInfo, "stopping", {{"signal", Cat(signal)}});
  return 0;
}

absl::StatusOr<std::unique_ptr<Authority>> OpenExisting(const Options& options, Files* files) {
  AuthorityOptions existing = options.authority;
  existing.when_empty = AuthorityOptions::WhenEmpty::kFail;
  return Authority::Open(
      existing, files, Now, OsEntropy(), [](const std::string& what, const absl::Status& status) {
        std::cerr << what << (status.ok() ? "" : ": ") << status.message() << "\n";
      });
}

int RotateRoot(const std::string& step, const FlagValues& values, const Options& options) {
  DiskFiles files;
  const auto authority = OpenExisting(options, &files);
  if (!authority.ok()) return Fail(authority.status());
  const auto pace = values.force.empty() ? Authority::Pace::kWhenDue : Authority::Pace::kNow;
  absl::Status done;
  if (step == "begin") {
    std::optional<CaMaterial> given;
    if (!values.cacerts.empty()) {
      auto read = ReadCacerts(&files, values.cacerts);
      if (!read.ok()) return Fail(read.status());
      given = *std::move(read);
    }
    done = (*authority)->Begin(given);
  } else if (step == "switch") {
    done = (*authority)->Switch(pace);
  } else if (step == "retire") {
    done = (*authority)->Retire(pace);
  } else if (step != "status") {
    return Fail(absl::InvalidArgumentError("rotate-root begin, switch, retire or status"));
  }
  if (!done.ok()) return Fail(done);
  std::cout << StatusText(*(*authority)->current(), Now());
  return 0;
}

int CreateJoinToken(const FlagValues& values) {
  const auto identity = ParseAccount(values.trust_domain, values.account);
  if (!identity.ok()) return Fail(identity.status());
  const auto ttl = ParseTime("ttl", values.ttl.empty() ? "1h" : values.ttl);
  if (!ttl.ok()) return Fail(ttl.status());
  DiskFiles files;
  JoinTokens tokens(&files, Cat(values.data_dir, "/join-tokens"));
  const auto token = tokens.Create(*identity, values.node, *ttl, Now(), OsEntropy());
  if (!token.ok()) return Fail(token.status());
  std::cout << *token << "\n";
  return 0;
}

absl::StatusOr<ServerCertificateRequest> ReadRequest(const FlagValues& values,
                                                     const Options& options) {
  ServerCertificateRequest out;
  const auto identity = ParseAccount(values.trust_domain, values.account);
  if (!identity.ok()) return identity.status();
  if (options.node_accounts.contains(*identity)) {
    return absl::InvalidArgumentError(
        Cat("--account ", values.account, " is one of nodes; name the server's own"));
  }
  out.identity = *identity;
  for (const absl::string_view name :
       absl::StrSplit(Abs(values.dns_names), ',', absl::SkipEmpty())) {
    out.dns_names.emplace_back(name);
  }
  if (out.dns_names.empty()) return absl::InvalidArgumentError("--dns-names is required");
  if (values.out.empty()) return absl::InvalidArgumentError("--out is required");
  absl::Duration wanted;
  if (!values.ttl.empty()) {
    const auto given = ParseTime("ttl", values.ttl);
    if (!given.ok()) return given.status();
    wanted = *given;
  }
  const auto ttl = ChooseTtl(wanted, options.ttl);
  if (!ttl.ok()) return ttl.status();
  out.ttl = *ttl;
  return out;
}

int CreateCertificate(const FlagValues& values, const Options& options) {
  const auto request = ReadRequest(values, options);
  if (!request.ok()) return Fail(request.status());
  DiskFiles files;
  const auto authority = OpenExisting(options, &files);
  if (!authority.ok()) return Fail(authority.status());
  const auto log =
      IssuanceLog::Open(&files, Cat(values.data_dir, "/issuance.log"), options.log_sync);
  if (!log.ok()) return Fail(log.status());
  const auto made =
      IssueServerCertificate(*(*authority)->current(), *request, Now(), OsEntropy(), log->get());
  if (!made.ok()) return Fail(made.status());
  absl::Status written = files.MakeFolder(values.out);
  // The certificate last: who reads both meanwhile keeps what it had.
  for (const auto& [name, text] :
       {std::pair("roots.pem", &made->trusted), std::pair("key.pem", &made->key),
        std::pair("cert.pem", &made->chain)}) {
    if (written.ok()) written = files.Replace(Cat(values.out, "/", name), *text);
  }
  return written.ok() ? 0 : Fail(written);
}

int PrintTrustBundle(const Options& options) {
  DiskFiles files;
  const auto authority = OpenExisting(options, &files);
  if (!authority.ok()) return Fail(authority.status());
  std::cout << (*authority)->current()->trusted_pem;
  return 0;
}

int Command(const std::vector<std::string>& words, const FlagValues& values,
            const Options& options) {
  if (words.size() == 2 && words[0] == "rotate-root") return RotateRoot(words[1], values, options);
  if (words == std::vector<std::string>{"join-token", "create"}) return CreateJoinToken(values);
  if (words == std::vector<std::string>{"certificate", "create"}) {
    return CreateCertificate(values, options);
  }
  if (words == std::vector<std::string>{"trust-bundle"}) return PrintTrustBundle(options);
  return Fail(absl::InvalidArgumentError(Cat("\"", words[0], "\" is no command; see --help")));
}

std::vector<Flag> AllFlags(FlagValues* values) {
  std::vector<Flag> flags = ServerFlags(values);
  for (Flag& flag : CommandFlags(values)) flags.push_back(std::move(flag));
  return flags;
}

// The command line, after what the file of flags says; the words that are no flags.
absl::StatusOr<std::vector<std::string>> ReadFlags(const std::vector<std::string>& args,
                                                   FlagValues* values) {
  auto words = control::common::ParseFlags(args, AllFlags(values));
  if (!words.ok() || values->config.empty()) return words;
  DiskFiles files;
  const auto text = files.Read(values->config, limits::kStateBytesMax, Files::Secrecy::kPublic);
  if (!text.ok()) return text.status();
  const auto given = ArgumentsOfFile(*text);
  if (!given.ok()) {
    return absl::InvalidArgumentError(Cat(values->config, ": ", given.status().message()));
  }
  const auto rest = control::common::ParseFlags(*given, AllFlags(values));
  if (!rest.ok()) return rest.status();
  return control::common::ParseFlags(args, AllFlags(values));
}

absl::StatusOr<std::string> ReadPassphrase(const std::string& path) {
  if (path.empty()) return std::string();
  DiskFiles files;
  const auto text = files.Read(path, limits::kStateBytesMax, Files::Secrecy::kSecret);
  if (!text.ok()) return text.status();
  std::string out(absl::StripTrailingAsciiWhitespace(*text));
  if (out.empty()) return absl::InvalidArgumentError(Cat(path, " is empty"));
  return out;
}

int Main(const std::vector<std::string>& args) {
  FlagValues values;
  const auto words = ReadFlags(args, &values);
  if (!words.ok()) {
    std::cerr << "meltemi-ca: " << words.status().message() << "\n";
    return 2;
  }
  if (!values.version.empty()) {
    std::cout << kVersion << "\n";
    return 0;
  }
  if (!values.help.empty()) {
    FlagValues defaults;
    std::cout << kUsage << control::common::DescribeFlags(AllFlags(&defaults));
    return 0;
  }
  const auto passphrase = ReadPassphrase(values.passphrase_file);
  if (!passphrase.ok()) return Fail(passphrase.status());
  auto options = ParseOptions(values, *passphrase);
  if (!options.ok()) {
    std::cerr << "meltemi-ca: " << options.status().message() << "\n";
    return 2;
  }
  if (!words->empty()) return Command(*words, values, *options);
  const sigset_t signals = control::common::BlockSignals({SIGTERM, SIGINT});
  return Serve(values, *std::move(options), signals);
}

}  // namespace
}  // namespace meltemi::ca

int main(int argc, char** argv) {
  return meltemi::ca::Main(std::vector<std::string>(argv + 1, argv + argc));
}
