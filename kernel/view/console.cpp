// SPDX-License-Identifier: BSD-2-Clause
#include "view/console.h"

#include <charconv>
#include <optional>

#include "base/log.h"
#include "device/uart.h"
#include "file/device.h"
#include "machine/boot.h"

namespace tine::view {
namespace {

using device::Uart;

constexpr uint32_t kSerialMajor = 4, kFirstSerialMinor = 64, kTtyMajor = 5, kTtyMinor = 0, kConsoleMinor = 1;

constexpr Termios kSerialSettings = [] {
  Termios settings;
  settings.control = kB115200 | kCs8 | kCread | kHupcl | kClocal;
  return settings;
}();

class SerialTty final : public Tty, public mem::FromCache<SerialTty> {
 public:
  SerialTty(Uart& uart, unsigned index)
      : Tty(file::device_number(kSerialMajor, kFirstSerialMinor + index), kSerialSettings), uart_(uart) {}

  void start_receiving() {
    uart_.set_receiver(
        [](void* tty, std::string_view bytes) { static_cast<SerialTty*>(tty)->receive({bytes.data(), bytes.size()}); },
        this);
  }

 private:
  void send_locked() override REQUIRES(lock_) {
    for (auto bytes = discipline_.sendable(); !bytes.empty(); bytes = discipline_.sendable()) {
      uart_.write({bytes.data(), bytes.size()});
      discipline_.sent(bytes.size());
    }
  }

  Uart& uart_;
};

// Made at boot, never destroyed.
constinit SerialTty* serial_ttys[Uart::kPorts] = {};
constinit Tty* console_tty = nullptr;

// The value of the last "name=value" on the kernel's command line.
std::optional<std::string_view> boot_option(std::string_view name) {
  std::optional<std::string_view> found;
  std::string_view rest = machine::boot_info().command_line;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, end);
    if (word == "--") break;   // what follows is init's
    if (word.starts_with(name) && word.substr(name.size()).starts_with('=')) found = word.substr(name.size() + 1);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return found;
}

uint16_t boot_number(std::string_view name, uint16_t otherwise) {
  const auto text = boot_option(name).value_or("");
  uint16_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() && value != 0 ? value : otherwise;
}

Tty* choose_console() {
  const std::string_view wanted = boot_option("console").value_or("");
  constexpr std::string_view kSerial = "ttyS";
  if (wanted.starts_with(kSerial) && wanted.size() > kSerial.size()) {
    const unsigned index = static_cast<unsigned>(wanted[kSerial.size()] - '0');   // "ttyS0,115200" is well formed too
    if (index < Uart::kPorts && serial_ttys[index] != nullptr) return serial_ttys[index];
  }
  for (SerialTty* tty : serial_ttys)
    if (tty != nullptr) return tty;
  return nullptr;
}

Result<Ref<file::File>> open_serial(file::DeviceNumber number, const file::Path& path, uint32_t flags) {
  SerialTty* tty = serial_ttys[file::minor_of(number) - kFirstSerialMinor];
  if (tty == nullptr) return Error(Errno::Nxio);
  return TtyFile::open(Ref<Tty>(tty), path, flags);
}

Result<Ref<file::File>> open_console(file::DeviceNumber, const file::Path& path, uint32_t flags) {
  if (console_tty == nullptr) return Error(Errno::NoDev);
  return TtyFile::open(Ref<Tty>(console_tty), path, flags | file::kNoCtty, /*lasting=*/true);
}

Result<Ref<file::File>> open_own_terminal(file::DeviceNumber, const file::Path& path, uint32_t flags) {
  const auto terminal = controlling_terminal(process::current().process());
  if (!terminal) return Error(Errno::Nxio);
  return TtyFile::open(Ref<Tty>(static_cast<Tty*>(terminal.get())), path, flags | file::kNoCtty);
}

constinit file::Device serial_device[Uart::kPorts] = {
    {"ttyS0", 0660, kSerialMajor, kFirstSerialMinor, 1, open_serial},
    {"ttyS1", 0660, kSerialMajor, kFirstSerialMinor + 1, 1, open_serial}};
constinit file::Device console_device{"console", 0600, kTtyMajor, kConsoleMinor, 1, open_console};
constinit file::Device own_terminal_device{"tty", 0666, kTtyMajor, kTtyMinor, 1, open_own_terminal};

}  // namespace

Tty* console() { return console_tty; }

Result<> init_console() {
  for (unsigned i = 0; i < Uart::kPorts; ++i) {
    if (!Uart::port(i).present()) continue;
    auto tty = TRY(mem::make_ref<SerialTty>(Uart::port(i), i));
    TRY(tty->allocate());
    serial_ttys[i] = tty.detach();
    serial_ttys[i]->start_receiving();
    TRY(file::register_device(serial_device[i]));
  }
  console_tty = choose_console();
  if (console_tty != nullptr)
    console_tty->set_window_size({boot_number("tine.rows", 24), boot_number("tine.cols", 80)});
  TRY(file::register_device(console_device));
  return file::register_device(own_terminal_device);
}

}  // namespace tine::view
