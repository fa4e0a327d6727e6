#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes a table, JSON and plots of benchmark results, and compares them with the budgets or with
an earlier run.

usage: report.py (--results FILE | --from JSON) [--budgets FILE [--whole] [--check]] 
                 [--titles FILE] [--compare JSON] [--json FILE] [--svg FOLDER] [--into DOCUMENT]

FILE has a line "PLACE CLOCK NAME UNIT VALUE" for each result; several of one name are several runs.
"""
import argparse
import fnmatch
import json
import re
import statistics
import sys

import plots

PLACES = ('tine', 'linux')


def read_titles(path):
    with open(path) as file:
        rows = [line.split(maxsplit=1) for line in file if not line.startswith('#')]
    return {name: title.strip() for name, title in rows}


def read_results(path):
    """The results in the order in which they came: [{name, unit, clock, tine: {median, least, most}, linux: ...}]."""
    found = {}
    with open(path) as file:
        for line in file:
            place, clock, name, unit, value = line.split()
            result = found.setdefault(name, {'name': name, 'unit': unit, 'clock': clock})
            result.setdefault(place, []).append(int(value))
    for result in found.values():
        for place in PLACES:
            values = result.get(place)
            result[place] = values and {'median': int(statistics.median(values)), 'least': min(values), 'most': max(values)}
    return list(found.values())


def with_unit(value, unit):
    if value is None:
        return '-'
    if unit == 'ns':
        if value < 100_000:
            return f'{value / 1000:.2f} µs'
        return f'{value / 1000:,.0f} µs' if value < 10_000_000 else f'{value / 1_000_000:,.1f} ms'
    if unit == 'bytes':
        return f'{value / 1024:,.1f} KiB' if value < 1 << 30 else f'{value / (1 << 20):,.0f} MiB'
    if unit == 'per-second':
        return f'{value:,}/s'
    return f'{value:,}'


def median_at(result, place):
    return result[place]['median'] if result[place] else None


def ratio(result):
    tine, linux = median_at(result, 'tine'), median_at(result, 'linux')
    if tine is None or linux is None or tine <= 0 or linux <= 0:
        return '-'
    times = linux / tine
    return f'{times:,.0f}' if times >= 100 else f'{times:,.1f}' if times >= 10 else f'{times:.2f}'


def spread(result, place):
    """For several runs: how far the extremes are from each other, in per cent of the median."""
    at = result[place]
    if not at or at['median'] == 0 or at['least'] == at['most']:
        return ''
    return f' ±{50 * (at["most"] - at["least"]) / at["median"]:.0f}%'


def rows_of(results):
    for result in results:
        yield (result['name'],
               *(with_unit(median_at(result, place), result['unit']) + spread(result, place) for place in PLACES),
               ratio(result))


def print_changes(results, path):
    """What differs from an earlier run by more than 1 %. Counted instructions hardly do while the program is the same."""
    with open(path) as file:
        before = {result['name']: result for result in json.load(file)['results']}
    pairs = [(result, before[result['name']], place) for result in results if result['name'] in before
             for place in PLACES if result[place] and before[result['name']][place]]
    changed = 0
    print(f'\nchanges since {path}:')
    for result, old, place in pairs:
        was, now = median_at(old, place), median_at(result, place)
        if abs(now - was) > 0.01 * abs(was):
            changed += 1
            change = f'{100 * (now - was) / was:+.1f} %' if was else ''
            print(f'  {place:6} {result["name"]:34} {with_unit(was, result["unit"]):>14} -> '
                  f'{with_unit(now, result["unit"]):>14} {change:>9}')
    print(f'  {changed} of {len(pairs)} results differ by more than 1 %')


def print_table(results):
    print(f'{"":34} {"Tine":>20} {"Linux":>20} {"Linux/Tine":>11}')
    for name, tine, linux, times in rows_of(results):
        print(f'{name:34} {tine:>20} {linux:>20} {times:>11}')


def markdown(results, titles):
    yield '| what | Linux 6.1 | Tine | Linux ÷ Tine |'
    yield '| --- | ---: | ---: | ---: |'
    for name, tine, linux, times in rows_of(results):
        yield f'| {titles.get(name, name)} | {linux} | {tine} | {times} |'


BEGIN, END = re.compile(r'<!-- results of (.*) -->'), '<!-- end of results -->'


def write_into(path, results, titles):
    """Puts tables into a document, between "<!-- results of PATTERN... -->" and "<!-- end of results -->"."""
    with open(path) as file:
        lines = file.read().splitlines()
    kept, inside = [], False
    for line in lines:
        begin = BEGIN.fullmatch(line)
        inside = inside and line != END
        if not inside:
            kept.append(line)
        if begin:
            inside = True
            wanted = [result for pattern in begin.group(1).split() for result in results
                      if fnmatch.fnmatchcase(result['name'], pattern)]
            kept += ['', *markdown(wanted, titles), '']
    with open(path, 'w') as file:
        file.write('\n'.join(kept) + '\n')


def read_budgets(path):
    with open(path) as file:
        for line in file:
            words = line.split('#')[0].split()
            if words:
                yield words[0], float(words[1]), words[3] if len(words) > 2 else None


def check_budgets(path, results, whole):
    """Prints whether each budget is reached; in a whole run, all must have been measured. True unless one is missed."""
    by_name = {result['name']: result for result in results}
    reached = True
    print('\nbudgets:')
    for name, most, other in read_budgets(path):
        result = by_name.get(name)
        if result and result['clock'] != 'counted':
            continue
        value = result and median_at(result, 'tine')
        text = f'at most {most:g}'
        base = 1
        if other == 'linux':
            base = result and median_at(result, 'linux')
            text += ' × Linux'
        elif other:
            base = by_name.get(other) and median_at(by_name[other], 'tine')
            text += f' × {other}'
        elif result:
            text = f'at most {with_unit(int(most), result["unit"])}'
        if value is None or base is None:
            if whole:
                reached = False
                print(f'  {"MISSED":8} {name:32} {text}: not measured')
            continue
        good = value <= most * base
        reached = reached and good
        is_now = f'{value / base:.4g} ×' if other else with_unit(value, result['unit'])
        print(f'  {"reached" if good else "MISSED":8} {name:32} {text}: {is_now}')
    return reached


def main():
    options = argparse.ArgumentParser()
    source = options.add_mutually_exclusive_group(required=True)
    source.add_argument('--results')
    source.add_argument('--from', dest='json_source')
    for name in ('budgets', 'titles', 'compare', 'json', 'svg'):
        options.add_argument('--' + name)
    options.add_argument('--check', action='store_true', help='exit status 1 when a budget is missed')
    options.add_argument('--whole', action='store_true', help='the results are of all measurements')
    options.add_argument('--into', action='append', default=[], help='a document whose tables to write anew')
    options = options.parse_args()

    if options.results:
        results = read_results(options.results)
    else:
        with open(options.json_source) as file:
            results = json.load(file)['results']
    titles = read_titles(options.titles) if options.titles else {}
    order = {name: at for at, name in enumerate(titles)}
    results.sort(key=lambda result: order.get(result['name'], len(order)))   # those of one subject together
    print_table(results)
    for document in options.into:
        write_into(document, results, titles)
    reached = not options.budgets or check_budgets(options.budgets, results, options.whole)
    if options.compare:
        print_changes(results, options.compare)
    if options.json:
        with open(options.json, 'w') as file:
            json.dump({'units': {'ns': 'nanoseconds; with the clock "counted": guest instructions'}, 'results': results},
                      file, indent=1)
            file.write('\n')
    if options.svg:
        plots.draw(results, titles, options.svg)
    sys.exit(1 if options.check and not reached else 0)


if __name__ == '__main__':
    main()
