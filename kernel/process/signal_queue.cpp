// SPDX-License-Identifier: BSD-2-Clause
// Pending signals. The set says which numbers are pending; the queue holds what is known about them, in order
// of arrival. A number can be pending without an entry, when there was no memory for one. Source: signal(7).
#include "process/signal.h"

namespace tine::process {

void PendingSignals::add(int signal, std::unique_ptr<QueuedSignal> entry) {
  if (set_.has(signal) && !is_realtime(signal)) return;
  set_.add(signal);
  if (entry != nullptr) queue_.push_back(*entry.release());
}

bool PendingSignals::take(SignalSet wanted, SentSignal& taken) {
  const SignalSet candidates = set_ & wanted;
  if (candidates.empty()) return false;
  const SignalSet faults = candidates & kSynchronousSignals;
  const int signal = faults.empty() ? candidates.first() : faults.first();

  QueuedSignal* found = nullptr;
  bool more = false;
  for (QueuedSignal& entry : queue_) {
    if (entry.info.signal != signal) continue;
    if (found != nullptr) {
      more = true;
      break;
    }
    found = &entry;
  }
  if (!more) set_.remove(signal);
  if (found == nullptr) {
    taken = SentSignal();
    taken.info.signal = signal;
    return true;
  }
  taken = *found;
  queue_.erase(queue_.iterator_to(*found));
  delete found;
  return true;
}

void PendingSignals::discard(SignalSet signals) {
  if ((set_ & signals).empty()) return;
  set_ = set_ & ~signals;
  queue_.remove_and_dispose_if([&](const QueuedSignal& entry) { return signals.has(entry.info.signal); },
                               [](QueuedSignal* entry) { delete entry; });
}

QueuedSignal* PendingSignals::find_timer(int timer_id) {
  for (QueuedSignal& entry : queue_)
    if (entry.by_timer && entry.info.timer.timer_id == timer_id) return &entry;
  return nullptr;
}

}  // namespace tine::process
