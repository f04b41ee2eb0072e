// meltemi-load: this file only joins the parts.
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "bench/load/options.h"
#include "bench/load/program.h"
#include "bench/load/report.h"
#include "l7/base/text.h"

namespace meltemi::load {
namespace {

constexpr char kVersion[] = "meltemi-load 0.1\n";

volatile sig_atomic_t stop_asked = 0;

void OnSignal(int /*signal*/) { stop_asked = 1; }
bool Stopped() { return stop_asked != 0; }

void Pin(int cpu) {
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0) {
    std::cerr << "meltemi-load: cannot run on CPU " << cpu << "\n";
  }
}

int RunOnce(Program* program, const Options& options) {
  RunResult result;
  Effort effort;
  program->Run(options.run, Stopped, &result, &effort);
  const auto format = options.process.json ? ToJson : ToText;
  std::cout << format(options.run, result, effort) << (options.process.json ? "\n" : "");
  return result.problem.empty() ? 0 : 1;
}

void AnswerLine(Program* program, const std::string& line, const RunOptions& defaults) {
  const auto run = ParseRun(line, defaults);
  if (!run.ok()) {
    std::cout << "{\"problem\":\"bad run: " << run.status().message() << "\"}" << std::endl;
    return;
  }
  RunResult result;
  Effort effort;
  program->Run(*run, Stopped, &result, &effort);
  std::cout << ToJson(*run, result, effort) << std::endl;
}

// One run for each line; ends with the input.
int Interactive(Program* program, const Options& options) {
  std::cout << "{\"ready\":true}" << std::endl;
  std::string pending;
  while (!Stopped()) {
    if (!program->Idle(Duration::Seconds(3600), STDIN_FILENO)) continue;
    char text[4096];
    const ssize_t n = read(STDIN_FILENO, text, sizeof(text));
    if (n <= 0) break;
    pending.append(text, static_cast<size_t>(n));
    for (size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
      const std::string line = pending.substr(0, end);
      pending.erase(0, end + 1);
      AnswerLine(program, line, options.run);
    }
  }
  return 0;
}

int Main(const std::vector<std::string>& args) {
  const auto options = ParseOptions(args);
  if (!options.ok()) {
    std::cerr << "meltemi-load: " << options.status().message() << "; try --help\n";
    return 2;
  }
  const ProcessOptions& process = options->process;
  if (process.wants_help || process.wants_version) {
    std::cout << (process.wants_help ? process.help : kVersion);
    return 0;
  }
  struct sigaction action {};
  action.sa_handler = OnSignal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  auto program = Program::Open(process, Stopped);
  if (!program.ok()) {
    std::cerr << "meltemi-load: " << program.status().message() << "\n";
    return 1;
  }
  Pin(process.cpu);
  if (!(*program)->has_client()) {
    while (!Stopped()) (*program)->Idle(Duration::Seconds(3600), -1);
    return 0;
  }
  return process.interactive ? Interactive(program->get(), *options)
                             : RunOnce(program->get(), *options);
}

}  // namespace
}  // namespace meltemi::load

int main(int argc, char** argv) {
  return meltemi::load::Main(std::vector<std::string>(argv + 1, argv + argc));
}
