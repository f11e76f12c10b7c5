"""What the report's looks add to those of every page."""

CSS = """
.wrap { max-width: 92rem; }
td { font-size: .95rem; font-weight: 500; letter-spacing: 0; white-space: nowrap; }
td small, th small { display: block; font-size: .74rem; font-weight: 400; color: var(--soft);
  white-space: nowrap; }
.table th:first-child { white-space: nowrap; position: sticky; left: 0; background: var(--card); }
.table { overflow-x: auto; margin: 0 0 1rem; }
.table td.best { font-weight: 750; color: var(--accent); }
.table td.better { color: var(--good); } .table td.worse { color: var(--bad); }
.table td.better::before { content: "\\25B2\\00A0"; font-size: .65em; vertical-align: .15em; }
.table td.worse::before { content: "\\25BC\\00A0"; font-size: .65em; vertical-align: .15em; }
.table tr.published td, .table tr.published th { color: var(--soft); font-weight: 400; }
.table tr.published + tr.published td, .table tr.published + tr.published th {
  border-top-style: dotted; }
.table tr.ours th, .table tr.ours td {
  background: color-mix(in srgb, var(--accent) 8%, var(--card)); }
.table tr.ours th { font-weight: 700; }
.pair { display: grid; gap: 1rem; align-items: start; margin-bottom: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr)); }
.pair .table { margin: 0; }
.table.words th { text-align: left; }
.table.words td { white-space: normal; text-align: left; overflow-wrap: anywhere;
  font-weight: 400; font-size: .88rem; }
.verdict { font-size: 1.15rem; max-width: 60rem; }
nav { display: flex; flex-wrap: wrap; gap: .4rem 1.1rem; margin: 1.2rem 0 0; font-size: .92rem; }
a { color: var(--accent); text-underline-offset: .18em; }
ul.plain { margin: 0; padding-left: 1.1rem; } ul.plain li { margin: .25rem 0; max-width: 62rem; }
.curves { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr));
  max-width: 66rem; }
.curve svg { width: 100%; height: auto; font-size: 11px; }
.curve text { fill: var(--soft); }
.curve figcaption { font-size: .88rem; font-weight: 600; color: var(--ink); text-align: center; }
.grid line { stroke: var(--line); stroke-width: .7; }
.grid path { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3; fill: none; }
polyline { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
polyline.c0 { stroke-width: 2.8; }
.c0 { --c: #2f6fde; } .c1 { --c: #d9730d; } .c2 { --c: #1f9d6b; } .c3 { --c: #b545a8; }
.c4 { --c: #8a8f98; } .c5 { --c: #b8960c; } .c6 { --c: #17a2b8; } .c7 { --c: #c4453b; }
polyline { stroke: var(--c); }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; list-style: none; padding: 0;
  margin: .8rem 0 0; font-size: .88rem; }
.legend i { display: inline-block; width: 1.4rem; height: .28rem; border-radius: .2rem;
  background: var(--c); margin-right: .45rem; vertical-align: .2em; }
section > h3 { margin: 1.6rem 0 .7rem; }
section.target { border-top: 1px solid var(--line); margin-top: 3rem; }
.card .scores { display: none; }
details { margin: .4rem 0; } summary { cursor: pointer; font-weight: 500; }
details p, details ul { font-size: .9rem; color: var(--soft); margin: .3rem 0 .3rem 1.1rem; }
.alarm { color: var(--bad); font-weight: 600; max-width: 60rem; }
@media (max-width: 34rem) { td { font-size: .88rem; } }
"""
