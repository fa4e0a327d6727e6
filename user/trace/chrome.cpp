// SPDX-License-Identifier: BSD-2-Clause
// Lives as Chrome's trace format: a track for each process and thread, a slice for each program that it runs, one inside it
// while a vfork waits, an arrow for each fork. Processes keep the order of their forks. Source: Google's "Trace Event
// Format". A process that was there before the first event begins with that.
#include "chrome.h"

#include <stdlib.h>
#include <string.h>

#include "events.h"

namespace trace {

namespace {

// A process or a further thread of one, from its fork to its end. A pid that is used again is another life.
struct Life {
  int pid = 0, tid = 0;
  int track = 0;           // what stands for the pid in the output; unique
  bool alive = true;
  bool waits = false;      // in vfork, for `waits_for`
  int waits_for = 0;
  int cpu = -1;
  uint64_t slice_start = 0, wait_start = 0;
  char name[64] = "";
};

class Printer {
 public:
  explicit Printer(const Events& events) : events_(events) {}

  bool print() {
    lives_ = static_cast<Life*>(calloc(3 * events_.count + 1, sizeof(Life)));   // an event names at most three
    if (lives_ == nullptr) return false;
    printf("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"dropped\":%llu,\"cpus\":%u},\"traceEvents\":[",
           static_cast<unsigned long long>(events_.dropped), events_.cpus);
    for (size_t i = 0; i < events_.count; i++) print_event(events_.all[i]);
    for (size_t i = 0; i < count_; i++)
      if (lives_[i].alive) end_slice(lives_[i], events_.end, "still running");
    fputs("\n]}\n", stdout);
    free(lives_);
    return true;
  }

 private:
  Life* find_alive(int pid, int tid) {
    for (size_t i = count_; i-- > 0;)
      if (lives_[i].pid == pid && lives_[i].tid == tid && lives_[i].alive) return &lives_[i];
    return nullptr;
  }

  // The living one; made, as if it had always been there, when nothing is known of it.
  Life& find(int pid, int tid) {
    if (Life* life = find_alive(pid, tid)) return *life;
    char name[64] = "kernel";   // process 0
    if (pid != 0) snprintf(name, sizeof name, "pid %d", pid);
    return begin(pid, tid, events_.all[0].time, name);
  }

  Life& begin(int pid, int tid, uint64_t time, const char* name) {
    int track = pid;
    for (size_t i = 0; i < count_; i++)   // 10 million is beyond every pid and thread id
      if (lives_[i].pid == pid && tid == pid && lives_[i].tid == tid) track += 10'000'000;
    Life& life = lives_[count_++];
    life = {};
    life.pid = pid;
    life.tid = tid;
    life.track = tid == pid ? track : find(pid, pid).track;
    life.slice_start = time;
    snprintf(life.name, sizeof life.name, "%s", name);
    if (tid == pid) {
      open_event('M', life, nullptr);
      printf(",\"name\":\"process_sort_index\",\"args\":{\"sort_index\":%zu}}", count_);
    }
    name_track(life);
    return life;
  }

  void name_track(const Life& life) {
    const bool process = life.tid == life.pid;
    open_event('M', life, nullptr);
    printf(",\"name\":\"%s\",\"args\":{\"name\":\"", process ? "process_name" : "thread_name");
    print_text(life.name);
    fputs("\"}}", stdout);
  }

  void print_event(const Event& event) {
    switch (event.kind) {
      case Kind::Fork: {
        Life& parent = find(event.pid, event.tid);
        begin(event.child, event.child, event.time, event.name);
        arrow('s', parent, event.time, event.child, event.how);
        arrow('f', find(event.child, event.child), event.time, event.child, event.how);
        if (strcmp(event.how, "vfork") == 0) {
          parent.waits = true;
          parent.waits_for = event.child;
          parent.wait_start = event.time;
        }
        break;
      }
      case Kind::Thread:
        find(event.pid, event.pid);
        begin(event.pid, event.child, event.time, event.name);
        arrow('s', find(event.pid, event.tid), event.time, event.child, "thread");
        arrow('f', find(event.pid, event.child), event.time, event.child, "thread");
        break;
      case Kind::Start:   // told by its creator: it may have run and ended since
        if (Life* life = find_alive(event.pid, event.tid)) life->cpu = event.cpu;
        break;
      case Kind::Exec: {
        Life& life = find(event.pid, event.pid);
        end_waits(event.pid, event.time);
        end_slice(life, event.time, "exec");
        life.slice_start = event.time;
        snprintf(life.name, sizeof life.name, "%s", event.name);
        name_track(life);
        break;
      }
      case Kind::Exit: {
        end_waits(event.pid, event.time);
        char how[48];
        const int signal = event.status & 0x7f;
        if (signal != 0) snprintf(how, sizeof how, "killed by signal %d", signal);
        else snprintf(how, sizeof how, "exit %d", event.status >> 8 & 0xff);
        end_all_of(event.pid, event.time, how);
        break;
      }
      case Kind::ThreadEnd: {
        Life* life = find_alive(event.pid, event.tid);
        if (life == nullptr) break;
        end_slice(*life, event.time, "thread end");
        life->alive = false;
        break;
      }
    }
  }

  // Those who wait in vfork for this process go on.
  void end_waits(int pid, uint64_t time) {
    for (size_t i = 0; i < count_; i++) {
      Life& life = lives_[i];
      if (!life.waits || life.waits_for != pid || !life.alive) continue;
      life.waits = false;
      slice(life, "vfork wait", life.wait_start, time, nullptr);
    }
  }

  void end_all_of(int pid, uint64_t time, const char* how) {
    find(pid, pid);
    for (size_t i = 0; i < count_; i++) {
      Life& life = lives_[i];
      if (life.pid != pid || !life.alive) continue;
      end_slice(life, time, how);
      life.alive = false;
    }
  }

  void end_slice(Life& life, uint64_t time, const char* how) {
    if (life.waits) slice(life, "vfork wait", life.wait_start, time, nullptr);
    slice(life, life.name, life.slice_start, time, how);
  }

  void slice(const Life& life, const char* name, uint64_t start, uint64_t end, const char* how) {
    open_event('X', life, &start);
    print_time(",\"dur\":", end > start ? end - start : 0);
    fputs(",\"name\":\"", stdout);
    print_text(name);
    fputs("\",\"args\":{", stdout);
    if (how != nullptr) printf("\"end\":\"%s\",\"pid\":%d,\"first cpu\":%d", how, life.pid, life.cpu);
    fputs("}}", stdout);
  }

  // From the forking thread ('s') to the new one ('f').
  void arrow(char phase, const Life& life, uint64_t time, int child, const char* how) {
    if (phase == 's') arrows_++;
    open_event(phase, life, &time);
    printf(",\"cat\":\"fork\",\"id\":%llu,\"name\":\"%s %d\"%s}", static_cast<unsigned long long>(arrows_), how, child,
           phase == 'f' ? ",\"bp\":\"e\"" : "");
  }

  void open_event(char phase, const Life& life, const uint64_t* time) {
    printf("%s\n{\"ph\":\"%c\",\"pid\":%d,\"tid\":%d", first_ ? "" : ",", phase, life.track,
           life.tid == life.pid ? life.track : life.tid);
    first_ = false;
    if (time != nullptr) print_time(",\"ts\":", *time);
  }

  // Microseconds are the format's unit.
  static void print_time(const char* key, uint64_t time) {
    printf("%s%llu.%03llu", key, static_cast<unsigned long long>(time / 1000), static_cast<unsigned long long>(time % 1000));
  }

  // As the inside of a JSON string. Octal escapes of the tracepoint become what they stand for, or "?".
  static void print_text(const char* text) {
    for (; *text != '\0'; text++) {
      unsigned char c = static_cast<unsigned char>(*text);
      if (c == '\\' && text[1] >= '0' && text[1] <= '3' && strspn(text + 1, "01234567") >= 3) {
        c = static_cast<unsigned char>((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
        text += 3;
      }
      if (c == '"' || c == '\\') putchar('\\');
      putchar(c < 0x20 || c >= 0x7f ? '?' : c);
    }
  }

  const Events& events_;
  Life* lives_ = nullptr;
  size_t count_ = 0;
  uint64_t arrows_ = 0;
  bool first_ = true;
};

}  // namespace

int print_chrome(const char* path) {
  FILE* from = path != nullptr ? fopen(path, "r") : stdin;
  if (from == nullptr) {
    perror(path);
    return 1;
  }
  Events events;
  if (!read_events(from, events)) {
    fprintf(stderr, "tine-trace: %s: no trace in it\n", path != nullptr ? path : "standard input");
    return 1;
  }
  if (events.dropped != 0)
    fprintf(stderr, "tine-trace: %llu older events had no room; a larger kern.trace_events (sysctl, or the kernel's command line) makes more\n",
            static_cast<unsigned long long>(events.dropped));
  return Printer(events).print() && fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace trace
