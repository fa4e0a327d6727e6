// SPDX-License-Identifier: BSD-2-Clause
// Charge: a token for what the kernel keeps for a user. The object that is kept has it as a member, so that what is
// charged is given back with the object. Who holds what is exact at every moment. Locks: none; counts are atomic. A token
// itself is guarded by what guards its object.
//
//   Pipe: identity::Charge<identity::Kept::Pipes> charge_;
//   charge_ = TRY(identity::Charge<identity::Kept::Pipes>::take(payer, Errno::Nfile));
#pragma once

#include <utility>

#include "base/result.h"
#include "identity/user_record.h"
#include "mem/fault_injection.h"

namespace tine::identity {

// Who pays: a user, and whether bounds hold for it (root, and who may exceed limits: CAP_SYS_RESOURCE, CAP_SYS_ADMIN).
struct Payer {
  Ref<UserRecord> user;   // null: nobody; what it takes is not counted
  bool privileged = true;
  bool is_root() const { return user == nullptr || user->uid == 0; }   // reserves are for root
};
// The running thread's. No spinlock held.
Payer current_payer();
// process/ registers how it is found; before that, nobody pays.
void set_payer_finder(Payer (*find)());

// Counts `amount` more for the user. False: a bound is reached, nothing is counted. Privileged payers pass the bound for
// each user, and may have the reserve.
bool charge(UserRecord& user, Kept kind, uint64_t amount, bool privileged);
// The same where `most`, an rlimit, takes the place of the bound for each user.
bool charge_within(UserRecord& user, Kept kind, uint64_t amount, uint64_t most);
void charge_anyway(UserRecord& user, Kept kind, uint64_t amount);
void uncharge(UserRecord& user, Kept kind, uint64_t amount);

template <Kept kKind>
class Charge {
 public:
  Charge() = default;
  // Errors: `when_full`, when a bound is reached; NoMem, by the fault injector.
  static Result<Charge> take(const Payer& payer, Errno when_full, uint64_t amount = 1) {
    if (mem::should_fail()) return Error(Errno::NoMem);
    Charge taken;
    if (payer.user == nullptr) return taken;
    if (!charge(*payer.user, kKind, amount, payer.privileged)) return Error(when_full);
    taken.user_ = payer.user;
    taken.amount_ = amount;
    return taken;
  }
  // Errors: Again, when the user would have more than `most`.
  static Result<Charge> take_within(Ref<UserRecord> user, uint64_t amount, uint64_t most) {
    if (mem::should_fail()) return Error(Errno::Again);
    Charge taken;
    if (user == nullptr) return taken;
    if (!charge_within(*user, kKind, amount, most)) return Error(Errno::Again);
    taken.user_ = std::move(user);
    taken.amount_ = amount;
    return taken;
  }
  // For what something else bounds, and for what must not fail.
  static Charge take_anyway(Payer payer, uint64_t amount = 1) {
    Charge taken;
    if (payer.user == nullptr) return taken;
    charge_anyway(*payer.user, kKind, amount);
    taken.user_ = std::move(payer.user);
    taken.amount_ = amount;
    return taken;
  }
  Charge(Charge&& other) noexcept : user_(std::move(other.user_)), amount_(std::exchange(other.amount_, 0)) {}
  Charge& operator=(Charge&& other) noexcept {
    user_.swap(other.user_);
    std::swap(amount_, other.amount_);
    return *this;
  }
  ~Charge() {
    if (user_ != nullptr) uncharge(*user_, kKind, amount_);
  }

  // More or less of it for the same user. False: a bound is reached.
  bool add(uint64_t amount, bool privileged) {
    if (user_ == nullptr) return true;
    if (!charge(*user_, kKind, amount, privileged)) return false;
    amount_ += amount;
    return true;
  }
  void add_anyway(uint64_t amount) {
    if (user_ == nullptr) return;
    charge_anyway(*user_, kKind, amount);
    amount_ += amount;
  }
  void remove(uint64_t amount) {
    if (user_ == nullptr) return;
    uncharge(*user_, kKind, amount);
    amount_ -= amount;
  }
  bool is_root() const { return user_ == nullptr || user_->uid == 0; }
  const Ref<UserRecord>& user() const { return user_; }

 private:
  Ref<UserRecord> user_;
  uint64_t amount_ = 0;
};

}  // namespace tine::identity
