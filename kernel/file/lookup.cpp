// SPDX-License-Identifier: BSD-2-Clause
#include "file/lookup.h"

#include <cstring>

namespace tine::file {
namespace {

constexpr unsigned kMostLinks = 40;

// Cuts the first component off `rest`, with the slashes around it.
std::string_view next_component(std::string_view& rest) {
  const size_t start = rest.find_first_not_of('/');
  if (start == std::string_view::npos) {
    rest = {};
    return {};
  }
  const size_t end = rest.find('/', start);
  const std::string_view component = rest.substr(start, end - start);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
  return component;
}

bool only_slashes(std::string_view text) { return text.find_first_not_of('/') == std::string_view::npos; }

}  // namespace

PathWalk::Last PathWalk::last() const {
  if (last_.empty()) return Last::Root;
  if (last_ == ".") return Last::Dot;
  if (last_ == "..") return Last::DotDot;
  return Last::Name;
}

Result<> PathWalk::to_root() {
  if (flags_ & kBeneath) return Error(Errno::Xdev);
  here_ = flags_ & kInRoot ? base_ : context_.root;
  return {};
}

Result<> PathWalk::to_parent(const Path& start, std::string_view path) {
  if (path.empty()) return Error(Errno::NoEnt);
  if (path.size() >= kPathMax) return Error(Errno::NameTooLong);
  if (context_.guard != nullptr) [[unlikely]] {
    admission_ = TRY(context_.guard->admit(path));
    flags_ |= admission_.flags;
  }
  here_ = base_ = start;
  rest_ = path;
  if (path.front() == '/') TRY(to_root());
  return walk_to_last();
}

Result<> PathWalk::check_search() const {
  const Inode& inode = *here_.inode();
  if (!inode.is_directory()) return Error(Errno::NotDir);
  if (!inode.allows(context_.credentials, identity::kMayExecute)) return Error(Errno::Acces);
  return {};
}

// Walks until one component is left, which may be none ("/").
Result<> PathWalk::walk_to_last() {
  while (true) {
    const std::string_view component = next_component(rest_);
    if (component.size() > kNameMax) return Error(Errno::NameTooLong);
    if (only_slashes(rest_)) {
      last_ = component;
      trailing_slash_ = !rest_.empty();
      rest_ = {};
      if (!component.empty()) TRY(check_search());
      return {};
    }
    TRY(check_search());
    TRY(step(component));
    if (here_.inode()->is_symlink()) {      // it must lead on, so it is followed, whatever the flags say
      bool jumped = false;
      const Path link = here_;
      here_ = Path(Ref<Mount>(link.mount()), link.entry()->parent());
      TRY(follow(link, rest_, jumped));
    }
  }
}

Result<> PathWalk::step(std::string_view name) {
  if (name == ".") return {};
  if (name == "..") {
    TRY(up());
    return check_confined();
  }
  Ref<Entry> entry = TRY(here_.inode()->lookup(*here_.entry(), name));
  return enter(Path(Ref<Mount>(here_.mount()), std::move(entry)));
}

Result<> PathWalk::enter(Path place) {
  if (is_mount_point(*place.entry())) {
    Path top = cross_mounts(place);
    if (top.mount() != place.mount() && (flags_ & kNoCrossMounts)) return Error(Errno::Xdev);
    place = std::move(top);
  }
  here_ = std::move(place);
  return {};
}

Result<> PathWalk::up() {
  if ((flags_ & (kBeneath | kInRoot)) && here_ == base_) {
    if (flags_ & kBeneath) return Error(Errno::Xdev);
    return {};
  }
  Path at = here_;
  if (at == context_.root) return {};
  while (at.entry() == &at.mount()->root()) {
    Path point = at.mount()->mount_point();
    if (point.empty()) return {};                  // the very root
    if (flags_ & kNoCrossMounts) return Error(Errno::Xdev);
    at = std::move(point);
    if (at == context_.root) {
      here_ = std::move(at);
      return {};
    }
  }
  Ref<Entry> parent = at.entry()->parent();
  if (parent == nullptr) return {};
  return enter(Path(Ref<Mount>(at.mount()), std::move(parent)));
}

// A directory that is moved out of base_ during the walk has a parent outside, and the way to that does not pass base_.
Result<> PathWalk::check_confined() const {
  if (!(flags_ & (kBeneath | kInRoot)) || lies_below(here_, base_)) return {};
  return Error(Errno::Again);
}

// `link` stands in here_. Afterwards either the walk goes on with the link's text before `rest`, or (jumped) a magic link
// has put the walk at its target.
Result<> PathWalk::follow(const Path& link, std::string_view rest, bool& jumped) {
  if (++links_ > kMostLinks || (flags_ & kNoSymlinks)) return Error(Errno::Loop);
  last_ = {};   // it may lie in text_, which goes; a walk that fails from here on has no last component
  Inode& inode = *link.inode();
  Path target = TRY(inode.follow());
  if (!target.empty()) {
    if (flags_ & kNoMagicLinks) return Error(Errno::Loop);
    if (flags_ & (kBeneath | kInRoot)) return Error(Errno::Xdev);
    if ((flags_ & kNoCrossMounts) && target.mount() != here_.mount()) return Error(Errno::Xdev);
    here_ = std::move(target);
    jumped = true;
    return {};
  }
  auto text = TRY(mem::Buffer<char>::make(kPathMax + rest.size()));
  const std::string_view name = TRY(inode.read_link(text.span().first(kPathMax)));
  if (name.empty()) return Error(Errno::NoEnt);
  inode.touch_accessed();
  const bool absolute = name.front() == '/';
  // read_link may give text of its own: put both parts where they stay.
  if (name.data() != text.data()) std::memcpy(text.data(), name.data(), name.size());
  std::memcpy(text.data() + name.size(), rest.data(), rest.size());
  rest_ = {text.data(), name.size() + rest.size()};
  text_ = std::move(text);          // `rest` may have lain in the old text, which dies only now, with `text`
  if (absolute) TRY(to_root());
  return {};
}

Result<> PathWalk::check_place() const {
  return context_.guard == nullptr ? Result<>() : context_.guard->check(context_.root, here_, admission_);
}

Result<> PathWalk::check_last() {
  if (context_.guard == nullptr) return {};
  Result<Ref<Entry>> found = find_last();
  if (found)
    return context_.guard->check(context_.root, Path(Ref<Mount>(here_.mount()), std::move(*found)), admission_);
  if (found.error() != Errno::NoEnt) return Error(found.error());
  return context_.guard->check_new(context_.root, here_, last_, admission_);
}

Result<Ref<Entry>> PathWalk::find_last() { return here_.inode()->lookup(*here_.entry(), last_); }

Result<bool> PathWalk::step_last() {
  if (!last_.empty()) {
    const Path parent = here_;
    TRY(step(last_));
    if (here_.inode()->is_symlink() && (flags_ & kFollowLast || trailing_slash_)) {
      const Path link = here_;
      here_ = parent;
      bool jumped = false;
      TRY(follow(link, trailing_slash_ ? "/" : "", jumped));
      if (!jumped) {
        TRY(walk_to_last());
        return false;
      }
    }
  }
  if ((flags_ & kWantDirectory || trailing_slash_) && !here_.inode()->is_directory()) return Error(Errno::NotDir);
  return true;
}

Result<Path> lookup(const LookupContext& context, const Path& start, std::string_view path, LookupFlags flags) {
  if (path.empty() && flags & kAllowEmpty) return start;
  PathWalk walk(context, flags);
  TRY(walk.to_parent(start, path));
  while (!TRY(walk.step_last())) continue;
  TRY(walk.check_place());
  return walk.place();
}

}  // namespace tine::file
