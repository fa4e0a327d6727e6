#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Counts where the instructions of one measurement go.

The guest repeats the measurement for ever. QEMU is told through its monitor to log every instruction that it executes,
with the registers, for some rounds: from the return of bench_clock_start to the call of bench_clock_stop. From the stack
pointers this rebuilds who called whom on each kernel stack; llvm-symbolizer adds the functions that were inlined. The
result is a tree of phases with the instructions of the middle round, and needs no change of the kernel.

usage: phases.py --monitor SOCKET --trace FILE --kernel ELF --program ELF [--least N] [--rounds N] [--flat]
"""
import argparse
import bisect
import collections
import json
import os
import re
import socket
import subprocess
import sys
import time

TRACE = re.compile(r'^Trace \d+: \S+ \[\w+/(\w+)/')
STACK_POINTER = re.compile(r'RSP=(\w+)')
LEVEL = re.compile(r' CPL=(\d)')
KERNEL_HALF = 1 << 63
STACK_APART = 4096   # a stack pointer that moves further in one instruction is on another stack


class Symbols:
    """The functions of an ELF file by address."""

    def __init__(self, path):
        self.path = path
        listing = subprocess.run(['llvm-nm-19', '--defined-only', '--numeric-sort', '--demangle', path],
                                 check=True, capture_output=True, text=True).stdout
        rows = [line.split(' ', 2) for line in listing.splitlines()]
        rows = [(int(address, 16), name) for address, kind, name in rows if kind in 'tTwW']
        self.starts = [address for address, _ in rows]
        self.names = [name for _, name in rows]

    def start_of(self, address):
        at = bisect.bisect_right(self.starts, address) - 1
        return self.starts[at] if at >= 0 else 0

    def name_of(self, address):
        at = bisect.bisect_right(self.starts, address) - 1
        return shorten(self.names[at]) if at >= 0 else hex(address)

    def address_of(self, name):
        return self.starts[self.names.index(name)]


def shorten(name):
    """A C++ function's name without parameters, template arguments and namespaces that say nothing here."""
    name = name.replace('(anonymous namespace)::', '').replace('tine::', '')
    name = re.sub(r'operator(\(\)|<=>|<<|>>|<|>)', lambda match: 'operator' + ESCAPED[match.group(1)], name)
    kept, depth = [], 0
    for letter in name:
        if letter in '<(':
            depth += 1
        if depth == 0:
            kept.append(letter)
        if letter in '>)':
            depth -= 1
    return ''.join(kept).split(' const')[0].split(' ')[-1] or name


ESCAPED = {'()': '-call', '<=>': '-order', '<<': '-shift', '>>': '-shift', '<': '-less', '>': '-greater'}


def inlined(path, addresses):
    """address -> the functions that its code comes from, outermost first."""
    text = ''.join(f'{address:#x}\n' for address in addresses)
    answer = subprocess.run(['llvm-symbolizer-19', '--obj=' + path, '--inlines', '--output-style=JSON'],
                            input=text, check=True, capture_output=True, text=True).stdout
    chains = {}
    for address, line in zip(addresses, answer.splitlines()):
        names = [shorten(frame['FunctionName']) for frame in json.loads(line).get('Symbol', [])]
        chains[address] = [name for name in reversed(names) if name] or [hex(address)]
    return chains


class Monitor:
    """QEMU's human monitor."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(200):
            try:
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.05)
        self.read_prompt()

    def read_prompt(self):
        text = b''
        while not text.endswith(b'(qemu) '):
            got = self.socket.recv(65536)
            if not got:
                sys.exit('phases: QEMU went away')
            text += got

    def tell(self, command):
        self.socket.sendall(command.encode() + b'\n')
        self.read_prompt()


Step = collections.namedtuple('Step', 'address stack user')


def read_steps(lines):
    """The instructions of a log. What QEMU gave up before it began ("Stopped execution") is left out."""
    address = stack = None
    user = False
    for line in lines:
        if line.startswith('Trace '):
            if address is not None:
                yield Step(address, stack, user)
            match = TRACE.match(line)
            address = int(match.group(1), 16) if match else None
        elif line.startswith('Stopped'):
            address = None
        elif 'RSP=' in line:
            stack = int(STACK_POINTER.search(line).group(1), 16)
        elif ' CPL=' in line:
            user = LEVEL.search(line).group(1) == '3'


def follow(path, seconds):
    """The lines of a file that is still written to."""
    deadline = time.time() + seconds
    rest = ''
    with open(path, errors='replace') as file:
        while time.time() < deadline:
            got = file.read(1 << 20)
            if not got:
                time.sleep(0.05)
                continue
            lines = (rest + got).split('\n')
            rest = lines.pop()
            yield from lines
    sys.exit(f'phases: no whole round in {seconds} s')


def capture(monitor, path, program, rounds):
    """All steps from the start of the log, and where in them each whole round lies: [(first, end)]."""
    begin, end = program.address_of('bench_clock_start'), program.address_of('bench_clock_stop')
    monitor.tell('stop')
    for command in ('singlestep on', 'one-insn-per-tb on', f'logfile {path}', 'log nochain,exec,cpu', 'cont'):
        monitor.tell(command)
    steps, found, first = [], [], None
    for step in read_steps(follow(path, 240)):
        if step.user and step.address == begin:
            first = len(steps)
        elif step.user and step.address == end and first is not None:
            found.append((first, len(steps)))
            first = None
            if len(found) == rounds:
                break
        steps.append(step)
    monitor.tell('log none')
    return steps, found


class Thread:
    def __init__(self):
        self.frames = []   # (function's start, stack pointer at its first instruction, call site)
        self.saved = None  # the stack pointer while another runs


class Folder:
    """Rebuilds the calls on each kernel stack and counts instructions by path."""

    def __init__(self, kernel, program):
        self.kernel, self.program = kernel, program
        self.threads = [Thread()]
        self.current = self.threads[0]
        self.previous = None
        self.counts = collections.Counter()   # (thread, call sites..., address) -> instructions

    def switch_to(self, stack):
        self.current.saved = self.previous.stack
        for thread in self.threads:
            if thread.saved == stack:
                break
        else:
            thread = Thread()
            self.threads.append(thread)
        thread.saved = None
        self.current = thread

    def kernel_step(self, step):
        last = self.previous
        in_kernel = last is not None and not last.user and last.stack >= KERNEL_HALF
        if step.stack >= KERNEL_HALF and in_kernel and abs(step.stack - last.stack) >= STACK_APART:
            self.switch_to(step.stack)
        frames = self.current.frames
        if last is not None and last.user:
            frames.clear()
        while frames and frames[-1][1] < step.stack and frames[-1][1] >= KERNEL_HALF:
            frames.pop()
        start = self.kernel.start_of(step.address)
        if not frames:
            frames.append((start, step.stack, None))
        elif frames[-1][0] != start:
            if step.address == start and last is not None and step.stack < last.stack:
                frames.append((start, step.stack, last.address))
            else:   # a jump: the same place in the tree
                frames[-1] = (start, frames[-1][1], frames[-1][2])

    def step(self, step, counted):
        if not step.user:
            self.kernel_step(step)
        if counted:
            sites = () if step.user else tuple(frame[2] for frame in self.current.frames[1:])
            self.counts[self.current, step.user, sites, step.address] += 1
        self.previous = step


class Node:
    def __init__(self):
        self.total = self.own = 0
        self.children = collections.defaultdict(Node)

    def add(self, names, count):
        self.total += count
        if names:
            self.children[names[0]].add(names[1:], count)
        else:
            self.own += count


def tree_of(folder):
    addresses = set()
    for (_, user, sites, address), _ in folder.counts.items():
        if not user:
            addresses.update(site for site in sites if site)
            addresses.add(address)
    chains = inlined(folder.kernel.path, sorted(addresses))
    flat = collections.Counter()
    root = Node()
    order = {}
    for (thread, user, sites, address), count in folder.counts.items():
        who = order.setdefault(thread, 'the caller' if not order else f'thread {len(order) + 1}')
        if user:
            names = ['user mode', folder.program.name_of(address) if folder.program else '']
        else:
            names = [name for site in sites if site for name in chains[site]] + chains[address]
        flat[names[-1]] += count
        root.add([who] + names, count)
    return root, flat


def show(node, least, indent=0):
    for name, child in sorted(node.children.items(), key=lambda item: -item[1].total):
        if child.total < least:
            continue
        print(f'{child.total:>10,} {child.own:>8,}  {"  " * indent}{name}')
        show(child, least, indent + 1)


def main():
    options = argparse.ArgumentParser()
    for name in ('monitor', 'trace', 'kernel', 'program'):
        options.add_argument('--' + name, required=True)
    options.add_argument('--least', type=int, default=20, help='leave out what took fewer instructions')
    options.add_argument('--rounds', type=int, default=7)
    options.add_argument('--flat', action='store_true', help='by function, without the calls')
    options = options.parse_args()

    kernel, program = Symbols(options.kernel), Symbols(options.program)
    monitor = Monitor(options.monitor)
    steps, rounds = capture(monitor, options.trace, program, options.rounds)
    rounds.sort(key=lambda each: each[1] - each[0])
    first, end = rounds[len(rounds) // 2]
    folder = Folder(kernel, program)
    for at in range(end):
        folder.step(steps[at], counted=at >= first)
    root, flat = tree_of(folder)
    print('rounds of', ', '.join(f'{each[1] - each[0]:,}' for each in rounds), 'instructions; the middle one:')
    print(f'{"all":>10} {"own":>8}  where')
    if options.flat:
        for name, count in flat.most_common():
            if count >= options.least:
                print(f'{"":>10} {count:>8,}  {name}')
    else:
        show(root, options.least)


if __name__ == '__main__':
    main()
