//! The style of the pages. Every rule applies only to our own class, so other widgets of the dashboard keep their
//! style.

/// The style sheet. It contains no character that HTML escapes.
pub(crate) const STYLE: &str = "\
.driftless{--ink:#16191f;--soft:#545b64;--line:#d5dbdb;--card:#fff;--back:#f7f8f8;--good:#1d7a3e;--warn:#8d5a00;--bad:#b3261e;--busy:#0b5cad;\
--blue:#2f6fde;--green:#1c8a4c;--track:#e4e8ea;--tint:#eef3f9;font:13px/1.45 'Amazon Ember','Helvetica Neue',Roboto,Arial,sans-serif;color:var(--ink);\
background:var(--card);padding:10px 12px;overflow-wrap:anywhere}\
.driftless.dark{--ink:#e6e9ec;--soft:#a3adb8;--line:#3b4654;--card:#161d26;--back:#1d2631;--good:#5fcf86;--warn:#f0b54a;--bad:#ff8a80;--busy:#7ab8ff;\
--blue:#6ea3ff;--green:#4fc481;--track:#33404f;--tint:#202c3a}\
.driftless *{box-sizing:border-box}\
.driftless h2{font-size:15px;line-height:1.3;margin:0;color:var(--ink);font-weight:700}\
.driftless h3{font-size:11px;line-height:1.3;margin:16px 0 6px;color:var(--soft);font-weight:700;text-transform:uppercase;letter-spacing:.06em}\
.driftless p{margin:4px 0;padding:0}\
.driftless .soft{color:var(--soft)}\
.driftless .good{color:var(--good)}.driftless .warn{color:var(--warn)}.driftless .bad{color:var(--bad)}.driftless .busy{color:var(--busy)}\
.driftless .badge{display:inline-block;border:1px solid currentColor;border-radius:10px;padding:0 8px;font-size:11px;font-weight:700;line-height:18px;white-space:nowrap}\
.driftless .head{display:flex;flex-wrap:wrap;gap:6px 10px;align-items:center}\
.driftless .head .end{margin-left:auto}\
.driftless .pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(240px,1fr));gap:10px;margin-top:10px}\
.driftless .box{border:1px solid var(--line);border-left-width:4px;border-radius:6px;background:var(--back);padding:8px 10px;min-width:0}\
.driftless .box.blue{border-left-color:var(--blue)}.driftless .box.green{border-left-color:var(--green)}\
.driftless .box .top{display:flex;justify-content:space-between;gap:8px;font-weight:700}\
.driftless dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:2px 12px;margin:4px 0 0}\
.driftless dt{color:var(--soft);margin:0}.driftless dd{margin:0;min-width:0}\
.driftless table{width:100%;border-collapse:collapse;margin:8px 0 0}\
.driftless th{text-align:left;font-size:11px;color:var(--soft);font-weight:700;padding:4px 10px 4px 0;border-bottom:1px solid var(--line);white-space:nowrap}\
.driftless td{text-align:left;vertical-align:top;padding:5px 10px 5px 0;border-bottom:1px solid var(--line)}\
.driftless td.name{width:18%;min-width:96px}.driftless td.num{white-space:nowrap;width:1%}\
.driftless code{font:12px/1.4 Menlo,Consolas,'DejaVu Sans Mono',monospace;background:var(--tint);color:var(--ink);border-radius:3px;padding:1px 5px;border:0}\
.driftless .note{border-left:3px solid var(--warn);background:var(--tint);padding:6px 10px;margin:8px 0;border-radius:3px}\
.driftless .note.bad{border-left-color:var(--bad);color:var(--ink)}.driftless .note.good{border-left-color:var(--good);color:var(--ink)}\
.driftless .buttons{display:flex;flex-wrap:wrap;gap:6px;margin:10px 0 0}\
.driftless a.order,.driftless a.link{cursor:pointer;text-decoration:none}\
.driftless a.order{display:inline-block;border:1px solid var(--busy);border-radius:14px;color:var(--busy);background:var(--card);font-weight:700;font-size:12px;line-height:24px;padding:0 12px}\
.driftless a.order.grave{border-color:var(--bad);color:var(--bad)}\
.driftless a.link{color:var(--busy);font-weight:700}\
.driftless .track{display:flex;flex-wrap:wrap;gap:4px;margin:8px 0 4px}\
.driftless .step{flex:1 1 76px;min-width:0;border-top:5px solid var(--track);padding-top:3px;font-size:11px;line-height:1.25;color:var(--soft)}\
.driftless .step.done{border-top-color:var(--good)}.driftless .step.now{border-top-color:var(--busy);color:var(--ink);font-weight:700}\
.driftless .meter{height:6px;border-radius:3px;background:var(--track);margin:5px 0;overflow:hidden}\
.driftless .meter div{height:6px;background:var(--blue)}.driftless .green .meter div{background:var(--green)}\
.driftless svg{display:block;width:100%;height:auto;margin-top:4px}\
.driftless svg text{font-size:11px;fill:var(--soft)}\
.driftless svg .bar{opacity:.85}.driftless svg .on{fill:var(--card);font-weight:700}.driftless svg .line{stroke:var(--line);stroke-width:1}\
.driftless svg .f-good{fill:var(--good)}.driftless svg .f-warn{fill:var(--warn)}.driftless svg .f-bad{fill:var(--bad)}.driftless svg .f-busy{fill:var(--busy)}\
.driftless svg .f-soft{fill:var(--soft)}";
