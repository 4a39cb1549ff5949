// The overview: what is wrong, what goes on, where partitions are.

import { Grid, fill, h, select, setClass, setText } from "./dom.js";
import { bytes, clock, count, ms, number, rate } from "./format.js";
import { safeText } from "./bytes.js";
import { Plot, begin, link } from "./plot.js";
import { PartitionMap } from "./map.js";
import { health, isWrite, rates, store, worst } from "./store.js";

// verdict says in a few words how the cluster is: [level, texts].
function verdict(snapshot) {
  const lost = snapshot.nodes.filter((n) => !n.alive).length;
  const n = health(snapshot.tables, snapshot.nodes);
  const texts = [];
  if (n.dead) texts.push(count(n.dead, "partition") + (n.dead === 1 ? " has" : " have") + " no primary");
  if (lost) texts.push(count(lost, "node") + " lost");
  if (n.short) texts.push(count(n.short, "partition") + (n.short === 1 ? " has" : " have") + " too few copies");
  if (n.child) texts.push("a split goes on");
  if (!texts.length) texts.push(count(snapshot.nodes.length, "node") + " serve " + count(n.all, "partition") + " of " + count(snapshot.tables.length, "table"));
  return [n.dead ? "crit" : lost || n.short ? "warn" : "ok", texts];
}

// refused returns how many requests a second were turned away, null if that is not known.
const refused = (sample) => (sample.refused ? Object.values(sample.refused).reduce((a, b) => a + b, 0) : null);

export const overview = {
  name: "overview", title: "Overview", key: "o", table: "", minutes: 5,

  show() {
    this.verdict = h("p", { class: "verdict", "aria-live": "polite" });
    const series = [{ name: "read", class: "read" }, { name: "write", class: "write" }];
    this.ops = new Plot({ title: "Operations", unit: "per second", series, floor: 10, format: rate });
    this.p99 = new Plot({ title: "p99", unit: "ms, slowest operation", series, log: true, floor: 10, format: (v) => (v < 1 ? v.toFixed(v < 0.1 ? 2 : 1) : v < 10 ? v.toFixed(1).replace(".0", "") : String(Math.round(v))) });
    this.refused = new Plot({ title: "Turned away", unit: "requests per second", series: [{ name: "refused", class: "refused" }], floor: 10, format: rate });
    link([this.ops, this.p99, this.refused]);
    this.tableSelect = h("select", { "aria-label": "Table of the plot of operations", on: { change: () => { this.table = this.tableSelect.value; this.update(); } } });
    const span = select([["15", "15 min"], ["5", "5 min"], ["2", "2 min"]], "5", (v) => { this.minutes = Number(v); this.update(); });
    span.setAttribute("aria-label", "Time that is plotted");
    this.note = h("p", { class: "note", hidden: true });

    this.map = new PartitionMap();
    this.nodes = new Grid([
      { title: "Node", class: "mono", cell: (n) => n.address },
      { title: "State", cell: (n) => (n.alive ? "alive" : "lost") },
      { title: "Primaries", class: "num", cell: (n) => String(n.primaries) },
      { title: "Secondaries", class: "num", cell: (n) => String(n.secondaries) },
      { title: "Disk free", class: "num", cell: (n) => (n.disk_total ? bytes(n.disk_free * 1048576) + " of " + bytes(n.disk_total * 1048576) : "-") },
    ], { key: (n) => n.address, empty: "The meta server knows no replica server.", onRow: (row, n) => setClass(row, n.alive ? "" : "lost") });

    this.tables = new Grid([
      { title: "Table", cell: (t) => t.name },
      { title: "Partitions", class: "num", cell: (t) => String(t.partitions) },
      { title: "Health", cell: (t) => this.healthText(t) },
      { title: "Size", class: "num", cell: (t) => bytes(t.bytes) },
      { title: "Rows, about", class: "num", cell: (t) => number(t.records) },
      { title: "Reads/s", class: "num", cell: (t) => rate(this.last ? rates(this.last, t.name, false) : null) },
      { title: "Writes/s", class: "num", cell: (t) => rate(this.last ? rates(this.last, t.name, true) : null) },
    ], { key: (t) => t.id, empty: "There are no tables." });

    this.operations = new Grid([
      { title: "Operation", class: "mono", cell: (o) => o.op },
      { title: "Kind", cell: (o) => (isWrite(o.op) ? "write" : "read") },
      { title: "Per second", class: "num", cell: (o) => rate(o.rate) },
      { title: "p50 ms", class: "num", cell: (o) => ms(o.p50) },
      { title: "p99 ms", class: "num", cell: (o) => ms(o.p99) },
    ], { key: (o) => o.op, empty: "No requests at present." });

    this.reasons = new Grid([
      { title: "Turned away", cell: (r) => r[0] },
      { title: "Per second", class: "num", cell: (r) => rate(r[1]) },
    ], { key: (r) => r[0], empty: "" });

    // The plots as numbers, for those who cannot see them: drawn while it is open.
    this.numbers = new Grid([
      { title: "Time", class: "mono", cell: (s) => clock(s.at) },
      { title: "Reads/s", class: "num", cell: (s) => rate(rates(s, this.table, false)) },
      { title: "Writes/s", class: "num", cell: (s) => rate(rates(s, this.table, true)) },
      { title: "Reads' p99 ms", class: "num", cell: (s) => ms(1000 * worst(s, false)) },
      { title: "Writes' p99 ms", class: "num", cell: (s) => ms(1000 * worst(s, true)) },
      { title: "Turned away/s", class: "num", cell: (s) => rate(refused(s)) },
    ], { key: (s) => s.seq, empty: "No samples yet." });
    this.asTable = h("details", { class: "numbers", on: { toggle: () => this.update() } }, h("summary", null, "As a table"), h("div", { class: "tall" }, this.numbers.element));

    this.events = h("ol", { class: "events" });
    this.noEvents = h("p", { class: "empty" }, "Nothing has changed since the console looks.");
    return h("div", { class: "overview" }, this.verdict,
      h("section", { class: "plots", "aria-label": "Plots" }, h("div", { class: "tools" }, h("label", null, "Operations of ", this.tableSelect), h("label", null, "Time ", span)), h("div", { class: "three" }, this.ops.element, this.p99.element, this.refused.element), this.note, this.asTable),
      h("section", { "aria-label": "Partition map" }, this.map.element),
      h("div", { class: "two" },
        h("section", null, h("h2", null, "Tables"), this.tables.element),
        h("section", null, h("h2", null, "Nodes"), this.nodes.element),
        h("section", null, h("h2", null, "Operations now"), this.operations.element, this.reasons.element),
        h("section", null, h("h2", null, "Events"), this.noEvents, this.events)));
  },

  healthText(t) {
    const n = health([t], store.snapshot.nodes);
    if (!n.all) return "-";
    const parts = [];
    if (n.dead) parts.push(n.dead + " no primary");
    if (n.short) parts.push(n.short + " short");
    if (n.child) parts.push(n.child + " splitting");
    return parts.join(", ") || "ok";
  },

  update() {
    if (!store.snapshot) return;
    const snap = store.snapshot;
    this.last = store.samples.findLast((s) => s.ops);
    const [level, texts] = verdict(snap);
    setClass(this.verdict, "verdict " + level);
    setText(this.verdict, { ok: "OK", warn: "WARN", crit: "CRIT" }[level] + "  " + texts.join("; "));
    this.updatePlots();
    this.map.update(snap);
    this.tables.update(snap.tables);
    this.nodes.update(snap.nodes);
    this.operations.update(this.byOperation());
    const reasons = Object.entries(this.last?.refused || {}).sort((a, b) => b[1] - a[1]);
    this.reasons.update(reasons);
    this.reasons.element.hidden = !reasons.length;
    if (this.asTable.open) this.numbers.update(store.samples.slice(-60).reverse());
    this.noEvents.hidden = store.events.length > 0;
    fill(this.events, store.events.slice(-30).reverse().map((e) => h("li", { class: e.kind }, h("time", null, clock(e.at)), " ", safeText(e.text))));
  },

  updatePlots() {
    const snap = store.snapshot;
    const names = ["", ...snap.tables.map((t) => t.name)];
    if (this.tableSelect.options.length !== names.length || names.some((n, i) => this.tableSelect.options[i].value !== n)) {
      if (!names.includes(this.table)) this.table = "";
      fill(this.tableSelect, names.map((n) => h("option", { value: n }, n || "all tables")));
      this.tableSelect.value = this.table;
    }
    const to = store.samples.at(-1)?.at || Date.now(), from = begin(to, this.minutes * 60000, store.samples[0]?.at);
    const shown = store.samples.filter((s) => s.at >= from);
    const marks = store.events.filter((e) => e.kind !== "served").map((e) => ({ at: e.at, class: e.kind }));
    const time = { from, to, marks, every: store.every };
    this.ops.update(shown.map((s) => [s.at, rates(s, this.table, false), rates(s, this.table, true)]), time);
    this.p99.update(shown.map((s) => [s.at, worst(s, false), worst(s, true)]), time);
    this.refused.update(shown.map((s) => [s.at, refused(s)]), time);
    this.note.hidden = snap.rates === "metrics";
    setText(this.note, snap.rates === "counters" ? "Rates are those of the servers' last ten seconds; they do not tell what they turn away." : "These servers do not tell their rates in a way that the console knows.");
  },

  byOperation() {
    const all = new Map();
    for (const [table, ops] of Object.entries(this.last?.ops || {})) {
      if (this.table && table !== this.table) continue;
      for (const [op, n] of Object.entries(ops)) all.set(op, (all.get(op) || 0) + n);
    }
    return [...all].filter(([, n]) => n > 0).map(([op, n]) => ({ op, rate: n, p50: this.last.latency?.[op]?.p50, p99: this.last.latency?.[op]?.p99 })).sort((a, b) => b.rate - a.rate);
  },
};
