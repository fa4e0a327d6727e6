# SPDX-License-Identifier: BSD-2-Clause
"""Plots of benchmark results, drawn by gnuplot as SVG: fork against what the parent owns, and bars of the rest."""
import os
import re
import subprocess

COLOURS = {'tine': '#0072b2', 'linux': '#d55e00'}   # told apart by colour-blind eyes too
NAMES = {'tine': 'Tine', 'linux': 'Linux 6.1'}

# Each panel: the axis, the results as a pattern whose group is the size, where the size 0 is drawn, and its label.
PANELS = (
    ('resident memory of the parent, MiB', r'{}-(\d+)M', 0.25, '0'),
    ('mappings of the parent', r'{}-(\d+)-mappings', 10, 'few'),
    ('open descriptors of the parent', r'{}-(\d+)-descriptors', 3, '3'),
)
FORK_CURVES = (('fork', 'fork()', '', 7), ('fork-exit-wait', 'fork + exit + wait', 'dashtype (6,4)', 6))


def points(results, pattern, place, least):
    """(size, microseconds) of the results that match. The tiny parent stands for size 0."""
    found = []
    base = pattern.split('(')[0].rstrip('-') + '-0M'
    for result in results:
        match = re.fullmatch(pattern, result['name'])
        if result['name'] == base:
            size = least
        elif match:
            size = int(match.group(1))
        else:
            continue
        if result[place]:
            found.append((size, result[place]['median'] / 1000))
    return sorted(found)


def block(name, rows):
    return f'${name} << EOD\n' + ''.join(' '.join(str(each) for each in row) + '\n' for row in rows) + 'EOD\n'


def run_gnuplot(script):
    subprocess.run(['gnuplot'], input=script, text=True, check=True)


def unit_of_counts(results):
    return 'guest instructions ÷ 1000 = µs' if results[0]['clock'] == 'counted' else 'µs'


TIMES = (('1 µs', 1), ('10 µs', 10), ('100 µs', 100), ('1 ms', 1000), ('10 ms', 10_000), ('100 ms', 100_000), ('1 s', 1_000_000))


def legend():
    """One for all panels, above them: gnuplot's own belongs to a single plot, and its SVG arrows cannot be dashed."""
    for column, place in enumerate(('linux', 'tine')):
        for row, (_, title, dash, mark) in enumerate(FORK_CURVES):
            x, y = 0.56 + 0.22 * column, 0.95 - 0.055 * row
            for begin, end in ((0, 0.006), (0.010, 0.020), (0.024, 0.030)) if dash else ((0, 0.030),):
                yield (f'set arrow from screen {x + begin},{y} to screen {x + end},{y} nohead '
                       f'lc "{COLOURS[place]}" lw 2.2\n')
            yield (f'set label "" at screen {x + 0.015},{y} point pt {mark} ps 0.7 lc "{COLOURS[place]}"\n'
                   f'set label "{NAMES[place]}, {title}" at screen {x + 0.037},{y} left font "Helvetica,13" '
                   'textcolor "#333333"\n')


def draw_fork(results, path):
    curves = []
    for panel, (axis, pattern, least, _) in enumerate(PANELS):
        for name, _, dash, mark in FORK_CURVES:
            for place in ('linux', 'tine'):
                rows = points(results, pattern.format(name), place, least)
                if len(rows) > 1:
                    curves.append((panel, f'p{panel}_{place}_{name.replace("-", "_")}', place, dash, mark, rows))
    if not curves:
        return
    script = [f'''set terminal svg size 1180,470 dynamic noenhanced font "Helvetica,14" background "#ffffff"
set output "{path}"
set multiplot
set logscale xy
set yrange [1:2000000]
unset key
set grid ytics lc "#e3e3e3" lt 1
set border 3 lc "#666666"
set tics nomirror textcolor "#333333"
set mytics 1
set tmargin at screen 0.80
set bmargin at screen 0.17
''']
    script += [block(curve[1], curve[5]) for curve in curves]
    script.append('set label 1 "What fork costs, by what the parent owns" at screen 0.012,0.955 left '
                  'font "Helvetica,18" textcolor "#111111"\n'
                  f'set label 2 "the same virtual machine; {unit_of_counts(results)}" at screen 0.012,0.895 left '
                  'font "Helvetica,13" textcolor "#666666"\n')
    script += legend()
    lefts, rights = (0.065, 0.39, 0.715), (0.36, 0.685, 0.985)
    for panel, (axis, _, least, label) in enumerate(PANELS):
        mine = [curve for curve in curves if curve[0] == panel]
        if not mine:
            continue
        sizes = sorted({size for curve in mine for size, _ in curve[5]})
        ticks = ', '.join(f'"{label if size == least else format(size, ",")}" {size}' for size in sizes)
        times = ', '.join(f'"{text if panel == 0 else ""}" {value}' for text, value in TIMES)
        script.append(f'''set lmargin at screen {lefts[panel]}
set rmargin at screen {rights[panel]}
set xrange [{sizes[0] / 1.6}:{sizes[-1] * 1.6}]
set xtics ({ticks}) nomirror textcolor "#333333" font "Helvetica,12"
set ytics ({times}) nomirror textcolor "#333333"
set xlabel "{axis}" offset 0,0.2 textcolor "#333333"
''')
        script.append('plot ' + ', '.join(
            f'${name} using 1:2 with linespoints lc "{COLOURS[place]}" lw 2.2 {dash} pt {mark} ps 0.7'
            for _, name, place, dash, mark, _ in mine) + '\n')
        script.append('unset label\nunset arrow\n')
    script.append('unset multiplot\n')
    run_gnuplot(''.join(script))


def readable(microseconds):
    if microseconds >= 1_000_000:
        return f'{microseconds / 1_000_000:.3g} s'
    if microseconds >= 1000:
        return f'{microseconds / 1000:.3g} ms'
    return f'{microseconds:.3g} µs'


def draw_bars(results, titles, path):
    """Horizontal bars, both kernels, one pair for each time that is no point of the other plot's curves."""
    drawn = [result for result in results if result['unit'] == 'ns' and (result['tine'] or result['linux'])
             and not re.fullmatch(r'fork-(exit-wait-)?\d+(M|-mappings|-descriptors)', result['name'])]
    if not drawn:
        return
    rows = {place: [] for place in COLOURS}
    ticks = []
    for at, result in enumerate(drawn):
        y = len(drawn) - at
        ticks.append(f'"{titles.get(result["name"], result["name"])}" {y}')
        for place, shift in (('tine', 0.19), ('linux', -0.19)):
            if result[place] and result[place]['median'] > 0:
                value = result[place]['median'] / 1000
                rows[place].append((value, y + shift, f'"{readable(value)}"'))
    height = 110 + 34 * len(drawn)
    top = 1 - 70 / height
    script = f'''set terminal svg size 1000,{height} dynamic noenhanced font "Helvetica,13" background "#ffffff"
set output "{path}"
set logscale x
set xrange [0.05:20000000]
set yrange [0.4:{len(drawn) + 0.6}]
set xtics ("100 ns" 0.1, "1 µs" 1, "10 µs" 10, "100 µs" 100, "1 ms" 1000, "10 ms" 10000, "100 ms" 100000, "1 s" 1000000, "10 s" 10000000) nomirror
set ytics ({", ".join(ticks)}) nomirror scale 0
set grid xtics lc "#e3e3e3" lt 1
set border 1 lc "#666666"
set style fill solid 1 noborder
set lmargin at screen 0.345
set rmargin at screen 0.97
set tmargin at screen {top}
set bmargin at screen {40 / height}
set key at screen 0.97,{1 - 14 / height} right top horizontal samplen 1.5 width 1
set label "Processes, threads, memory: the rest" at screen 0.012,{1 - 24 / height} left font "Helvetica,18" textcolor "#111111"
set label "the same virtual machine; {unit_of_counts(results)}; shorter is better" at screen 0.012,{1 - 48 / height} left textcolor "#666666"
''' + block('tine', rows['tine']) + block('linux', rows['linux'])
    script += 'plot ' + ', '.join(
        f'${place} using (sqrt($1*0.05)):2:(0.05):1:($2-0.17):($2+0.17) with boxxyerror lc "{COLOURS[place]}" title "{NAMES[place]}", '
        f'${place} using ($1*1.12):2:3 with labels left font "Helvetica,11" textcolor "#333333" notitle'
        for place in ('tine', 'linux')) + '\n'
    run_gnuplot(script)


def draw(results, titles, folder):
    os.makedirs(folder, exist_ok=True)
    draw_fork(results, os.path.join(folder, 'fork.svg'))
    draw_bars(results, titles, os.path.join(folder, 'rest.svg'))
