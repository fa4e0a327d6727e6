// SPDX-License-Identifier: BSD-2-Clause
// Changes of many descriptors build a new tree beside the old one and drop the old one, with the last references to
// files that may be in it, after the lock.
#include "file/descriptor_table.h"

#include "file/locks.h"

namespace tine::file {

Result<Ref<DescriptorTable>> DescriptorTable::create() { return mem::make_ref<DescriptorTable>(); }

Result<Ref<DescriptorTable>> DescriptorTable::fork() {
  Ref<DescriptorTable> copy = TRY(mem::make_ref<DescriptorTable>());
  Tree tree = snapshot();
  sync::SpinGuard guard(copy->lock_);
  copy->tree_.swap(tree);
  return copy;
}

DescriptorTable::Tree DescriptorTable::snapshot() const {
  sync::SpinGuard guard(lock_);
  return tree_;
}

DescriptorTable::~DescriptorTable() { static_cast<void>(close_all()); }

Result<Ref<File>> DescriptorTable::get(int descriptor) const {
  if (descriptor < 0) return Error(Errno::BadF);
  sync::SpinGuard guard(lock_);
  Ref<File> file = tree_.get(static_cast<unsigned>(descriptor));
  if (file == nullptr) return Error(Errno::BadF);
  return file;
}

bool DescriptorTable::close_on_exec(int descriptor) const {
  sync::SpinGuard guard(lock_);
  return descriptor >= 0 && tree_.close_on_exec(static_cast<unsigned>(descriptor));
}

Result<> DescriptorTable::set_close_on_exec(int descriptor, bool value) {
  if (descriptor < 0) return Error(Errno::BadF);
  sync::SpinGuard guard(lock_);
  if (tree_.get(static_cast<unsigned>(descriptor)) == nullptr) return Error(Errno::BadF);
  return tree_.set_close_on_exec(static_cast<unsigned>(descriptor), value);
}

Result<> DescriptorTable::check_free(unsigned limit) const {
  sync::SpinGuard guard(lock_);
  if (tree_.lowest_free(0) >= std::min(limit, kMaxDescriptors)) return Error(Errno::Mfile);
  return {};
}

Result<int> DescriptorTable::install(Ref<File> file, bool close_on_exec, unsigned limit, int least) {
  sync::SpinGuard guard(lock_);
  const unsigned number = tree_.lowest_free(static_cast<unsigned>(least));
  if (number >= std::min(limit, kMaxDescriptors)) return Error(Errno::Mfile);
  TRY(tree_.set(number, file, close_on_exec));   // a copy: what fails must not drop the last reference under the lock
  return static_cast<int>(number);
}

Result<> DescriptorTable::install_at(int descriptor, Ref<File> file, bool close_on_exec, unsigned limit) {
  if (descriptor < 0 || static_cast<unsigned>(descriptor) >= std::min(limit, kMaxDescriptors)) return Error(Errno::BadF);
  Ref<File> before;
  {
    sync::SpinGuard guard(lock_);
    before = TRY(tree_.set(static_cast<unsigned>(descriptor), file, close_on_exec));
  }
  release_record_locks(before);
  return {};
}

Result<Ref<File>> DescriptorTable::remove(int descriptor) {
  if (descriptor < 0) return Error(Errno::BadF);
  Ref<File> file;
  {
    sync::SpinGuard guard(lock_);
    if (tree_.get(static_cast<unsigned>(descriptor)) == nullptr) return Error(Errno::BadF);
    file = TRY(tree_.remove(static_cast<unsigned>(descriptor)));
  }
  release_record_locks(file);
  return file;
}

Result<> DescriptorTable::replace(Result<Tree> (*change)(const Tree&, unsigned, unsigned), unsigned first, unsigned last) {
  Tree before;
  {
    sync::SpinGuard guard(lock_);
    before = TRY(change(tree_, first, last));
    tree_.swap(before);
  }
  release_record_locks(before);
  return {};
}

Result<> DescriptorTable::close_range(unsigned first, unsigned last) {
  return replace([](const Tree& tree, unsigned from, unsigned to) { return tree.without_range(from, to); }, first, last);
}

Result<> DescriptorTable::set_close_on_exec_range(unsigned first, unsigned last) {
  Tree before;
  sync::SpinGuard guard(lock_);
  before = TRY(tree_.with_marked_range(first, last));
  tree_.swap(before);
  return {};
}

Result<> DescriptorTable::close_all() {
  return replace([](const Tree&, unsigned, unsigned) -> Result<Tree> { return Tree(); }, 0, 0);
}

Result<> DescriptorTable::close_marked() {
  {
    sync::SpinGuard guard(lock_);
    if (tree_.next_marked(0) < 0) return {};
  }
  return replace([](const Tree& tree, unsigned, unsigned) { return tree.without_marked(); }, 0, 0);
}

unsigned DescriptorTable::count() const {
  sync::SpinGuard guard(lock_);
  return tree_.count();
}

int DescriptorTable::next_used(int from) const {
  sync::SpinGuard guard(lock_);
  return tree_.next_used(from < 0 ? 0 : static_cast<unsigned>(from));
}

void DescriptorTable::release_record_locks(const Ref<File>& file) {
  if (file != nullptr && locks_held.load(std::memory_order_relaxed) != 0 && file->inode() != nullptr)
    release_locks(*file->inode(), *this);
}

// `closed` is the tree as it was: of its files, those that the table no longer has.
void DescriptorTable::release_record_locks(const Tree& closed) {
  for (int at = 0; locks_held.load(std::memory_order_relaxed) != 0 && (at = closed.next_used(static_cast<unsigned>(at))) >= 0;
       at++) {
    const Ref<File> file = closed.get(static_cast<unsigned>(at));
    const Result<Ref<File>> now = get(at);
    if (!now || *now != file) release_record_locks(file);
  }
}

}  // namespace tine::file
