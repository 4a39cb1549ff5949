// Plots over time: lines with gaps where there is no sample, marks for events, and one
// cursor for all plots of a page, which follows the pointer or the arrow keys.

const svg = "http://www.w3.org/2000/svg";

function s(tag, attributes) {
  const e = document.createElementNS(svg, tag);
  for (const [name, value] of Object.entries(attributes || {})) e.setAttribute(name, value);
  return e;
}

const left = 46, right = 8, top = 8, bottom = 20, height = 150;

// Plot draws series [{name, class}] against time. values come as [[at, v0, v1, ...]], null
// for unknown. log draws on a logarithmic scale; floor is the least upper end of the scale.
export class Plot {
  constructor({ title, unit, series, log = false, floor = 10, format }) {
    Object.assign(this, { title, log, floor, format });
    this.points = [];
    this.at = null; // where the cursor is; null: nowhere
    this.element = document.createElement("figure");
    const caption = document.createElement("figcaption");
    const name = document.createElement("b");
    name.textContent = title;
    this.what = document.createElement("small");
    this.keys = document.createElement("span");
    this.keys.className = "keys";
    caption.append(name, this.what, this.keys);
    this.svg = s("svg", { height, role: "img", tabindex: 0 });
    this.grid = s("g", { class: "grid" });
    this.marks = s("g", { class: "marks" });
    this.drawn = s("g");
    this.cursor = s("line", { class: "cursor", y1: top, y2: height - bottom, visibility: "hidden" });
    this.svg.append(this.grid, this.marks, this.drawn, this.cursor);
    this.show(series, unit);
    this.element.append(caption, this.svg);
    this.width = 300;
    new ResizeObserver(() => { this.width = Math.max(160, this.svg.clientWidth); this.draw(); }).observe(this.svg);
    this.svg.addEventListener("pointermove", (e) => this.point(e.offsetX));
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.svg.addEventListener("keydown", (e) => this.step(e));
    this.svg.addEventListener("blur", () => this.point(null));
    this.onPoint = () => {};
  }

  // show says what the values are from now on.
  show(series, unit) {
    this.svg.setAttribute("aria-label", this.title + ", " + unit);
    this.what.textContent = unit;
    if (this.series && this.series.map((x) => x.name).join() === series.map((x) => x.name).join()) return;
    this.series = series;
    this.points = [];
    this.legend = series.map((x) => {
      const value = document.createElement("output");
      value.setAttribute("aria-live", "off"); // or a reader would be told of every sample
      const item = document.createElement("span");
      item.className = "series " + x.class;
      item.append(x.name + " ", value);
      return { item, value };
    });
    this.keys.replaceChildren(...this.legend.map((l) => l.item));
    this.lines = series.map((x) => s("path", { class: "line " + x.class }));
    this.drawn.replaceChildren(...this.lines);
  }

  point(x) { this.onPoint(x === null ? null : this.from + ((x - left) / (this.width - left - right)) * (this.to - this.from)); }

  // step moves the cursor to the point beside it, or to an end.
  step(e) {
    const last = this.points.length - 1, at = this.at === null ? last + 1 : this.points.indexOf(this.near(this.at));
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[e.key];
    if (e.key === "Escape") this.onPoint(null);
    if (to === undefined || last < 0) return;
    e.preventDefault();
    this.onPoint(this.points[Math.max(0, Math.min(to, last))][0]);
  }

  near(at) { return this.points.reduce((best, p) => (!best || Math.abs(p[0] - at) < Math.abs(best[0] - at) ? p : best), null); }

  // setCursor shows the values at a time, or with null the latest.
  setCursor(at) {
    this.at = at;
    const hit = at === null ? this.points.at(-1) : this.near(at);
    this.legend.forEach((l, i) => { l.value.textContent = hit && hit[i + 1] !== null ? this.format(hit[i + 1]) : "-"; });
    if (at === null || !hit) { this.cursor.setAttribute("visibility", "hidden"); return; }
    this.cursor.setAttribute("visibility", "visible");
    this.cursor.setAttribute("x1", this.x(hit[0]));
    this.cursor.setAttribute("x2", this.x(hit[0]));
  }

  x(at) { return left + ((at - this.from) / (this.to - this.from)) * (this.width - left - right); }

  y(v) {
    const room = height - top - bottom;
    if (!this.log) return height - bottom - (Math.min(v, this.max) / this.max) * room;
    const low = Math.log10(this.min);
    return height - bottom - ((Math.log10(Math.max(v, this.min)) - low) / (Math.log10(this.max) - low)) * room;
  }

  // update takes the points from time from to time to; marks are [{at, class}], every the
  // time between two samples: a longer one is a gap.
  update(points, { from, to, marks = [], every }) {
    Object.assign(this, { points, from, to, markList: marks, every });
    this.draw();
  }

  draw() {
    if (this.from === undefined) return;
    let high = this.floor, low = high;
    for (const p of this.points) for (let i = 1; i < p.length; i++) {
      if (p[i] > high) high = p[i];
      if (p[i] > 0 && p[i] < low) low = p[i];
    }
    this.max = this.log ? 10 ** Math.ceil(Math.log10(high) - 1e-9) : nice(high);
    if (this.log) this.min = 10 ** Math.min(Math.floor(Math.log10(low) + 1e-9), Math.log10(this.max) - 2);
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${height}`);
    this.drawGrid();
    this.marks.replaceChildren(...this.markList.filter((m) => m.at >= this.from).map((m) => s("line", { class: m.class, x1: this.x(m.at), x2: this.x(m.at), y1: top, y2: height - bottom })));
    this.lines.forEach((line, i) => line.setAttribute("d", this.path(i + 1)));
    this.setCursor(this.at);
  }

  path(i) {
    let d = "", last = -Infinity;
    for (const p of this.points) {
      if (p[i] === null || p[i] === undefined) { last = -Infinity; continue; }
      const x = this.x(p[0]).toFixed(1), y = this.y(p[i]).toFixed(1);
      // A point alone is a dot: a line of no length with round ends.
      d += (p[0] - last > this.every * 2.6 ? `M${x} ${y}l0 0L` : "L") + `${x} ${y}`;
      last = p[0];
    }
    return d;
  }

  drawGrid() {
    const parts = [];
    const values = this.log ? powers(this.min, this.max) : [0, this.max / 2, this.max];
    for (const v of values) {
      const y = Math.round(this.y(v)) + 0.5;
      parts.push(s("line", { x1: left, x2: this.width - right, y1: y, y2: y }));
      const text = s("text", { x: left - 6, y: y + 4, "text-anchor": "end" });
      text.textContent = this.format(v);
      parts.push(text);
    }
    const span = this.to - this.from, step = span > 400000 ? 300000 : span > 150000 ? 60000 : span > 70000 ? 30000 : 15000;
    for (let at = this.to - step; at > this.from + step / 4; at -= step) {
      const text = s("text", { x: this.x(at), y: height - 5, "text-anchor": "middle" });
      const ago = Math.round((this.to - at) / 1000);
      text.textContent = ago % 60 ? "-" + ago + " s" : "-" + ago / 60 + " min";
      parts.push(text);
    }
    this.grid.replaceChildren(...parts);
  }
}

function nice(n) {
  const power = 10 ** Math.floor(Math.log10(n));
  return [1, 2, 4, 6, 8, 10].find((m) => m * power >= n) * power;
}

function powers(min, max) {
  const all = [];
  for (let v = max; v >= min * 0.99; v /= 10) all.push(v);
  return all.length > 4 ? all.filter((_, i) => i % 2 === 0) : all;
}

// begin is where plots begin that end now: a range before, or with the first point if that
// was later, so that they are not empty for long, but a minute before at least.
export const begin = (now, range, first = now) => Math.max(now - range, Math.min(first, now - 60000));

// link makes plots share their cursor.
export function link(plots) {
  for (const p of plots) p.onPoint = (at) => { for (const q of plots) q.setCursor(at); };
}
