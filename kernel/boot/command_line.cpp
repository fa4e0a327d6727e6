// SPDX-License-Identifier: BSD-2-Clause
#include "boot/command_line.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/log.h"
#include "machine/latency.h"

namespace tine::boot {

namespace {

constexpr size_t kMaxWords = 64;

constinit Options parsed;
constinit std::array<std::string_view, kMaxWords> arguments{};
constinit std::array<std::string_view, kMaxWords> environment{};
constinit size_t argument_count = 0, environment_count = 0;

// The next word, without the quotes around it or around its value; advances `line`.
std::string_view next_word(std::string_view& line) {
  const size_t start = line.find_first_not_of(" \t\n");
  if (start == line.npos) {
    line = {};
    return {};
  }
  line.remove_prefix(start);
  bool quoted = false;
  size_t end = 0;
  while (end < line.size() && (quoted || !(line[end] == ' ' || line[end] == '\t' || line[end] == '\n')))
    quoted ^= line[end++] == '"';
  std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  if (word.size() >= 2 && word.front() == '"' && word.back() == '"') word = word.substr(1, word.size() - 2);
  return word;
}

template <class Number>
void read_number(std::string_view name, std::string_view text, Number least, Number most, Number& into) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
    log(LogLevel::Warning, "command line: %.*s=%.*s is not a number from %lld to %lld; ignored\n",
        static_cast<int>(name.size()), name.data(), static_cast<int>(text.size()), text.data(),
        static_cast<long long>(least), static_cast<long long>(most));
    return;
  }
  into = value;
}

// Init would miss what is left out here, so it is told; Linux even panics.
void add(std::array<std::string_view, kMaxWords>& list, size_t& count, std::string_view word) {
  if (count < list.size()) {
    list[count++] = word;
    return;
  }
  log(LogLevel::Warning, "command line: more than %zu words for init; \"%.*s\" is left out\n", list.size(),
      static_cast<int>(std::min<size_t>(word.size(), 80)), word.data());
}

// "spinlock" of "kern.latency_limit_spinlock"; empty: `name` is another word.
std::string_view latency_limit_name(std::string_view name) {
  constexpr std::string_view kPrefix = "kern.latency_limit_";
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : std::string_view();
}

void set_latency_limit(std::string_view name, std::string_view kind, std::string_view value) {
#if TINE_DEBUG
  for (size_t i = 0; i < machine::kLatencyKinds; i++) {
    if (machine::kLatencyNames[i] != kind) continue;
    Nanoseconds limit = 0;
    read_number(name, value, Nanoseconds{0}, 1000 * kSecond, limit);
    return machine::set_latency_limit(machine::Latency{static_cast<uint8_t>(i)}, limit);
  }
#endif
  log(LogLevel::Warning, "command line: %.*s=%.*s means nothing to this kernel; ignored\n", static_cast<int>(name.size()),
      name.data(), static_cast<int>(value.size()), value.data());
  (void)kind;
}

void for_init(std::string_view word) {
  auto& list = word.find('=') != word.npos ? environment : arguments;
  size_t& count = word.find('=') != word.npos ? environment_count : argument_count;
  add(list, count, word);
}

void parse_word(std::string_view word) {
  const size_t equals = word.find('=');
  const std::string_view name = word.substr(0, equals);
  const std::string_view value = equals == word.npos ? std::string_view() : word.substr(equals + 1);
  if (word == "quiet") {
    set_console_log_level(LogLevel::Warning);
  } else if (name == "loglevel") {
    unsigned level = 7;
    read_number(name, value, 0u, 8u, level);
    set_console_log_level(static_cast<LogLevel>(level == 0 ? 0 : level - 1));
  } else if (word == "debug") {
    set_console_log_level(LogLevel::Debug);
  } else if (word == "nosmp") {
    parsed.max_cpus = 1;
  } else if (name == "maxcpus") {
    read_number(name, value, 1u, 1024u, parsed.max_cpus);
  } else if (name == "init" || name == "rdinit") {
    parsed.init = value;
  } else if (name == "kern.pid_max") {
    read_number(name, value, 300, 4194304, parsed.pid_max);
  } else if (name == "kern.maxproc") {
    read_number(name, value, 16u, 4194304u, parsed.max_processes);
  } else if (name == "kern.maxthread") {
    read_number(name, value, 16u, 4194304u, parsed.max_threads);
  } else if (word == "sched.jitter") {
    parsed.jitter = true;
  } else if (const std::string_view kind = latency_limit_name(name); !kind.empty()) {
    set_latency_limit(name, kind, value);
  } else if (name == "kern.trace_events") {
    read_number(name, value, 64u, 32768u, parsed.trace_events);
  } else if (name == "console" || name == "earlycon" || name == "panic" || name == "root" || name == "ro" ||
             name == "rw" || name == "mitigations" || name == "nokaslr" || name == "rootfstype" || name == "reboot" ||
             name == "pci" || name == "acpi" || name == "noapic" || name == "nomodule" || name == "nomodules" ||
             name == "swiotlb" || name == "panic_print" || name == "no-kvmapf" || name == "tsc" ||
             name.find('.') != name.npos) {
    return;   // Linux's that mean nothing here. A dot is in names of modules' parameters, and in tine.*, read by who it concerns
  } else {
    for_init(word);
  }
}

}  // namespace

void parse_command_line(std::string_view line) {
  bool rest_for_init = false;
  while (!line.empty()) {
    const std::string_view word = next_word(line);
    if (word.empty()) continue;
    if (rest_for_init) {
      add(arguments, argument_count, word);
    } else if (word == "--") {
      rest_for_init = true;
    } else {
      parse_word(word);
    }
  }
  parsed.init_arguments = {arguments.data(), argument_count};
  parsed.init_environment = {environment.data(), environment_count};
}

const Options& options() { return parsed; }

}  // namespace tine::boot
