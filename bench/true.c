// SPDX-License-Identifier: BSD-2-Clause
// The least program, linked statically and against musl's dynamic linker: what is spawned to measure spawning.
int main(void) { return 0; }
