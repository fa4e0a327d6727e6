// SPDX-License-Identifier: BSD-2-Clause
// A bash script with many forks, pipelines of ten stages, background jobs, traps and here-documents prints the same as
// anywhere else. As a test it is short; TINE_FORKS, TINE_PIPELINES and TINE_RUNS make it long:
//   ./tine run --smp 4 --add build/debug/tests/shell --
//     env TINE_FORKS=2000 TINE_PIPELINES=100 TINE_RUNS=20 /root/shell long_script_prints_what_it_prints_everywhere
#include "check.h"
#include "random.h"

namespace {

constexpr char kScript[] = R"script(
trap 'echo the end' EXIT
sum=0
for ((i = 0; i < FORKS; i++)); do (exit $((i % 7))); sum=$((sum + $?)); done
echo forks $sum

next() { local x; read x; echo $((x + 1)); }
for ((i = 0; i < PIPELINES; i++)); do
  echo $i | next | next | next | next | next | next | next | next | next
done | { sum=0; while read x; do sum=$((sum + x)); done; echo pipelines $sum; }
false | true | (exit 5) | true
echo status ${PIPESTATUS[@]}

pids=()
for i in {1..20}; do { sleep 0.0$((i % 3)); exit $i; } & pids+=($!); done
sum=0
for pid in ${pids[@]}; do wait $pid; sum=$((sum + $?)); done
echo jobs $sum
sleep 100 & sleep 0.1; kill $!; wait $! 2>/dev/null; echo killed $?
(trap - EXIT; kill -STOP $BASHPID; exit 4) & sleep 0.1; until kill -CONT $!; do :; done; wait $!; echo stopped $?

taken=0
trap 'taken=$((taken + 1))' USR1
for i in {1..5}; do kill -USR1 $$; done
echo taken $taken
(trap 'echo term; exit 3' TERM; kill $BASHPID; echo not reached)
echo subshell $?
while read a b; do echo "<$b $a>"; done <<END
1 one
$((1 + 1)) two
END
cat <<'END'
no $expansion here
END
for i in {1..50}; do read x <<< "string $i"; done; echo $x
echo $(echo nested $(echo in $(echo depth)))
diff <(echo same) <(echo same) && echo substituted
)script";

constexpr char kExpected[] = R"(forks %llu
pipelines %llu
status 1 0 5 0
jobs 210
killed 143
stopped 4
taken 5
term
subshell 3
<one 1>
<two 2>
no $expansion here
string 50
nested in depth
substituted
the end
)";

// Static storage.
const char* expected_output(uint64_t forks, uint64_t pipelines) {
  static char text[sizeof kExpected + 40];
  unsigned long long statuses = 0, sum = 0;
  for (uint64_t i = 0; i < forks; i++) statuses += i % 7;
  for (uint64_t i = 0; i < pipelines; i++) sum += i + 9;
  snprintf(text, sizeof text, kExpected, statuses, sum);
  return text;
}

// Static storage.
const char* output_of_script() {
  static char text[4096];
  int ends[2];
  CHECK_OK(pipe(ends));
  const pid_t shell = start_child([&] {
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl("/bin/bash", "bash", "-c", kScript, static_cast<char*>(nullptr));
    _exit(127);
  });
  close(ends[1]);
  size_t size = 0;
  for (ssize_t got; size < sizeof text - 1 && (got = read(ends[0], text + size, sizeof text - 1 - size)) > 0;)
    size += static_cast<size_t>(got);
  text[size] = '\0';
  close(ends[0]);
  CHECK_EQ(wait_for(shell), 0);
  return text;
}

}  // namespace

TEST(long_script_prints_what_it_prints_everywhere) {
  const uint64_t forks = parameter("TINE_FORKS", 300), pipelines = parameter("TINE_PIPELINES", 10);
  char text[24];
  snprintf(text, sizeof text, "%llu", static_cast<unsigned long long>(forks));
  setenv("FORKS", text, 1);
  snprintf(text, sizeof text, "%llu", static_cast<unsigned long long>(pipelines));
  setenv("PIPELINES", text, 1);
  const char* expected = expected_output(forks, pipelines);
  for (uint64_t runs = parameter("TINE_RUNS", 1); runs > 0; runs--) {
    const char* output = output_of_script();
    if (strcmp(output, expected) != 0) dprintf(STDERR_FILENO, "%s", output);
    CHECK(strcmp(output, expected) == 0);
  }
}
