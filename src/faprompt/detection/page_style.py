"""The looks of :mod:`faprompt.detection.page`: one style sheet, light and dark, any width."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #f6f5f2; --card: #ffffff; --ink: #1d1f23; --soft: #5a606b; --line: #dcdad4;
  --bad: #b3261e; --bad-back: #fbe9e7; --good: #14663f; --good-back: #e5f3eb; --track: #e7e5df;
  --accent: #2451a6;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #131519; --card: #1d2026; --ink: #eceef1; --soft: #a8afba; --line: #343943;
    --bad: #ff9d92; --bad-back: #43211e; --good: #7fdba8; --good-back: #1a3627; --track: #2d323b;
    --accent: #9dbcff;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
.wrap { max-width: 78rem; margin: 0 auto; padding: 0 1.25rem; }
header.wrap { padding-top: 2.75rem; }
h1 { font-size: clamp(1.7rem, 4.5vw, 2.6rem); line-height: 1.15; margin: 0 0 .9rem;
  letter-spacing: -.02em; text-wrap: balance; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 2.75rem 0 .9rem; letter-spacing: -.01em; }
h2 small { font-size: .9rem; font-weight: 400; color: var(--soft); letter-spacing: 0;
  margin-left: .5rem; white-space: nowrap; }
h3 { font-size: 1rem; margin: 0; }
p { margin: 0 0 .75rem; max-width: 46rem; }
.intro p:first-child { font-size: 1.1rem; }
.panel, .card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; }
.panel { padding: 1.1rem 1.25rem; }
.top { display: grid; gap: 1rem; margin-top: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 22.5rem), 1fr)); }
@media (min-width: 49rem) and (max-width: 72.99rem) {
  .top .panel:last-child:nth-child(odd) { grid-column: 1 / -1; }
}
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: .6rem; }
.label { font-weight: 600; margin: 0 0 .6rem; }
th, td { padding: .45rem .5rem; text-align: right; border-top: 1px solid var(--line); }
thead th { border-top: 0; font-size: .82rem; line-height: 1.25; font-weight: 500;
  color: var(--soft); vertical-align: bottom; }
th:first-child { text-align: left; padding-left: 0; }
tbody th { font-weight: 500; }
td { font-size: 1.4rem; font-weight: 600; letter-spacing: -.01em; }
.note { font-size: .85rem; color: var(--soft); margin: .8rem 0 0; }
.strip { display: grid; grid-template-columns: 5.5rem 1fr; gap: .1rem .75rem; align-items: center;
  font-size: .82rem; color: var(--soft); }
.strip + .strip { margin-top: .8rem; }
.strip .name { grid-column: 1 / -1; color: var(--ink); font-weight: 500; font-size: .9rem; }
.lane { position: relative; height: 1.3rem; border-bottom: 1px solid var(--line); }
.lane i { position: absolute; top: 50%; width: .7rem; height: .7rem; margin: -.35rem 0 0 -.35rem;
  border-radius: 50%; border: 2px solid var(--good); }
.lane i.bad { background: var(--bad); border-color: var(--bad); opacity: .75; border-radius: 2px;
  transform: rotate(45deg) scale(.85); }
.ticks { grid-column: 2; position: relative; height: 1.4rem; }
.ticks span { position: absolute; transform: translateX(-50%); }
.ticks { font-variant-numeric: tabular-nums; }
.ends { grid-column: 2; display: flex; justify-content: space-between;
  font-variant-numeric: tabular-nums; }
.bars { display: grid; gap: .9rem; }
.bar { display: grid; gap: .25rem; font-size: .85rem; color: var(--soft); }
.bar b { color: var(--ink); font-weight: 500; }
.bar .scale { height: 1rem; border-radius: .25rem; background-color: #9a9a9a; }
.bar .ends { grid-column: auto; }
.cards { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 33rem), 1fr)); }
.few { grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.few .pictures { grid-template-columns: repeat(2, 1fr); }
.few .scores { grid-template-columns: fit-content(50%) 1fr; }
.few header { flex-direction: column-reverse; gap: .3rem; }
.few img { aspect-ratio: 1; object-fit: contain; background: var(--track); }
.card { padding: .9rem; display: grid; gap: .75rem; align-content: start; }
.card > header { display: flex; gap: .6rem; align-items: baseline;
  justify-content: space-between; }
.card h3 { font-weight: 500; font-size: .9rem; color: var(--soft); overflow-wrap: anywhere; }
.tag { font-size: .85rem; font-weight: 600; padding: .1rem .6rem; border-radius: 1rem;
  white-space: nowrap; background: var(--track); }
.tag.bad { color: var(--bad); background: var(--bad-back); }
.tag.good { color: var(--good); background: var(--good-back); }
.pictures { display: grid; gap: .5rem; grid-template-columns: repeat(4, 1fr); }
figure { margin: 0; min-width: 0; }
figure img { display: block; width: 100%; height: auto; border-radius: .35rem; }
figure .none { aspect-ratio: 1; border: 1px dashed var(--line); border-radius: .35rem;
  display: grid; place-items: center; text-align: center; padding: .3rem; color: var(--soft);
  font-size: .82rem; line-height: 1.3; }
figcaption { font-size: .78rem; line-height: 1.3; color: var(--soft); margin-top: .3rem; }
.scores { display: grid; grid-template-columns: fit-content(25%) 1fr fit-content(25%) 1fr;
  gap: .3rem .6rem; align-items: center; margin: 0; }
.scores div { display: contents; } /* names in columns, so that all bars are equally long */
.scores dt { font-size: .82rem; color: var(--soft); min-width: 0; overflow-wrap: anywhere; }
.scores dd { display: flex; gap: .6rem; align-items: center; margin: 0; }
.scores b { font-weight: 600; font-variant-numeric: tabular-nums; min-width: 5.3rem; }
.scores .track { flex: 1; height: .4rem; border-radius: .2rem; background: var(--track);
  overflow: hidden; }
.scores .track span { display: block; height: 100%; background: var(--accent); }
.reading { columns: 2 22rem; column-gap: 2.5rem; }
.reading div { break-inside: avoid; margin-bottom: 1rem; }
.reading p { margin: .15rem 0 0; color: var(--soft); }
footer.wrap { border-top: 1px solid var(--line); margin-top: 3rem;
  padding-top: 1.25rem; padding-bottom: 2.5rem;
  color: var(--soft); font-size: .85rem; }
footer p { overflow-wrap: anywhere; }
@media (max-width: 34rem) {
  .pictures { grid-template-columns: repeat(2, 1fr); }
  .scores { grid-template-columns: fit-content(50%) 1fr; }
  .strip { grid-template-columns: 4.6rem 1fr; font-size: .76rem; gap: .1rem .4rem; }
  .wrap { padding: 0 1rem; }
  header.wrap { padding-top: 1.75rem; }
  td { font-size: 1.2rem; }
  .panel { padding: 1rem; }
}
@media print { .card { break-inside: avoid; } }
"""
