# SPDX-License-Identifier: Apache-2.0
#
# Draws one plot of docs/benchmarks.md. Given: data and its columns, out, title,
# label, xtitle, kind (bars or curves).

set terminal svg size 900,420 font "sans-serif,12" background "white"
set output out
set title title
set ylabel label
set key outside right top
set grid ytics linecolor rgb "#cccccc"
set datafile missing "?"
set yrange [0:*]
set linetype 1 linecolor rgb "#2166ac" linewidth 2
set linetype 2 linecolor rgb "#999999" linewidth 2
set linetype 3 linecolor rgb "#d6604d" linewidth 2

if (kind eq "bars") {
	set style data histogram
	set style histogram clustered gap 1
	set style fill solid
	set boxwidth 0.9
	set xtics rotate by -40 nomirror
	plot for [i = 2:columns] data using i:xtic(1) title columnheader(i) linetype i - 1
} else {
	set style data linespoints
	set logscale x
	set xlabel xtitle
	plot for [i = 2:columns] data using 1:i title columnheader(i) linetype i - 1
}
