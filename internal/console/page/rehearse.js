// Rehearse: break a onebox and see what callers see. Only the console of a onebox has it.

import { CallError, call } from "./api.js";
import { Grid, ask, fill, h, select, setClass, setText, toast } from "./dom.js";
import { clock, count, left, number, rate } from "./format.js";
import { safeText } from "./bytes.js";
import { Plot, begin, link } from "./plot.js";
import { health, store } from "./store.js";

const loads = [["0", "off"], ["50", "light, 50/s"], ["500", "steady, 500/s"], ["3000", "heavy, 3000/s"]];
const cuts = {
  refused: ["of clients: refused", { from: "clients" }],
  silent: ["of clients: silent", { from: "clients", silent: true }],
  allRefused: ["of all: refused", { from: "all" }],
  allSilent: ["of all: silent", { from: "all", silent: true }],
};
const range = 5 * 60 * 1000;

export const rehearse = {
  name: "rehearse", title: "Rehearse", key: "h",

  show() {
    this.points = [];
    this.head = h("p", { class: "verdict" });
    this.healAll = h("button", { type: "button", class: "primary", title: "End everything that was broken (h)", on: { click: () => this.heal() } }, "Heal all");

    this.nodes = h("fieldset", { class: "nodes" });
    this.nodeLines = [];

    this.ok = new Plot({ title: "Succeeded", unit: "calls per second", series: [{ name: "ok", class: "read" }], floor: 10, format: rate });
    this.errors = new Plot({ title: "Failed", unit: "calls per second", series: [{ name: "errors", class: "errors" }], floor: 10, format: rate });
    this.time = new Plot({ title: "Time", unit: "ms, of those that succeeded", series: [{ name: "p50", class: "read" }, { name: "p99", class: "write" }], log: true, floor: 10, format: (v) => (v < 10 ? v.toFixed(v < 0.1 ? 2 : 1).replace(/\.0$/, "") : String(Math.round(v))) });
    link([this.ok, this.errors, this.time]);

    this.load = select(loads, "0", (v) => this.order("rehearse-load", { rate: Number(v) }));
    this.load.setAttribute("aria-label", "Load");
    this.promises = h("dl", { class: "promises" });
    this.causes = new Grid([{ title: "Failed with", class: "mono", cell: (c) => c[0] }, { title: "Calls", class: "num", cell: (c) => number(c[1]) }], { key: (c) => c[0], empty: "No call has failed." });

    const number1 = (value, min, max, label) => h("input", { type: "number", value, min, max, required: true, "aria-label": label });
    this.table = h("select", { "aria-label": "Table for the steps", on: { change: () => this.state && this.draw(this.state) } });
    this.partition = number1(0, 0, 65535, "Partition");
    this.target = h("select", { "aria-label": "Node to move the primary to" });
    this.percent = number1(20, 1, 100, "Percent of the requests");
    this.code = h("input", { value: "ERR_BUSY", list: "codes", class: "mono", spellcheck: "false", autocomplete: "off", required: true, pattern: "ERR_[A-Z0-9_]+", title: "the name of an error, such as ERR_BUSY", "aria-label": "Error to answer with" });
    this.limit = number1(5, 1, 1000000, "Writes per second and partition");
    this.seconds = select([["60", "1 minute"], ["3600", "1 hour"], ["86400", "1 day"], ["2592000", "30 days"]], "3600");
    this.seconds.setAttribute("aria-label", "By how much");
    const codes = h("datalist", { id: "codes" }, ["ERR_BUSY", "ERR_CAPACITY_EXCEEDED", "ERR_TIMEOUT", "ERR_INVALID_STATE", "ERR_OBJECT_NOT_FOUND", "ERR_NOT_ENOUGH_MEMBER", "ERR_DISK_INSUFFICIENT", "ERR_SPLITTING", "ERR_NETWORK_FAILURE"].map((v) => h("option", { value: v })));
    // The inputs have to make sense for the step.
    const button = (text, step, ...inputs) => h("button", { type: "button", on: { click: () => { if (inputs.every((i) => i.reportValidity())) this.step(step()); } } }, text);
    const line = (...parts) => h("div", { class: "tools step" }, parts);
    const table = () => this.table.value;
    this.noErrors = button("No errors", () => ({ do: "errors" }));
    this.noThrottle = button("Do not throttle", () => ({ do: "throttle", table: table() }));
    this.more = h("fieldset", null,
      line(h("label", null, "Table ", this.table)),
      line("Partition ", this.partition, button("Move its primary", () => ({ do: "move", table: table(), partition: Number(this.partition.value), node: Number(this.target.value) }), this.partition), "to", this.target, button("No primary", () => ({ do: "unserve", table: table(), partition: Number(this.partition.value) }), this.partition)),
      line(button("Split the table", () => ({ do: "split", table: table() }))),
      line(button("Throttle", () => ({ do: "throttle", table: table(), rate: Number(this.limit.value) }), this.limit), "to", this.limit, "writes a second and partition", this.noThrottle),
      line(button("Answer errors", () => ({ do: "errors", table: table(), percent: Number(this.percent.value), code: this.code.value }), this.percent, this.code), "to", this.percent, "% of its requests:", this.code, this.noErrors),
      line(button("Put the clock forward", () => ({ do: "advance", seconds: Number(this.seconds.value) })), "by", this.seconds, this.ahead = h("span", { class: "note" })));

    this.log = h("ol", { class: "events" });
    this.noLog = h("p", { class: "empty" }, "Nothing has been broken yet. Start a load, then kill a node, and watch.");
    this.replay = h("button", { type: "button", on: { click: () => this.order("rehearse-replay", { stop: this.state.replaying }) } }, "Run again");
    this.save = h("button", { type: "button", on: { click: () => this.saveTest() } }, "Save as Go test");
    this.forget = h("button", { type: "button", on: { click: () => this.order("rehearse-forget", {}) } }, "Forget the steps");
    this.steps = h("span", { class: "note" });

    const steps = h("section", null, h("h2", null, "More that can happen"), codes, this.more);
    return h("div", { class: "stack" },
      h("div", { class: "headline" }, this.head, this.healAll),
      h("div", { class: "stage" },
        h("section", null, h("h2", null, "Nodes"), this.nodes, h("p", { class: "note" }, "Meta servers notice after two seconds that they do not reach a node. What is broken heals by itself five minutes after the last step.")),
        h("section", null, h("div", { class: "tools" }, h("h2", null, "What callers see"), h("label", null, "Load ", this.load)), this.ok.element, this.errors.element, this.time.element),
        h("section", null, h("h2", null, "Promises"), this.promises, this.causes.element)),
      h("div", { class: "two" }, steps,
        h("section", null, h("div", { class: "tools" }, h("h2", null, "What has happened"), this.replay, this.save, this.forget, this.steps), this.noLog, this.log)));
  },

  opened() { this.watching = true; this.watch(); },
  hide() { this.watching = false; clearTimeout(this.wait); },
  update() {
    if (!store.snapshot) return;
    const names = ["console_load", ...store.snapshot.tables.map((t) => t.name).filter((n) => n !== "console_load")];
    if ([...this.table.options].map((o) => o.value).join("\n") !== names.join("\n")) {
      const value = this.table.value;
      fill(this.table, names.map((n) => h("option", { value: n }, safeText(n))));
      this.table.value = names.includes(value) ? value : names[0];
    }
  },

  async watch() {
    clearTimeout(this.wait);
    if (!this.watching) return;
    try {
      if (!document.hidden) await this.refresh();
    } catch (err) {
      // Of calls that fail the frame of the page tells; a mistake of the page is for its console.
      if (!(err instanceof CallError)) setTimeout(() => { throw err; });
    }
    clearTimeout(this.wait);
    if (this.watching) this.wait = setTimeout(() => this.watch(), 1000);
  },

  async refresh() {
    const state = await call("rehearse", { since: this.points.at(-1)?.at || 0 });
    this.state = state;
    if (state.load) {
      this.points.push(...state.load.points.filter((p) => p.at > (this.points.at(-1)?.at || 0)));
      this.points.splice(0, this.points.length - 300);
    }
    this.draw(state);
  },

  draw(s) {
    const n = store.snapshot ? health(store.snapshot.tables, store.snapshot.nodes) : { dead: 0 };
    setClass(this.head, "verdict " + (n.dead ? "crit" : s.faults ? "warn" : "ok"));
    setText(this.head, "test cluster  " + count(s.nodes.length, "node") + (n.dead ? "; " + count(n.dead, "partition") + " without a primary" : "") + "; " + (s.faults ? count(s.faults, "fault") + " on" : "nothing is broken"));
    this.healAll.disabled = s.faults === 0;
    s.nodes.forEach((node, i) => this.drawNode(node, i, s.now));
    if (this.target.options.length !== s.nodes.length) fill(this.target, s.nodes.map((node, i) => h("option", { value: String(i) }, node.address)));
    setText(this.ahead, s.ahead ? "it is " + left(s.ahead) + " ahead" : "");
    this.noErrors.disabled = !s.errors;
    this.noThrottle.disabled = !s.throttled.includes(this.table.value);
    this.nodes.disabled = this.more.disabled = s.replaying;

    if (document.activeElement !== this.load) this.load.value = String(s.load ? s.load.rate : 0);
    if (this.load.value === "") this.load.value = "0";
    const marks = s.log.filter((e) => e.kind !== "note").map((e) => ({ at: e.at, class: e.kind }));
    const time = { from: begin(s.now, range, this.points[0]?.at), to: s.now, marks, every: 1000 };
    const failed = (p) => Object.values(p.errors || {}).reduce((a, b) => a + b, 0);
    this.ok.update(this.points.map((p) => [p.at, p.ok]), time);
    this.errors.update(this.points.map((p) => [p.at, failed(p)]), time);
    this.time.update(this.points.map((p) => (p.ok ? [p.at, p.p50 / 1000, p.p99 / 1000] : [p.at, null, null])), time);
    this.drawPromises(s.load);

    this.noLog.hidden = s.log.length > 0;
    const last = s.log.at(-1)?.seq;
    if (this.lastLog !== last) {
      this.lastLog = last;
      fill(this.log, s.log.slice(-60).reverse().map((e) => h("li", { class: e.kind }, h("time", null, clock(e.at)), " ", safeText(e.text))));
    }
    setText(this.steps, count(s.steps, "step") + (s.full ? ", and no more are kept" : ""));
    this.save.disabled = !s.steps;
    this.forget.disabled = !s.steps || s.faults > 0 || s.replaying;
    this.forget.title = s.faults ? "Heal all before" : "";
    this.replay.disabled = !s.steps;
    setText(this.replay, s.replaying ? "Stop the replay" : "Run again");
    document.body.dataset.faults = s.faults;
  },

  drawNode(node, i, now) {
    let line = this.nodeLines[i];
    if (!line) {
      line = { state: h("span", { class: "state" }), since: h("span", { class: "note" }) };
      const button = (step, more = () => ({})) => h("button", { type: "button", on: { click: () => this.step({ do: step(), node: i, ...more() }) } });
      line.kill = button(() => (this.state.nodes[i].down ? "revive" : "kill"));
      line.hang = button(() => (this.state.nodes[i].hung ? "resume" : "hang"));
      line.slow = button(() => "slow", () => ({ ms: this.state.nodes[i].slow ? 0 : Number(line.ms.value) }));
      line.cut = button(() => (this.state.nodes[i].cut ? "mend" : "cut"), () => (this.state.nodes[i].cut ? {} : cuts[line.from.value][1]));
      line.fill = button(() => (this.state.nodes[i].full ? "empty" : "fill"));
      line.ms = select([["20", "20 ms"], ["200", "200 ms"], ["2000", "2 s"]], "200");
      line.ms.setAttribute("aria-label", "How slow");
      line.from = select(Object.entries(cuts).map(([name, [title]]) => [name, title]), "refused");
      line.from.setAttribute("aria-label", "Whose links, and how");
      line.element = h("div", { class: "node" }, h("div", { class: "nodehead" }, h("b", { class: "mono" }, node.address), line.state, line.since), h("div", { class: "tools tight" }, line.kill, line.hang, line.fill, h("span", { class: "pair" }, line.slow, line.ms), h("span", { class: "pair" }, line.cut, line.from)));
      this.nodeLines[i] = line;
      this.nodes.append(line.element);
    }
    const states = [node.down && "dead", node.hung && "hangs", node.cut && "cut off from " + node.cut + (node.silent ? ", silently" : ""), node.slow && node.slow + " ms late", node.full && "disk full"].filter(Boolean);
    setText(line.state, states.join(", ") || "up");
    setClass(line.state, "state " + (node.down || node.hung || node.cut ? "bad" : states.length ? "odd" : "good"));
    setText(line.since, states.length ? Math.max(0, Math.round((now - node.since) / 1000)) + " s" : "");
    const set = (button, text, on, disabled = false) => { setText(button, text); button.classList.toggle("on", on); button.disabled = disabled; };
    set(line.kill, node.down ? "Revive" : "Kill", node.down, node.down && node.cut === "all");
    set(line.hang, node.hung ? "Resume" : "Hang", node.hung, node.down);
    set(line.slow, node.slow ? "As fast as ever" : "Slow down", !!node.slow);
    set(line.cut, node.cut ? "Mend links" : "Cut links", !!node.cut);
    set(line.fill, node.full ? "Make room" : "Fill disk", node.full);
    line.ms.hidden = !!node.slow;
    line.from.hidden = !!node.cut;
  },

  drawPromises(load) {
    const t = load?.totals;
    const facts = [
      ["Calls that succeeded", t ? number(t.ok) : "-"],
      ["Calls that failed", t ? number(t.failed) : "-"],
      ["Acknowledged writes that were not found", t ? number(t.lost) : "-", t && t.lost > 0],
      ["Reads of what was never written", t ? number(t.made_up) : "-", t && t.made_up > 0],
      ["Writes in doubt", t ? number(t.in_doubt) : "-"],
      ["Longest time from a failure to a success", t ? t.outage.toFixed(1) + " s" : "-"],
      ["Under way", load ? number(load.in_flight) : "-"],
      ["Due and not begun", t ? number(t.skipped) : "-"],
    ];
    if (!this.promises.childElementCount) fill(this.promises, facts.map(([k]) => [h("dt", null, k), h("dd")]));
    facts.forEach(([, v, bad], i) => {
      const e = this.promises.children[2 * i + 1];
      setText(e, v);
      setClass(e, bad ? "num bad" : "num");
    });
    this.causes.update(Object.entries(t?.errors || {}).sort((a, b) => b[1] - a[1]));
    this.causes.element.hidden = !t;
  },

  // step has something happen. Its button is off while that is under way.
  async step(step) {
    const button = document.activeElement?.closest("button");
    if (button) button.disabled = true;
    await this.order("rehearse-do", step, () => { if (button) button.disabled = false; }); // before the state decides that
    if (document.activeElement === document.body) button?.focus(); // it was lost when the button went off
  },

  async order(name, arg, done = () => {}) {
    let ok = true;
    try {
      await call(name, arg);
    } catch (err) {
      ok = false;
      toast(safeText(err.message), true);
    }
    done(ok);
    if (this.watching) await this.watch();
  },

  heal() { return this.order("rehearse-do", { do: "heal" }, (ok) => { if (ok && !this.watching) toast("Everything is healed."); }); },

  async saveTest() {
    try {
      const t = await call("rehearse-test");
      const source = h("pre", { class: "source", tabindex: "0" }, t.source);
      const dialog = ask({ title: t.name, wide: true, text: "The same steps as a test with package pegasustest. It runs on a fake clock, so that the pauses take no time.", fields: [source] });
      dialog.querySelector(".buttons").prepend(
        h("button", { type: "button", class: "start", on: { click: () => navigator.clipboard.writeText(t.source).then(() => toast("Copied."), () => toast("The browser does not let the page copy.", true)) } }, "Copy"),
        h("button", { type: "button", on: { click: () => {
          const url = URL.createObjectURL(new Blob([t.source], { type: "text/plain" }));
          h("a", { href: url, download: t.name }).click();
          setTimeout(() => URL.revokeObjectURL(url), 1000);
        } } }, "Download"));
    } catch (err) {
      toast(safeText(err.message), true);
    }
  },
};
