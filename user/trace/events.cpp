// SPDX-License-Identifier: BSD-2-Clause
#include "events.h"

#include <stdlib.h>
#include <string.h>

#include "record.h"

namespace trace {

namespace {

struct KindName {
  const char* name;
  Kind kind;
};
constexpr KindName kKinds[] = {{"proc:fork", Kind::Fork}, {"proc:thread", Kind::Thread}, {"sched:fork", Kind::Start},
                               {"proc:exec", Kind::Exec}, {"proc:exit", Kind::Exit}, {"proc:thread_end", Kind::ThreadEnd}};

template <size_t kSize>
void copy(char (&to)[kSize], const char* from) {
  snprintf(to, kSize, "%s", from);
}

void set_field(Event& event, const char* key, const char* value) {
  if (strcmp(key, "pid") == 0) event.pid = atoi(value);
  else if (strcmp(key, "tid") == 0) event.tid = atoi(value);
  else if (strcmp(key, "child") == 0) event.child = atoi(value);
  else if (strcmp(key, "cpu") == 0) event.cpu = atoi(value);
  else if (strcmp(key, "status") == 0) event.status = atoi(value);
  else if (strcmp(key, "how") == 0) copy(event.how, value);
  else if (strcmp(key, "name") == 0) copy(event.name, value);
}

// Calls field(key, value) for each KEY=VALUE of `text`, which it cuts into pieces.
template <class Field>
void for_each_field(char* text, Field field) {
  for (char* word = strtok(text, " \r\n"); word != nullptr; word = strtok(nullptr, " \r\n")) {
    char* value = strchr(word, '=');
    if (value == nullptr) continue;
    *value++ = '\0';
    field(word, value);
  }
}

bool parse_event(char* line, Event& event) {
  char* after = nullptr;
  event.time = strtoull(line, &after, 10);
  if (after == line || *after++ != ' ') return false;
  const size_t length = strcspn(after, " ");
  for (const KindName& each : kKinds) {
    if (strlen(each.name) != length || strncmp(after, each.name, length) != 0) continue;
    event.kind = each.kind;
    for_each_field(after + length, [&](const char* key, const char* value) { set_field(event, key, value); });
    return true;
  }
  return false;
}

void parse_head(char* line, Events& events) {
  for_each_field(line, [&](const char* key, const char* value) {
    if (strcmp(key, "dropped") == 0) events.dropped = strtoull(value, nullptr, 10);
    else if (strcmp(key, "cpus") == 0) events.cpus = static_cast<unsigned>(atoi(value));
    else if (strcmp(key, "now") == 0) events.end = strtoull(value, nullptr, 10);
  });
}

}  // namespace

bool read_events(FILE* from, Events& events) {
  char line[256];
  size_t room = 0;
  while (fgets(line, sizeof line, from) != nullptr) {
    char* text = line;
    if (strncmp(text, kMark, strlen(kMark)) == 0) text += strlen(kMark);
    if (strncmp(text, "# events=", 9) == 0) parse_head(text, events);
    Event event;
    if (!parse_event(text, event)) continue;
    if (events.count == room) {
      room = room == 0 ? 1024 : 2 * room;
      events.all = static_cast<Event*>(realloc(static_cast<void*>(events.all), room * sizeof(Event)));
      if (events.all == nullptr) return false;
    }
    events.all[events.count++] = event;
    if (event.time > events.end) events.end = event.time;
  }
  return events.cpus != 0;
}

}  // namespace trace
