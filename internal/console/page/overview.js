// The overview: what is wrong, what goes on, where partitions are.

import { Grid, fill, h, select, setClass, setText } from "./dom.js";
import { bytes, clock, count, ms, number, rate } from "./format.js";
import { safeText } from "./bytes.js";
import { Errors } from "./errors.js";
import { Plot, begin, link } from "./plot.js";
import { PartitionMap } from "./map.js";
import { errors, health, isWrite, latest, rateOf, rates, store, times, worst } from "./store.js";

// verdict says in a few words how the cluster is: [level, texts].
function verdict(snapshot) {
  if (store.samples.at(-1)?.error) {
    const heard = store.samples.findLast((s) => !s.error);
    return ["crit", ["the cluster does not answer; what follows is " + (heard ? "of " + clock(heard.at) : "old")]];
  }
  const lost = snapshot.nodes.filter((n) => !n.alive).length, silent = snapshot.metas.filter((m) => !m.alive).length;
  const n = health(snapshot.tables, snapshot.nodes);
  const texts = [];
  if (n.dead) texts.push(count(n.dead, "partition") + (n.dead === 1 ? " has" : " have") + " no primary");
  if (lost) texts.push(count(lost, "node") + " lost");
  if (silent) texts.push(count(silent, "meta server") + (silent === 1 ? " does" : " do") + " not answer");
  if (n.short) texts.push(count(n.short, "partition") + (n.short === 1 ? " has" : " have") + " too few copies");
  if (n.child) texts.push("a split goes on");
  if (!texts.length) texts.push(count(snapshot.nodes.length, "node") + " serve " + count(n.all, "partition") + " of " + count(snapshot.tables.length, "table"));
  return [n.dead ? "crit" : lost || silent || n.short ? "warn" : "ok", texts];
}

// What plots of all operations show, and those of one.
const both = [{ name: "read", class: "read" }, { name: "write", class: "write" }];
const quantiles = [["p50", "low"], ["p99", "read"], ["p999", "high"]].map(([name, c]) => ({ name, class: c }));
const milliseconds = (v) => (v < 10 ? String(Number(v.toPrecision(2))) : String(Math.round(v)));
const inMs = (us) => (us ? us / 1000 : null);

export const overview = {
  name: "overview", title: "Overview", key: "o", table: "", op: "", minutes: 5,

  show() {
    this.verdict = h("p", { class: "verdict", "aria-live": "polite" });
    this.ops = new Plot({ title: "Operations", unit: "", series: both, floor: 10, format: rate });
    this.time = new Plot({ title: "Time", unit: "", series: both, log: true, floor: 10, format: milliseconds });
    this.errors = new Plot({ title: "Errors", unit: "answers per second", series: [{ name: "errors", class: "errors" }], floor: 10, format: rate });
    link([this.ops, this.time, this.errors]);
    const choose = (what, label) => h("select", { "aria-label": label, on: { change: (e) => { this[what] = e.target.value; this.update(); } } });
    this.tableSelect = choose("table", "Table that is plotted");
    this.opSelect = choose("op", "Operation that is plotted");
    const span = select([["15", "15 min"], ["5", "5 min"], ["2", "2 min"]], String(this.minutes), (v) => { this.minutes = Number(v); this.update(); });
    span.setAttribute("aria-label", "Time that is plotted");
    this.note = h("p", { class: "note", hidden: true });

    this.map = new PartitionMap();
    this.nodes = new Grid([
      { title: "Node", class: "mono", cell: (n) => n.address },
      { title: "Role", class: "nowrap", cell: (n) => n.role },
      { title: "State", cell: (n) => n.state },
      { title: "Primaries", class: "num", cell: (n) => String(n.primaries ?? "-") },
      { title: "Secondaries", class: "num", cell: (n) => String(n.secondaries ?? "-") },
      { title: "Disk free", class: "num", cell: (n) => (n.disk_total ? bytes(n.disk_free * 1048576) + " of " + bytes(n.disk_total * 1048576) : "-") },
    ], { key: (n) => n.role + n.address, empty: "", onRow: (row, n) => setClass(row, n.alive ? "" : "lost") });

    this.tables = new Grid([
      { title: "Table", cell: (t) => t.name },
      { title: "Partitions", class: "num", cell: (t) => String(t.partitions) },
      { title: "Health", class: "nowrap", cell: (t) => this.healthText(t) },
      { title: "Size", class: "num", cell: (t) => bytes(t.bytes) },
      { title: "Rows, about", class: "num", cell: (t) => number(t.records) },
      { title: "Reads/s", class: "num", cell: (t) => rate(this.last ? rates(this.last, t.name, false) : null) },
      { title: "Writes/s", class: "num", cell: (t) => rate(this.last ? rates(this.last, t.name, true) : null) },
      { title: "p99 r ms", class: "num", cell: (t) => ms(this.last && 1000 * worst(this.last, t.name, false)) },
      { title: "p99 w ms", class: "num", cell: (t) => ms(this.last && 1000 * worst(this.last, t.name, true)) },
      { title: "Errors/s", class: "num", cell: (t) => rate(this.last ? errors(this.last, t.name) : null) },
    ], { key: (t) => t.id, empty: "There are no tables." });

    this.operations = new Grid([
      { title: "Operation", class: "mono", cell: (o) => o.op },
      { title: "Kind", cell: (o) => (isWrite(o.op) ? "write" : "read") },
      { title: "Per second", class: "num", cell: (o) => rate(o.rate) },
      { title: "p50 ms", class: "num", cell: (o) => ms(o.p50) },
      { title: "p99 ms", class: "num", cell: (o) => ms(o.p99) },
      { title: "p999 ms", class: "num", cell: (o) => ms(o.p999) },
    ], { key: (o) => o.op, empty: "No requests at present." });

    this.errorList = new Errors();

    // The plots as numbers, for those who cannot see them: drawn while it is open.
    this.numbers = h("div", { class: "tall" });
    this.titles = "";
    this.asTable = h("details", { class: "numbers", on: { toggle: () => this.update() } }, h("summary", null, "As a table"), this.numbers);

    this.events = h("ol", { class: "events" });
    this.noEvents = h("p", { class: "empty" }, "Nothing has changed since the console began to look.");
    return h("div", { class: "overview" }, this.verdict,
      h("section", { class: "plots", "aria-label": "Plots" }, h("div", { class: "tools" }, h("label", null, "Table ", this.tableSelect), h("label", null, "Operation ", this.opSelect), h("label", null, "Time ", span)), h("div", { class: "three" }, this.ops.element, this.time.element, this.errors.element), this.note, this.asTable),
      h("section", { "aria-label": "Partition map" }, this.map.element),
      h("div", { class: "boxes" },
        h("section", { class: "broad" }, h("h2", null, "Tables"), this.tables.element),
        h("section", null, h("h2", null, "Nodes"), this.nodes.element),
        h("section", null, this.nowTitle = h("h2"), this.operations.element),
        h("section", null, h("h2", null, "Errors and throttling"), this.errorList.element),
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
    this.last = latest();
    const [level, texts] = verdict(snap);
    setClass(this.verdict, "verdict " + level);
    setText(this.verdict, { ok: "OK", warn: "WARN", crit: "CRIT" }[level] + "  " + texts.join("; "));
    this.updatePlots();
    this.map.update(snap);
    this.tables.update(snap.tables);
    this.nodes.update([
      ...snap.metas.map((m) => ({ address: m.address, alive: m.alive, role: m.leader ? "meta, leader" : "meta", state: m.alive ? "alive" : "silent" })),
      ...snap.nodes.map((n) => ({ ...n, role: "replica", state: n.alive ? "alive" : "lost" }))]);
    setText(this.nowTitle, "Operations now" + (this.table ? ", of " + safeText(this.table) : ""));
    this.operations.update(this.byOperation());
    this.noEvents.hidden = store.events.length > 0;
    fill(this.events, store.events.slice(-30).reverse().map((e) => h("li", { class: e.kind }, h("time", null, clock(e.at)), " ", safeText(e.text))));
  },

  updatePlots() {
    const snap = store.snapshot;
    this.offer(this.tableSelect, "table", ["", ...snap.tables.map((t) => t.name)], "all tables");
    const seen = new Set(store.samples.flatMap((s) => Object.values(s.ops || {}).flatMap(Object.keys)));
    this.offer(this.opSelect, "op", ["", ...[...seen, this.op].filter((o, i, all) => o && all.indexOf(o) === i).sort()], "all operations");
    const to = store.samples.at(-1)?.at || Date.now(), from = begin(to, this.minutes * 60000, store.samples[0]?.at);
    const shown = store.samples.filter((s) => s.at >= from);
    const marks = store.events.filter((e) => e.kind !== "served").map((e) => ({ at: e.at, class: e.kind }));
    const time = { from, to, marks, every: store.every };
    const one = this.op && [{ name: this.op, class: isWrite(this.op) ? "write" : "read" }];
    this.ops.show(one || both, "per second");
    this.time.show(one ? quantiles : both, one ? "ms" : "p99, ms");
    this.ops.update(shown.map((s) => [s.at, ...this.rates(s)]), time);
    this.time.update(shown.map((s) => [s.at, ...this.times(s)]), time);
    this.errors.update(shown.map((s) => [s.at, errors(s, this.table)]), time);
    this.errorList.update(shown, this.table, this.minutes);
    if (this.asTable.open) this.drawNumbers();
    this.note.hidden = snap.rates === "metrics";
    setText(this.note, snap.rates === "counters" ? "Rates are those of the servers' last ten seconds, times of a table those of its slowest partition; of errors they do not tell the tables." : "These servers do not tell their rates in a way that the console knows.");
  },

  // offer fills a select with names, of which the first, "", is all.
  offer(list, what, names, all) {
    if (list.options.length === names.length && names.every((n, i) => list.options[i].value === n)) return;
    if (!names.includes(this[what])) this[what] = "";
    fill(list, names.map((n) => h("option", { value: n }, safeText(n) || all)));
    list.value = this[what];
  },

  rates(s) { return this.op ? [rateOf(s, this.table, this.op)] : [rates(s, this.table, false), rates(s, this.table, true)]; },

  times(s) {
    if (!this.op) return [worst(s, this.table, false), worst(s, this.table, true)];
    const q = times(s, this.table, this.op);
    return quantiles.map(({ name }) => inMs(q?.[name]));
  },

  drawNumbers() {
    const titles = this.op ? [this.op + "/s", "p50 ms", "p99 ms", "p999 ms"] : ["Reads/s", "Writes/s", "Reads' p99 ms", "Writes' p99 ms"];
    const values = (s) => [...this.rates(s).map(rate), ...this.times(s).map((v) => ms(1000 * v))];
    if (this.titles !== titles.join()) {
      this.titles = titles.join();
      this.numbersGrid = new Grid([
        { title: "Time", class: "mono", cell: (s) => clock(s.at) },
        ...titles.map((title, i) => ({ title, class: "num", cell: (s) => values(s)[i] })),
        { title: "Errors/s", class: "num", cell: (s) => rate(errors(s, this.table)) },
      ], { key: (s) => s.seq, empty: "No samples yet." });
      fill(this.numbers, this.numbersGrid.element);
    }
    this.numbersGrid.update(store.samples.slice(-60).reverse());
  },

  byOperation() {
    const all = new Map();
    for (const [table, ops] of Object.entries(this.last?.ops || {})) {
      if (this.table && table !== this.table) continue;
      for (const [op, n] of Object.entries(ops)) all.set(op, (all.get(op) || 0) + n);
    }
    return [...all].filter(([, n]) => n > 0).map(([op, n]) => ({ op, rate: n, ...times(this.last, this.table, op) })).sort((a, b) => b.rate - a.rate);
  },
};
