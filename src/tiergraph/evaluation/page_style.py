"""The style of a report's page: for wide and narrow screens and for print, light, with no font of its own."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem 1rem 4rem; background: #fff; color: #1c1c1c;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .5rem; padding-top: .6rem; border-top: 1px solid #ccc; }
h3 { font-size: 1rem; margin: 1.3rem 0 .3rem; }
p { margin: .4rem 0 .7rem; max-width: 46rem; }
.facts, .small { color: #4a4a4a; font-size: .88rem; }
.facts { display: flex; flex-wrap: wrap; gap: .1rem 1.4rem; margin: 0 0 1rem; padding: 0; list-style: none; }
.facts li, .wrap { overflow-wrap: anywhere; }
.says { background: #eef5fa; border-left: 4px solid #0072b2; padding: .7rem 1rem; margin: 1.2rem 0; }
.says h2 { border: 0; margin: 0 0 .3rem; padding: 0; font-size: 1.05rem; }
.says ul { margin: 0; padding-left: 1.1rem; }
.says li { margin: .25rem 0; }
.box { overflow-x: auto; margin: .5rem 0 1rem; border: 1px solid #ddd; }
.box:focus-visible { outline: 3px solid #0072b2; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
th, td { padding: .3rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #e6e6e6;
  font-variant-numeric: tabular-nums; vertical-align: top; }
th[scope=row], th.name, td.name { text-align: left; white-space: normal; min-width: 9rem; font-weight: 400; }
thead th { white-space: normal; overflow-wrap: anywhere; min-width: 4.5rem; vertical-align: bottom; }
thead th, thead th.name { background: #f4f4f4; font-weight: 600; }
td.router { font-weight: 600; }
td .ends { display: block; color: #4a4a4a; font-weight: 400; font-size: .78rem; }
code, pre { font-family: ui-monospace, "Liberation Mono", monospace; font-size: .82rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f6f6f6; padding: .6rem; margin: .4rem 0; }
figure { margin: .8rem 0 1.4rem; }
figure img { width: 100%; max-width: 46rem; height: auto; display: block; }
figcaption { font-size: .88rem; color: #3a3a3a; max-width: 46rem; }
details { border-bottom: 1px solid #e6e6e6; padding: .35rem 0; }
summary { cursor: pointer; overflow-wrap: anywhere; }
summary:focus-visible { outline: 3px solid #0072b2; }
ol.problems { padding-left: 1.6rem; font-size: .88rem; overflow-wrap: anywhere; }
@media (max-width: 30rem) { body { padding: 1rem .7rem 3rem; font-size: 15px; } h1 { font-size: 1.35rem; }
  th[scope=row], th.name, td.name { min-width: 7rem; } .chart { overflow-x: auto; } .chart img { min-width: 34rem; } }
@page { margin: 14mm; }
@media print { body { max-width: none; padding: 0; font-size: 10.5pt; } h2, h3 { break-after: avoid; }
  figure, .says, tr, details { break-inside: avoid; } thead { display: table-header-group; }
  .box { overflow: visible; border: 0; } .chart img { min-width: 0; max-width: 100%; max-height: 225mm;
  object-fit: contain; object-position: left; } table { font-size: 7.5pt; } th, td { padding: .15rem .3rem;
  white-space: normal; }
  td .ends { white-space: nowrap; } .wide td .ends { white-space: normal; } .wide { font-size: 6.5pt; }
  code, code.small { font-size: .9em; } th[scope=row], th.name,
  td.name { min-width: 0; }
  p.small { break-after: avoid; } }
"""
