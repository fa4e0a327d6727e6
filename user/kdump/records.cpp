// SPDX-License-Identifier: BSD-2-Clause
#include "records.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/tfork.h>

#include "calls.h"

namespace kdump {

namespace {

// The contents of a record, from the front.
struct Contents {
  const unsigned char* at;
  size_t left;

  template <class T>
  bool take(T& value) {
    if (left < sizeof value) return false;
    memcpy(&value, at, sizeof value);
    at += sizeof value;
    left -= sizeof value;
    return true;
  }
};

unsigned long long wide(uint64_t value) { return value; }

void print_escaped(unsigned char c) {
  switch (c) {
    case '\n': fputs("\\n", stdout); return;
    case '\t': fputs("\\t", stdout); return;
    case '\0': fputs("\\0", stdout); return;
    case '"':
    case '\\': printf("\\%c", c); return;
    default: isprint(c) ? (void)putchar(c) : (void)printf("\\%03o", c);
  }
}

// As a C string would be written.
void print_string(const unsigned char* text, size_t size) {
  putchar('"');
  for (size_t i = 0; i < size; i++) print_escaped(text[i]);
  putchar('"');
}

// The data of a read or write, on lines of its own; a line for each of the text's.
void print_lines(const unsigned char* text, size_t size) {
  fputs("       \"", stdout);
  for (size_t i = 0; i < size; i++) {
    print_escaped(text[i]);
    if (text[i] == '\n' && i + 1 != size) fputs("\n        ", stdout);
  }
  fputs("\"\n", stdout);
}

void print_hexadecimal(const unsigned char* bytes, size_t size, bool with_text) {
  for (size_t line = 0; line < size; line += 16) {
    printf("       %04zx ", line);
    for (size_t i = line; i < line + 16; i++)
      if (i < size) printf(" %02x", bytes[i]);
      else if (with_text) fputs("   ", stdout);
    if (with_text) {
      fputs("  ", stdout);
      for (size_t i = line; i < line + 16 && i < size; i++) putchar(isprint(bytes[i]) ? bytes[i] : '.');
    }
    putchar('\n');
  }
}

void print_call_name(int number, const Style& style) {
  const char* name = style.plain ? nullptr : call_name(number);
  if (name != nullptr) fputs(name, stdout);
  else printf("#%d", number);
}

void print_call(Contents contents, const Style& style) {
  ktr_syscall call;
  if (!contents.take(call)) return;
  print_call_name(call.ktr_code, style);
  uint64_t arguments[8];
  size_t count = 0;
  while (count < 8 && contents.take(arguments[count])) count++;
  print_arguments(style.plain ? nullptr : call_name(call.ktr_code), arguments, count);
}

void print_return(Contents contents, const Style& style) {
  constexpr int kFirstInternal = 512;   // the kernel's own: the call is made again
  ktr_sysret done;
  if (!contents.take(done)) return;
  print_call_name(done.ktr_code, style);
  uint64_t value;
  if (done.ktr_error >= kFirstInternal) {
    fputs(" RESTART", stdout);
  } else if (done.ktr_error != 0) {
    const char* name = style.plain ? nullptr : error_name(done.ktr_error);
    printf(" -1 errno %d %s", done.ktr_error, name != nullptr ? name : "");
    if (name != nullptr) printf(" %s", strerror(done.ktr_error));
  } else if (contents.take(value)) {
    putchar(' ');
    print_value(call_name(done.ktr_code), value);
  }
}

void print_io(Contents contents, const Style& style) {
  ktr_genio io;
  if (!contents.take(io)) return;
  printf("fd %d %s %zu bytes\n", io.ktr_fd, io.ktr_rw == 0 ? "read" : "wrote", contents.left);
  const size_t shown = contents.left < style.most_io ? contents.left : style.most_io;
  if (shown == 0) return;
  if (style.io == IoStyle::Text) print_lines(contents.at, shown);
  else print_hexadecimal(contents.at, shown, style.io == IoStyle::HexadecimalAndText);
}

void print_signal(Contents contents, const Style& style) {
  ktr_psig signal;
  if (!contents.take(signal)) return;
  const char* name = style.plain ? nullptr : signal_name(signal.signo);
  if (name != nullptr) fputs(name, stdout);
  else printf("SIG%d", signal.signo);
  if (signal.action == 0) fputs(" SIG_DFL", stdout);
  else printf(" caught handler=%#llx mask=%#llx", wide(signal.action), wide(signal.mask));
  printf(" code %d", signal.code);
}

void print_struct(Contents contents) {
  const size_t name = strnlen(reinterpret_cast<const char*>(contents.at), contents.left);
  if (name == contents.left) return;
  printf("struct %s { ", reinterpret_cast<const char*>(contents.at));
  const bool is_tfork = strcmp(reinterpret_cast<const char*>(contents.at), "tfork") == 0;
  contents.at += name + 1;
  contents.left -= name + 1;
  __tfork thread;
  if (is_tfork && contents.take(thread)) {
    printf("tcb=%p, tid=%p, stack=%p", thread.tf_tcb, static_cast<void*>(thread.tf_tid), thread.tf_stack);
  } else {
    for (size_t i = 0; i < contents.left; i++) printf("%s%02x", i % 8 == 0 && i != 0 ? " " : "", contents.at[i]);
  }
  fputs(" }", stdout);
}

void print_arguments_of_exec(Contents contents) {
  size_t start = 0;
  unsigned count = 0;
  for (size_t i = 0; i < contents.left; i++) {
    if (contents.at[i] != '\0') continue;
    printf("%s[%u] = ", count != 0 ? ", " : "", count);
    print_string(contents.at + start, i - start);
    start = i + 1;
    count++;
  }
}

void print_user(Contents contents) {
  ktr_user user;
  if (!contents.take(user)) return;
  printf("%.*s %zu bytes ", KTR_USER_MAXIDLEN, user.ktr_id, contents.left);
  print_string(contents.at, contents.left);
}

}  // namespace

const char* type_name(unsigned type) {
  switch (type) {
    case KTR_SYSCALL: return "CALL";
    case KTR_SYSRET: return "RET ";
    case KTR_NAMEI: return "NAMI";
    case KTR_GENIO: return "GIO ";
    case KTR_PSIG: return "PSIG";
    case KTR_STRUCT: return "STRU";
    case KTR_USER: return "USER";
    case KTR_EXECARGS: return "ARGS";
    default: return "????";
  }
}

void print_record(const ktr_header& header, const unsigned char* bytes, const Style& style) {
  const Contents contents{bytes, header.ktr_len};
  switch (header.ktr_type) {
    case KTR_SYSCALL: print_call(contents, style); break;
    case KTR_SYSRET: print_return(contents, style); break;
    case KTR_GENIO: return print_io(contents, style);   // with lines of its own
    case KTR_PSIG: print_signal(contents, style); break;
    case KTR_STRUCT: print_struct(contents); break;
    case KTR_USER: print_user(contents); break;
    case KTR_EXECARGS: print_arguments_of_exec(contents); break;
    default: print_string(contents.at, contents.left);   // names, and whatever is unknown
  }
  putchar('\n');
}

}  // namespace kdump
