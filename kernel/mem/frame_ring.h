// SPDX-License-Identifier: BSD-2-Clause
// A ring of Frame records, linked through the records themselves: free blocks of one size, slabs of one cache.
#pragma once

#include <boost/intrusive/circular_list_algorithms.hpp>

#include "mem/frame.h"

namespace tine::mem {

class FrameRing {
 public:
  bool empty() const { return first_ == nullptr; }
  Frame* first() const { return first_; }   // nullptr when empty
  static Frame* after(const Frame& frame) { return frame.free.next; }

  void push_front(Frame& frame) {
    if (first_ == nullptr)
      Links::init_header(&frame);
    else
      Links::link_before(first_, &frame);
    first_ = &frame;
  }
  void remove(Frame& frame) {
    if (first_ == &frame) first_ = frame.free.next == &frame ? nullptr : frame.free.next;
    Links::unlink(&frame);
  }
  size_t count() const { return first_ == nullptr ? 0 : Links::count(first_); }

 private:
  struct Traits {
    using node = Frame;
    using node_ptr = Frame*;
    using const_node_ptr = const Frame*;
    static node_ptr get_next(const_node_ptr n) { return n->free.next; }
    static void set_next(node_ptr n, node_ptr next) { n->free.next = next; }
    static node_ptr get_previous(const_node_ptr n) { return n->free.previous; }
    static void set_previous(node_ptr n, node_ptr previous) { n->free.previous = previous; }
  };
  using Links = boost::intrusive::circular_list_algorithms<Traits>;
  Frame* first_ = nullptr;
};

}  // namespace tine::mem
