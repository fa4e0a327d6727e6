// SPDX-License-Identifier: BSD-2-Clause
// The queue of threads that wait for a sleeping lock, in order of arrival. A waiter's record lies on its own stack.
// It may leave only after it has seen `granted` under the queue's lock: then the thread that granted it has finished
// with the record, and with the unpark.
#pragma once

#include <boost/intrusive/circular_list_algorithms.hpp>

namespace tine::sync {

struct ParkedThread {
  void* thread = nullptr;
  bool wants_shared = false;
  bool granted = false;
  ParkedThread* next = nullptr;
  ParkedThread* previous = nullptr;
};

// A ring without a head node, so that a lock is constant-initialised.
class ParkedThreads {
 public:
  bool empty() const { return first_ == nullptr; }
  ParkedThread& first() const { return *first_; }

  void push_back(ParkedThread& waiter) {
    if (first_ == nullptr) {
      Ring::init_header(&waiter);
      first_ = &waiter;
    } else {
      Ring::link_before(first_, &waiter);
    }
  }
  ParkedThread& pop_front() {
    ParkedThread& waiter = *first_;
    first_ = waiter.next == &waiter ? nullptr : waiter.next;
    Ring::unlink(&waiter);
    return waiter;
  }

 private:
  struct Traits {
    using node = ParkedThread;
    using node_ptr = ParkedThread*;
    using const_node_ptr = const ParkedThread*;
    static node_ptr get_next(const_node_ptr n) { return n->next; }
    static void set_next(node_ptr n, node_ptr next) { n->next = next; }
    static node_ptr get_previous(const_node_ptr n) { return n->previous; }
    static void set_previous(node_ptr n, node_ptr previous) { n->previous = previous; }
  };
  using Ring = boost::intrusive::circular_list_algorithms<Traits>;
  ParkedThread* first_ = nullptr;
};

}  // namespace tine::sync
