// The partition map: a cell is a partition, a row a table, or a node with those that it is
// the primary of. Glyph and colour say how it is, how busy it is, or on which node.

import { fill, h, select, setClass, setText } from "./dom.js";
import { safeText } from "./bytes.js";
import { rate } from "./format.js";
import { health, stateOf } from "./store.js";

const maxCells = 2000;
const glyphs = { ok: "", short: "!", dead: "X", child: "+" };
const meaning = { ok: "served, all copies", short: "too few copies", dead: "no primary", child: "is being split off" };

export class PartitionMap {
  constructor() {
    this.by = "health";
    this.rows = "table";
    this.chosen = null; // [table id, index]
    this.lines = new Map(); // by what the row is
    const pick = select([["health", "health"], ["rate", "rate"], ["node", "node"]], "health", (v) => { this.by = v; if (this.snap) this.update(this.snap); });
    pick.setAttribute("aria-label", "What the colours of the map say");
    const rows = select([["table", "table"], ["node", "node"]], "table", (v) => { this.rows = v; if (this.snap) this.update(this.snap); });
    rows.setAttribute("aria-label", "What a row of the map is");
    this.key = h("span", { class: "mapkey" });
    this.grid = h("div", { class: "map", role: "grid", "aria-label": "Partitions", on: { keydown: (e) => this.move(e), click: (e) => this.choose(e.target.closest(".cell")) } });
    this.more = h("p", { class: "note", hidden: true });
    this.side = h("aside", { class: "side", "aria-label": "Chosen partition", hidden: true });
    this.element = h("div", null, h("div", { class: "tools" }, h("h2", null, "Partitions"), h("label", null, "Rows by ", rows), h("label", null, "Colour by ", pick), this.key), h("div", { class: "mapside" }, h("div", { class: "grow" }, this.grid, this.more), this.side));
  }

  update(snap) {
    this.snap = snap;
    const bad = (t) => { const n = health([t], snap.nodes); return n.dead * 1000000 + n.short * 1000 + n.child; };
    const tables = snap.tables.filter((t) => t.cells.length).map((t) => [bad(t), t]).sort((a, b) => b[0] - a[0] || a[1].id - b[1].id).map((p) => p[1]);
    let room = maxCells, hidden = snap.left_out;
    this.hottest = Math.max(1, ...tables.flatMap((t) => t.cells.map((c) => c.r)));
    const shown = [];
    for (const t of tables) {
      if (shown.length && t.cells.length > room) { hidden++; continue; }
      room -= t.cells.length;
      shown.push(t);
    }
    const seen = new Set();
    (this.rows === "node" ? this.byNode(shown) : shown.map((t) => ({ id: "t" + t.id, name: t.name, cells: t.cells.map((c, i) => [t, i]) }))).forEach((row, i) => {
      seen.add(row.id);
      let line = this.lines.get(row.id);
      if (!line) {
        line = { name: h("span", { class: "name", role: "rowheader" }), cells: h("span", { class: "cells" }) };
        line.element = h("div", { class: "line", role: "row" }, line.name, line.cells);
        this.lines.set(row.id, line);
      }
      if (this.grid.children[i] !== line.element) this.grid.insertBefore(line.element, this.grid.children[i] || null);
      this.drawLine(line, row);
    });
    for (const [id, line] of this.lines) if (!seen.has(id)) { line.element.remove(); this.lines.delete(id); }
    if (!this.grid.querySelector('[tabindex="0"]')) this.grid.querySelector(".cell")?.setAttribute("tabindex", "0");
    this.more.hidden = !hidden;
    setText(this.more, hidden + (hidden === 1 ? " table is" : " tables are") + " not drawn: those with trouble come first.");
    this.drawKey();
    this.drawSide();
  }

  // byNode gives the partitions to rows of nodes, those that nobody serves first.
  byNode(tables) {
    const none = { id: "none", name: "no primary", cells: [] };
    const rows = this.snap.nodes.map((n) => ({ id: "n" + n.address, name: n.address + (n.alive ? "" : " (lost)"), cells: [] }));
    for (const t of tables) t.cells.forEach((c, i) => { (rows[c.p] || none).cells.push([t, i]); });
    return none.cells.length ? [none, ...rows] : rows;
  }

  // drawLine draws a row {name, cells: [[table, index]]}.
  drawLine(line, row) {
    setText(line.name, safeText(row.name));
    line.name.title = line.name.textContent;
    const draw = Math.min(row.cells.length, maxCells);
    while (line.cells.children.length > draw) line.cells.lastElementChild.remove();
    for (let i = 0; i < draw; i++) {
      let cell = line.cells.children[i];
      if (!cell) {
        cell = h("span", { class: "cell", role: "gridcell", tabindex: "-1" });
        line.cells.append(cell);
      }
      this.drawCell(cell, ...row.cells[i]);
    }
  }

  drawCell(cell, t, index) {
    cell.dataset.id = t.id;
    cell.dataset.index = index;
    const c = t.cells[index], state = stateOf(c, t, this.snap.nodes);
    const isChosen = this.chosen && this.chosen[0] === t.id && this.chosen[1] === index;
    let look = state, text = glyphs[state];
    if (state === "ok" && this.by === "rate") { look = "heat" + this.heat(c.r); text = this.isHot(c, t) ? "~" : ""; }
    if (state !== "dead" && state !== "child" && this.by === "node") { look = "node" + (c.p % 8); text = String(c.p + 1); }
    setClass(cell, "cell " + look + (isChosen ? " chosen" : ""));
    setText(cell, text);
    const label = safeText(t.name) + " " + index + ": " + meaning[state] + (c.r >= 0 ? ", " + rate(c.r) + "/s" : "");
    if (cell.getAttribute("aria-label") !== label) { cell.setAttribute("aria-label", label); cell.title = label; }
  }

  heat(r) { return r <= 0 ? 0 : 1 + Math.min(3, Math.floor((r / this.hottest) * 4)); }

  // isHot is of a partition that gets more than thrice its share.
  isHot(c, t) {
    const sum = t.cells.reduce((a, x) => a + Math.max(0, x.r), 0);
    return t.cells.length > 3 && c.r > 10 && c.r > (3 * sum) / t.cells.length;
  }

  drawKey() {
    let list = [["ok", ""], ["short", "!"], ["dead", "X"], ["child", "+"]].map(([c, g]) => [c, g, meaning[c]]);
    if (this.by === "rate") list = [["heat0", "", "idle"], ["heat1", "", "up to a quarter of the busiest"], ["heat4", "", rate(this.hottest) + "/s"], ["heat4", "~", "thrice its share or more"]];
    if (this.by === "node") list = this.snap.nodes.map((n, i) => ["node" + (i % 8), String(i + 1), n.address]);
    fill(this.key, list.map(([c, g, text]) => h("span", null, h("i", { class: "cell " + c, "aria-hidden": "true" }, g), safeText(text))));
  }

  choose(cell) {
    if (!cell) return;
    const key = [Number(cell.dataset.id), Number(cell.dataset.index)];
    this.chosen = this.chosen && this.chosen[0] === key[0] && this.chosen[1] === key[1] ? null : key;
    this.focus(cell);
    this.update(this.snap);
  }

  focus(cell) {
    for (const other of this.grid.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    cell.tabIndex = 0;
    cell.focus();
  }

  move(e) {
    const cell = e.target.closest(".cell");
    if (!cell) return;
    if (e.key === "Enter" || e.key === " ") { e.preventDefault(); this.choose(cell); return; }
    if (e.key === "Escape") { this.chosen = null; this.update(this.snap); return; }
    const line = cell.closest(".line"), at = [...cell.parentNode.children].indexOf(cell);
    const beside = (which) => { // a row without cells is passed over
      for (let l = line[which]; l; l = l[which]) {
        const cells = l.querySelectorAll(".cell");
        if (cells.length) return cells[Math.min(at, cells.length - 1)];
      }
    };
    const to = { ArrowRight: () => cell.nextElementSibling, ArrowLeft: () => cell.previousElementSibling, ArrowDown: () => beside("nextElementSibling"), ArrowUp: () => beside("previousElementSibling"), Home: () => cell.parentNode.firstElementChild, End: () => cell.parentNode.lastElementChild }[e.key];
    if (!to) return;
    e.preventDefault();
    const next = to();
    if (next) this.focus(next);
  }

  drawSide() {
    const t = this.chosen && this.snap.tables.find((x) => x.id === this.chosen[0]), c = t && t.cells[this.chosen[1]];
    this.side.hidden = !c;
    if (!c) return;
    const addr = (i) => (i < 0 ? "none" : this.snap.nodes[i].address + (this.snap.nodes[i].alive ? "" : " (lost)"));
    const facts = [["Table", t.name], ["Partition", t.id + "." + this.chosen[1]], ["State", meaning[stateOf(c, t, this.snap.nodes)]], ["Primary", addr(c.p)], ["Secondaries", c.s.map(addr).join("\n") || "none"], ["Ballot", String(c.b)], ["Operations", c.r < 0 ? "-" : rate(c.r) + "/s"], ["Command", "pegasus table show " + t.name]];
    const list = h("dl", null, facts.map(([k, v]) => [h("dt", null, k), h("dd", { class: k === "Command" ? "mono" : null }, safeText(v))]));
    // What has not changed keeps its selection.
    if (this.side.textContent !== list.textContent) fill(this.side, list);
  }
}
