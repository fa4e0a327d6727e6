// SPDX-License-Identifier: BSD-2-Clause
// Serial ports: the 16550 UARTs at the addresses of COM1 and COM2. Writing polls, so that it works in a
// panic; what comes in is handed to the receiver from the interrupt. Source: the PC16550D data sheet.
#pragma once

#include <cstdint>
#include <string_view>

#include "machine/raw_lock.h"

namespace tine::device {

class Uart {
 public:
  // Called with interrupts off, on the CPU that the interrupt came to.
  using Receiver = void (*)(void* argument, std::string_view bytes);

  constexpr Uart(uint16_t base, unsigned interrupt_line) : base_(base), interrupt_line_(interrupt_line) {}
  Uart(const Uart&) = delete;
  Uart& operator=(const Uart&) = delete;

  // The first port that exists; null when there is none.
  static Uart* console();
  static Uart& port(unsigned index);  // 0: COM1, 1: COM2
  static constexpr unsigned kPorts = 2;

  bool present() const { return present_; }

  // Sends the bytes as they are. Any context.
  void write(std::string_view bytes);

  // From now on received bytes go to the receiver; those that came before are dropped. Call it once.
  void set_receiver(Receiver receiver, void* argument);

 private:
  friend void init_uarts();
  void probe();
  void send_locked(std::string_view bytes) REQUIRES(lock_);
  void handle_interrupt();

  const uint16_t base_;
  const unsigned interrupt_line_;
  bool present_ = false;
  Receiver receiver_ = nullptr;
  void* argument_ = nullptr;
  machine::RawLock lock_;  // the transmitter
};

// Finds the ports, sets them to 115200 8n1, and sends kernel messages to the console port.
void init_uarts();

}  // namespace tine::device
