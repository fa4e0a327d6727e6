// SPDX-License-Identifier: BSD-2-Clause
// Terminals: bytes in and out. Settings: tty_control.cpp; sessions and groups: job_control.cpp.
#include "view/tty.h"

#include <algorithm>

namespace tine::view {

using process::kSigInt;
using process::kSigQuit;
using process::kSigTstp;

TtyFile::TtyFile(Ref<Tty> tty, const file::Path& path, uint32_t flags, bool lasting)
    : file::File(flags, path), tty_(std::move(tty)), since_(tty_->hang_ups()), lasting_(lasting) {
  tty_->file_opened();
}

Result<Ref<file::File>> TtyFile::open(Ref<Tty> tty, const file::Path& path, uint32_t flags, bool lasting) {
  auto file = TRY(mem::make_ref<TtyFile>(tty, path, flags & ~file::kNoCtty, lasting));
  if (!(flags & file::kNoCtty)) tty->attach_on_open(process::current().process());
  return Ref<file::File>(std::move(file));
}

void Tty::file_opened() {
  bool first = false;
  {
    sync::SpinGuard guard(lock_);
    first = open_files_++ == 0;
  }
  if (first) first_opened();
}

void Tty::file_closed() {
  bool last = false;
  {
    sync::SpinGuard guard(lock_);
    last = --open_files_ == 0;
  }
  if (last) last_closed();
}

// --- Input ---

void Tty::receive(std::span<const char> bytes) {
  uint8_t effects = 0;
  while (!bytes.empty()) {
    const std::span<const char> chunk = bytes.first(std::min(bytes.size(), kChunk));
    bytes = bytes.subspan(chunk.size());
    sync::SpinGuard guard(lock_);
    effects |= discipline_.receive(chunk);
    send_locked();
  }
  react(effects);
}

size_t Tty::offer(std::span<const char> bytes) {
  uint8_t effects = 0;
  size_t done = 0;
  while (done < bytes.size()) {
    sync::SpinGuard guard(lock_);
    const size_t fits = std::min({bytes.size() - done, kChunk, discipline_.input_room()});
    if (fits == 0) break;
    effects |= discipline_.receive(bytes.subspan(done, fits));
    send_locked();
    done += fits;
  }
  react(effects);
  return done;
}

void Tty::react(uint8_t effects) {
  if (effects & LineDiscipline::kInterrupt) signal_foreground(kSigInt);
  if (effects & LineDiscipline::kQuit) signal_foreground(kSigQuit);
  if (effects & LineDiscipline::kSuspend) signal_foreground(kSigTstp);
  wake_readers();
  wake_writers();   // ^Q, or a flushed queue
}

bool Tty::gone_locked(const TtyFile& file) const { return file.hung_up() || line_closed_locked(); }

// Moves what can be read now; `complete`: the read must not go on.
Result<size_t> Tty::read_some(TtyFile& file, file::IoBuffer& into, bool& complete) {
  sync::MutexGuard turn(read_turn_);
  size_t moved = 0;
  while (!complete && into.remaining() != 0) {
    char chunk[kChunk];
    LineDiscipline::Chunk part;
    bool canonical = false;
    {
      sync::SpinGuard guard(lock_);
      if (file.hung_up() || !discipline_.readable(1)) break;
      canonical = discipline_.settings().local & kIcanon;
      part = discipline_.read(std::span(chunk).first(std::min(into.remaining(), kChunk)));
    }
    complete = part.complete;
    if (part.size == 0) break;
    const auto put = into.put(chunk, part.size);
    if (!put) return moved != 0 ? Result<size_t>(moved) : Error(put.error());
    moved += *put;
    if (*put < part.size) complete = true;
    if (canonical && into.remaining() == 0) complete = true;
  }
  return moved;
}

// Canonical mode returns a line, or what of it fits. Raw mode is governed by VMIN and VTIME: the first says how many bytes
// to wait for, the second, in tenths of a second, how long for the first one (VMIN is 0) or between two of them.
Result<size_t> Tty::read(TtyFile& file, file::IoBuffer& into) {
  if (file.hung_up()) return 0;
  TRY(check_background(process::kSigTtin));
  if (into.remaining() == 0) return 0;

  size_t done = 0;
  while (true) {
    bool complete = false;
    const auto moved = read_some(file, into, complete);
    if (!moved) return done != 0 ? Result<size_t>(done) : Error(moved.error());
    done += *moved;
    if (*moved != 0) input_taken();
    if (complete || into.remaining() == 0) return done;

    const Termios settings = this->settings();
    const bool canonical = settings.local & kIcanon;
    const uint8_t least = canonical ? 1 : settings.characters[kVMin];
    const Nanoseconds time = canonical ? 0 : settings.characters[kVTime] * 100 * kMillisecond;
    if (done != 0 && (canonical || done >= least)) return done;
    if (least == 0 && time == 0) return done;
    {
      sync::SpinGuard guard(lock_);
      if (file.hung_up()) return done;
      if (line_closed_locked() && !discipline_.readable(1)) return done != 0 ? Result<size_t>(done) : Error(Errno::Io);
    }
    if (file.non_blocking()) return done != 0 ? Result<size_t>(done) : Error(Errno::Again);

    const bool timed = time != 0 && (least == 0 || done != 0);
    const auto waited = sched::wait_until(
        read_wait_, {.name = "ttyin", .deadline = timed ? machine::now() + time : kForever}, [&] {
          sync::SpinGuard guard(lock_);
          return discipline_.readable(1) || gone_locked(file);
        });
    if (waited) continue;
    if (done != 0 || waited.error() == Errno::TimedOut) return done;
    return Error(waited.error());
  }
}

// --- Output ---

// The right to write: a whole write(2) is shown in one piece, whoever else writes.
class WriteTurn {
 public:
  explicit WriteTurn(Tty& tty) : tty_(tty) {}
  WriteTurn(const WriteTurn&) = delete;
  WriteTurn& operator=(const WriteTurn&) = delete;

  Result<> take(bool non_blocking) {
    if (try_take()) return {};
    if (non_blocking) return Error(Errno::Again);
    return sched::wait_until(tty_.write_wait_, {.name = "ttyout"}, [this] { return try_take(); });
  }
  ~WriteTurn() {
    if (!taken_) return;
    {
      sync::SpinGuard guard(tty_.lock_);
      tty_.writing_ = false;
    }
    tty_.wake_writers();
  }

 private:
  bool try_take() {
    sync::SpinGuard guard(tty_.lock_);
    if (tty_.writing_) return false;
    return taken_ = tty_.writing_ = true;
  }

  Tty& tty_;
  bool taken_ = false;
};

// Shows all of `chunk`, waiting for room; returns how much until a signal or the end of the line came.
Result<size_t> Tty::write_chunk(TtyFile& file, std::span<const char> chunk) {
  size_t done = 0;
  while (true) {
    {
      sync::SpinGuard guard(lock_);
      if (gone_locked(file)) return done != 0 ? Result<size_t>(done) : Error(Errno::Io);
      done += discipline_.write(chunk.subspan(done));
      send_locked();
    }
    if (done == chunk.size()) return done;
    if (file.non_blocking()) return done != 0 ? Result<size_t>(done) : Error(Errno::Again);
    const auto waited = sched::wait_until(write_wait_, {.name = "ttyout"}, [&] {
      sync::SpinGuard guard(lock_);
      return discipline_.output_accepts() || gone_locked(file);
    });
    if (!waited) return done != 0 ? Result<size_t>(done) : Error(waited.error());
  }
}

Result<size_t> Tty::write(TtyFile& file, file::IoBuffer& from) {
  if (file.hung_up()) return Error(Errno::Io);
  if (settings().local & kTostop) TRY(check_background(process::kSigTtou));

  WriteTurn turn(*this);
  TRY(turn.take(file.non_blocking()));
  size_t done = 0;
  while (from.remaining() != 0) {
    char chunk[kChunk];
    const auto taken = from.take(chunk, sizeof chunk);
    const auto shown = taken ? write_chunk(file, {chunk, *taken}) : taken;
    if (!shown) return done != 0 ? Result<size_t>(done) : Error(shown.error());
    done += *shown;
    if (*shown < *taken) break;
  }
  return done;
}

file::PollEvents Tty::poll(TtyFile& file, file::Poller* poller) {
  using namespace file;
  if (poller != nullptr) {
    poller->watch(read_wait_);
    poller->watch(write_wait_);
  }
  if (file.hung_up()) return kPollIn | kPollRdNorm | kPollOut | kPollWrNorm | kPollErr | kPollHup;

  sync::SpinGuard guard(lock_);
  const uint8_t* characters = discipline_.settings().characters;
  const size_t least = characters[kVTime] == 0 && characters[kVMin] != 0 ? characters[kVMin] : 1;
  PollEvents events = 0;
  if (discipline_.readable(least)) events |= kPollIn | kPollRdNorm;
  if (discipline_.output_accepts()) events |= kPollOut | kPollWrNorm;
  if (line_closed_locked()) events |= kPollHup | kPollIn | kPollRdNorm;
  return events;
}

}  // namespace tine::view
