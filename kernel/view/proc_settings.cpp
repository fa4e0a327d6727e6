// SPDX-License-Identifier: BSD-2-Clause
// /proc/sys: the registered settings as a tree. A directory is a beginning that the paths of some settings share.
#include "view/procfs.h"

namespace tine::view {
namespace {

using file::FileType;

Result<> print_setting(TextSink& sink, const Subject& subject) { return subject.setting->print(sink); }
Result<> store_setting(std::string_view text, const Subject& subject) { return subject.setting->store(text); }

constexpr Node kReadOnlySetting{
    .name = "", .mode = file::mode_of(FileType::Regular) | 0444, .print = print_setting};
constexpr Node kWritableSetting{
    .name = "", .mode = file::mode_of(FileType::Regular) | 0644, .print = print_setting, .store = store_setting};
constexpr Node kDirectoryNode{
    .name = "", .mode = file::mode_of(FileType::Directory) | 0555, .directory = &kSettingDirectory};

std::string_view directory_path(const Subject& subject) {
  return subject.setting == nullptr ? std::string_view() : std::string_view(subject.setting->path, subject.path_length);
}

// The next component of `setting`'s path below a directory with this path, which ends in a slash; empty: it is elsewhere.
std::string_view component_below(const Setting& setting, std::string_view directory) {
  const std::string_view path(setting.path);
  if (!path.starts_with(directory)) return {};
  const std::string_view rest = path.substr(directory.size());
  return rest.substr(0, rest.find('/'));
}

// What stands for `component`, found in `setting`.
struct Found {
  const Node& node;
  Subject subject;
};
Found resolve(const Setting& setting, std::string_view directory, std::string_view component) {
  const size_t end = directory.size() + component.size();
  if (setting.path[end] == '/') return {kDirectoryNode, {.setting = &setting, .path_length = end + 1}};
  return {setting.store != nullptr ? kWritableSetting : kReadOnlySetting, {.setting = &setting, .path_length = end}};
}

// Whether an earlier setting has brought the same name already.
bool is_first(const Setting& setting, std::string_view directory, std::string_view component) {
  for (const Setting* earlier = first_setting(); earlier != &setting; earlier = earlier->next)
    if (component_below(*earlier, directory) == component) return false;
  return true;
}

// A subdirectory is known by the first setting in it, so that it has the same inode number however it is found.
Result<Ref<file::Entry>> find_in_settings(file::Entry& here, std::string_view name, const Subject& subject) {
  const std::string_view directory = directory_path(subject);
  for (const Setting* setting = first_setting(); setting != nullptr; setting = setting->next) {
    if (component_below(*setting, directory) != name) continue;
    const Found found = resolve(*setting, directory, name);
    return make_entry(here, name, found.node, found.subject);
  }
  return Error(Errno::NoEnt);
}

Result<> list_settings(uint64_t from, Listing& listing, const Subject& subject) {
  const std::string_view directory = directory_path(subject);
  uint64_t position = 0;
  for (const Setting* setting = first_setting(); setting != nullptr; setting = setting->next, ++position) {
    const std::string_view component = component_below(*setting, directory);
    if (position < from || component.empty() || !is_first(*setting, directory, component)) continue;
    const Found found = resolve(*setting, directory, component);
    if (!listing.add(component, found.node, found.subject, position + 1)) return {};
  }
  return {};
}

}  // namespace

constinit const Directory kSettingDirectory{.nodes = {}, .find = find_in_settings, .list = list_settings};

}  // namespace tine::view
