// SPDX-License-Identifier: BSD-2-Clause
// Signal actions: what a process does with each signal. Source: signal(7), sigaction(2). Seed rows R6, C15.
#include "process/process.h"
#include "process/signal.h"

namespace tine::process {

DefaultAction default_action(int signal) {
  switch (signal) {
    case kSigChld:
    case kSigUrg:
    case kSigWinch:
      return DefaultAction::Ignore;
    case kSigCont:
      return DefaultAction::Continue;
    case kSigStop:
    case kSigTstp:
    case kSigTtin:
    case kSigTtou:
      return DefaultAction::Stop;
    case kSigQuit:
    case kSigIll:
    case kSigTrap:
    case kSigAbrt:
    case kSigBus:
    case kSigFpe:
    case kSigSegv:
    case kSigXcpu:
    case kSigXfsz:
    case kSigSys:
      return DefaultAction::Core;
    default:
      return DefaultAction::Terminate;
  }
}

Result<Ref<SignalActions>> SignalActions::clone() const {
  auto copy = TRY(mem::make_ref<SignalActions>());
  SignalSet caught, ignored;
  Ref<ActionTable> table;
  {
    sync::SpinGuard guard(lock_);
    caught = caught_;
    ignored = ignored_;
    table = table_;
  }
  sync::SpinGuard guard(copy->lock_);
  copy->caught_ = caught;
  copy->ignored_ = ignored;
  copy->table_ = std::move(table);
  return copy;
}

SignalAction SignalActions::get(int signal) const {
  sync::SpinGuard guard(lock_);
  SignalAction action = table_ != nullptr ? table_->actions[signal - 1] : SignalAction();
  if (ignored_.has(signal))
    action.handler = SignalAction::kIgnore;
  else if (!caught_.has(signal))
    action.handler = SignalAction::kDefault;
  return action;
}

Result<SignalAction> SignalActions::exchange(int signal, const SignalAction& action) {
  const SignalAction old = get(signal);
  Ref<ActionTable>
      spare;  // becomes the table when that is shared; then holds the old one, released without the lock
  while (true) {
    {
      sync::SpinGuard guard(lock_);
      const bool is_own = table_ != nullptr && table_->ref_count() == 1;
      if (is_own || spare != nullptr) {
        if (!is_own) {
          if (table_ != nullptr) __builtin_memcpy(spare->actions, table_->actions, sizeof(spare->actions));
          table_.swap(spare);
        }
        table_->actions[signal - 1] = action;
        caught_.remove(signal);
        ignored_.remove(signal);
        if (action.handler == SignalAction::kIgnore)
          ignored_.add(signal);
        else if (action.handler != SignalAction::kDefault)
          caught_.add(signal);
        return old;
      }
    }
    spare = TRY(mem::make_ref<ActionTable>());
  }
}

void SignalActions::reset(int signal) {
  sync::SpinGuard guard(lock_);
  caught_.remove(signal);
  ignored_.remove(signal);
}

void SignalActions::reset_to_default() {
  Ref<ActionTable> old;
  sync::SpinGuard guard(lock_);
  caught_ = SignalSet();
  table_.swap(old);
}

bool SignalActions::ignores(int signal) const {
  const DefaultAction usual = default_action(signal);
  sync::SpinGuard guard(lock_);
  if (ignored_.has(signal)) return true;
  return !caught_.has(signal) && (usual == DefaultAction::Ignore || usual == DefaultAction::Continue);
}

bool SignalActions::is_default(int signal) const {
  sync::SpinGuard guard(lock_);
  return !ignored_.has(signal) && !caught_.has(signal);
}

SignalSet SignalActions::caught() const {
  sync::SpinGuard guard(lock_);
  return caught_;
}

SignalSet SignalActions::ignored() const {
  sync::SpinGuard guard(lock_);
  return ignored_;
}

Result<SignalAction> set_signal_action(Process& process, int signal, const SignalAction* action) {
  Ref<SignalActions> actions = process.actions();
  if (action == nullptr) return actions->get(signal);
  const SignalAction old = TRY(actions->exchange(signal, *action));
  if (actions->ignores(signal)) {
    const SignalSet ignored = SignalSet::of(signal);
    sync::SpinGuard guard(process.lock);
    process.pending.discard(ignored);
    for (Thread& thread : process.threads) thread.pending.discard(ignored);
  }
  return old;
}

}  // namespace tine::process
