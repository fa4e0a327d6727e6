// SPDX-License-Identifier: BSD-2-Clause
#include "device/uart.h"

#include <algorithm>

#include "base/log.h"
#include "machine/interrupts.h"
#include "machine/io.h"

namespace tine::device {

namespace {

using machine::read_port8;
using machine::write_port8;

// Offsets from the base port.
// clang-format off
enum Register : uint16_t {
  kData = 0, kInterruptEnable = 1, kInterruptIdentity = 2, kFifoControl = 2, kLineControl = 3, kModemControl = 4,
  kLineStatus = 5, kModemStatus = 6, kScratch = 7,
  kDivisorLow = 0, kDivisorHigh = 1  // while the divisor latch is open
};
// clang-format on
constexpr uint8_t kReceivedInterrupt = 0x01;
constexpr uint8_t kFifoOnAndClear = 0x07;
constexpr uint8_t k8n1 = 0x03, kDivisorLatch = 0x80;
constexpr uint8_t kReady = 0x01 | 0x02, kInterruptGate = 0x08;  // DTR and RTS; OUT2
constexpr uint8_t kDataReady = 0x01, kTransmitterEmpty = 0x20;
constexpr size_t kFifoSize = 16;

constinit Uart ports[Uart::kPorts] = {Uart(0x3f8, 4), Uart(0x2f8, 3)};

void write_console(std::string_view text) {
  Uart* uart = Uart::console();
  while (!text.empty()) {
    const size_t end = text.find('\n');
    uart->write(text.substr(0, end));
    if (end == text.npos) return;
    uart->write("\r\n");
    text.remove_prefix(end + 1);
  }
}

}  // namespace

Uart& Uart::port(unsigned index) { return ports[index]; }

Uart* Uart::console() {
  for (Uart& uart : ports)
    if (uart.present()) return &uart;
  return nullptr;
}

// A UART is there if its scratch register keeps what it is given.
void Uart::probe() {
  for (const uint8_t pattern : {0x5a, 0xa5}) {
    write_port8(base_ + kScratch, pattern);
    if (read_port8(base_ + kScratch) != pattern) return;
  }
  write_port8(base_ + kInterruptEnable, 0);
  write_port8(base_ + kLineControl, kDivisorLatch);
  write_port8(base_ + kDivisorLow, 1);  // 115200 baud
  write_port8(base_ + kDivisorHigh, 0);
  write_port8(base_ + kLineControl, k8n1);
  write_port8(base_ + kFifoControl, kFifoOnAndClear);
  write_port8(base_ + kModemControl, kReady | kInterruptGate);
  present_ = true;
}

// An empty transmitter takes as much as its FIFO holds. One that never gets empty is passed over after a
// while: a kernel message is not worth a hanging machine.
void Uart::send_locked(std::string_view bytes) {
  constexpr unsigned kPatience = 1'000'000;
  while (!bytes.empty()) {
    for (unsigned i = 0; i < kPatience && !(read_port8(base_ + kLineStatus) & kTransmitterEmpty); i++) {
    }
    const size_t burst = std::min(bytes.size(), kFifoSize);
    for (const char byte : bytes.substr(0, burst)) write_port8(base_ + kData, static_cast<uint8_t>(byte));
    bytes.remove_prefix(burst);
  }
}

// In FIFO-sized bursts, each with the lock (and interrupts off) on its own, so that long output delays no
// interrupt.
void Uart::write(std::string_view bytes) {
  if (!present_) return;
  while (!bytes.empty()) {
    const std::string_view burst = bytes.substr(0, 8 * kFifoSize);
    machine::RawGuard guard(lock_);
    send_locked(burst);
    bytes.remove_prefix(burst.size());
  }
}

void Uart::set_receiver(Receiver receiver, void* argument) {
  if (!present_) return;
  while (read_port8(base_ + kLineStatus) & kDataReady) read_port8(base_ + kData);
  receiver_ = receiver;
  argument_ = argument;
  const auto routed = machine::handle_isa_interrupt(
      interrupt_line_, [](void* uart) { static_cast<Uart*>(uart)->handle_interrupt(); }, this);
  if (!routed) log(LogLevel::Warning, "uart: no interrupt line %u; input is not received", interrupt_line_);
  write_port8(base_ + kInterruptEnable, kReceivedInterrupt);
}

// Reads until the UART has nothing more: its interrupt is an edge, and comes again only from an empty
// receiver.
void Uart::handle_interrupt() {
  read_port8(base_ + kInterruptIdentity);
  while (read_port8(base_ + kLineStatus) & kDataReady) {
    char bytes[4 * kFifoSize];
    size_t count = 0;
    while (count < sizeof bytes && (read_port8(base_ + kLineStatus) & kDataReady))
      bytes[count++] = static_cast<char>(read_port8(base_ + kData));
    receiver_(argument_, {bytes, count});
  }
}

void init_uarts() {
  for (Uart& uart : ports) uart.probe();
  if (Uart::console() != nullptr) set_console_sink(write_console);
}

}  // namespace tine::device
