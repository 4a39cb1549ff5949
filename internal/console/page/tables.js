// Tables: make, drop, recall and rename them, change their environment, split and compact
// them.

import { CallError, call } from "./api.js";
import { Grid, ask, field, fill, h, setText, toast } from "./dom.js";
import { safeText } from "./bytes.js";
import { bytes, count, date, number, rate } from "./format.js";
import { health, latest, rates, store } from "./store.js";

// word quotes an argument for a shell.
const word = (text) => (/^[\w.:@%+,=/-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'");

// command is one of the pegasus program for this cluster.
const command = (...parts) => ["pegasus table", ...parts, ...(store.about.meta_servers.join() === "127.0.0.1:34601" ? [] : ["--meta", word(store.about.meta_servers.join())])].filter(Boolean).join(" ");

export const tables = {
  name: "tables", title: "Tables", key: "t",

  show(go) {
    const write = store.about.allow_writes;
    this.grid = new Grid([
      { title: "Table", cell: (t) => t.button },
      { title: "Id", class: "num", cell: (t) => String(t.id) },
      { title: "Partitions", class: "num", cell: (t) => String(t.partitions) },
      { title: "Replicas", class: "num", cell: (t) => String(t.replicas) },
      { title: "Trouble", class: "nowrap", cell: (t) => this.troubleOf(t) },
      { title: "Size", class: "num", cell: (t) => bytes(t.bytes) },
      { title: "Rows, about", class: "num", cell: (t) => number(t.records) },
      { title: "Reads/s", class: "num", cell: (t) => rate(this.last ? rates(this.last, t.name, false) : null) },
      { title: "Writes/s", class: "num", cell: (t) => rate(this.last ? rates(this.last, t.name, true) : null) },
    ], { key: (t) => t.id, empty: "There are no tables.", onRow: (row, t) => row.classList.toggle("chosen", t.name === this.chosen) });
    this.dropped = new Grid([
      { title: "Table", cell: (t) => t.name },
      { title: "Id", class: "num", cell: (t) => String(t.id) },
      { title: "State", cell: (t) => t.status },
      { title: "Dropped", cell: (t) => date(t.dropped) },
      { title: "Kept until", cell: (t) => date(t.purged) },
      { title: "", cell: (t) => t.button || "" },
    ], { key: (t) => t.id });
    this.droppedBox = h("section", { hidden: true }, h("h2", null, "Dropped, and can be recalled"), this.dropped.element);
    this.filter = h("input", { type: "search", placeholder: "filter", "aria-label": "Show tables whose name contains", on: { input: () => this.update() } });
    this.buttons = new Map(); // by id and name
    this.recalls = new Map(); // by id
    this.detail = h("section", { hidden: true, "aria-label": "Chosen table" });
    this.go = go;
    return h("div", { class: "stack" },
      h("section", null, h("div", { class: "tools" }, h("h2", null, "Tables"), this.filter, write && h("button", { type: "button", on: { click: () => this.create() } }, "Create a table")), this.grid.element),
      this.detail, this.droppedBox);
  },

  search() { this.filter.focus(); },
  opened() { this.refreshDropped(); },
  hide() { clearTimeout(this.wait); this.wait = null; this.watching = null; },

  update() {
    if (!store.snapshot) return;
    this.last = latest();
    const keys = new Set(store.snapshot.tables.map((t) => t.id + " " + t.name));
    for (const key of this.buttons.keys()) if (!keys.has(key)) this.buttons.delete(key);
    const list = store.snapshot.tables.filter((t) => t.name.includes(this.filter.value));
    for (const t of list) {
      const key = t.id + " " + t.name;
      if (!this.buttons.has(key)) this.buttons.set(key, h("button", { type: "button", class: "plain", on: { click: () => this.choose(t.name) } }, safeText(t.name)));
      t.button = this.buttons.get(key);
    }
    setText(this.grid.empty, this.filter.value ? "No table has that in its name." : "There are no tables.");
    this.grid.update(list);
    if (this.chosen && this.watching !== this.chosen) this.watch();
    const ids = store.snapshot.tables.map((t) => t.id).join();
    if (ids !== this.ids) { this.ids = ids; this.refreshDropped(); }
  },

  troubleOf(t) {
    const n = health([t], store.snapshot.nodes);
    return [n.dead && n.dead + " no primary", n.short && n.short + " short of copies", n.child && n.child + " splitting"].filter(Boolean).join(", ") || "none";
  },

  async refreshDropped() {
    try {
      const all = (await call("tables")).tables.filter((t) => t.status !== "available");
      this.droppedBox.hidden = all.length === 0;
      for (const t of all) {
        if (!this.recalls.has(t.id)) this.recalls.set(t.id, h("button", { type: "button", on: { click: () => this.recall(t) } }, "Recall"));
        t.button = store.about.allow_writes && this.recalls.get(t.id);
      }
      this.dropped.update(all);
    } catch (err) {
      if (!(err instanceof CallError)) throw err; // of those the frame of the page tells
    }
  },

  choose(name) {
    this.chosen = this.chosen === name ? null : name;
    this.detail.hidden = !this.chosen;
    this.shape = null;
    this.watching = null;
    this.update();
  },

  // watch asks about the chosen table as long as it is chosen.
  async watch() {
    const name = this.chosen;
    this.watching = name;
    clearTimeout(this.wait);
    while (this.chosen === name && this.watching === name) {
      try {
        if (!document.hidden) this.draw(await call("table", { table: name }), name);
      } catch (err) {
        if (this.chosen !== name) return;
        this.shape = null;
        fill(this.detail, h("h2", null, safeText(name)), h("p", { class: "error" }, safeText(err.message)));
      }
      await new Promise((done) => { this.wait = setTimeout(done, 1500); });
    }
  },

  draw(t, name) {
    if (this.chosen !== name) return;
    const write = store.about.allow_writes;
    // The frame is made anew only if another table is chosen, so that focus survives.
    if (this.shape !== name) {
      this.shape = name;
      this.goingText = null;
      this.facts = h("dl");
      this.going = h("div", { role: "status" });
      this.envs = new Grid([
        { title: "Variable", class: "mono", cell: (e) => e.key },
        { title: "Value", class: "mono", cell: (e) => e.value },
        { title: "", cell: (e) => e.buttons },
      ], { key: (e) => e.key + "\0" + e.value, empty: "The environment is empty." });
      this.envButtons = new Map();
      this.where = new Grid([
        { title: "Partition", class: "num", cell: (p) => String(p.index) },
        { title: "Primary", class: "mono", cell: (p) => (p.ballot < 0 ? "is being split off" : p.primary || "none") },
        { title: "Secondaries", class: "mono", cell: (p) => (p.secondaries || []).join("  ") },
        { title: "Ballot", class: "num", cell: (p) => String(p.ballot) },
      ], { key: (p) => p.index });
      this.split = h("button", { type: "button", on: { click: () => this.startSplit(this.shown) } }, "Split");
      this.compact = h("button", { type: "button", on: { click: () => this.startCompact(this.shown) } }, "Compact");
      fill(this.detail,
        h("div", { class: "tools" }, h("h2", null, safeText(name)), h("button", { type: "button", on: { click: () => this.go("rows", name) } }, "Rows"),
          write && [this.split, this.compact,
            h("button", { type: "button", on: { click: () => this.rename(this.shown) } }, "Rename"),
            h("button", { type: "button", class: "danger", on: { click: () => this.drop(this.shown) } }, "Drop")]),
        this.going, h("div", { class: "two flat" },
          h("div", null, this.facts, h("div", { class: "tools spaced" }, h("h3", null, "Environment"), write && h("button", { type: "button", on: { click: () => this.env(this.shown, "", null) } }, "Set a variable")), this.envs.element),
          h("div", null, h("h3", null, "Partitions"), h("div", { class: "tall" }, this.where.element))));
    }
    this.shown = t;
    const facts = [["Id", t.id], ["Partitions", t.partitions], ["Replicas", t.replicas], ["Created", date(t.created)]].map(([k, v]) => [h("dt", null, k), h("dd", null, String(v))]);
    if (this.facts.textContent !== facts.flat().map((e) => e.textContent).join("")) fill(this.facts, facts);
    this.envs.update(Object.entries(t.envs).sort().map(([key, value]) => {
      const id = key + "\0" + value;
      if (!this.envButtons.has(id)) this.envButtons.set(id, write ? h("span", { class: "tools tight" }, h("button", { type: "button", class: "plain", on: { click: () => this.env(t, key, value) } }, "Change"), h("button", { type: "button", class: "plain", on: { click: () => this.delEnv(t, key, value) } }, "Remove")) : h("span"));
      return { key, value, buttons: this.envButtons.get(id) };
    }));
    this.where.update(t.where);
    this.split.disabled = !!t.split;
    this.drawGoing(t);
  },

  drawGoing(t) {
    const lines = [];
    if (t.split) {
      const half = t.split.partitions / 2, done = half - t.split.left;
      const states = Object.entries(t.split.by_status).map(([s, n]) => n + " " + s).join(", ");
      lines.push(["split to " + t.split.partitions + " partitions", done / half, done + " of " + half + " are split" + (states ? "; " + states : ""), true]);
    }
    if (t.compact >= 0 && t.compact < 100) lines.push(["compaction", t.compact / 100, t.compact + " %", false]);
    const complete = !lines.length && t.compact === 100;
    const text = t.name + lines.map((l) => l[0] + l[2]).join() + complete;
    if (this.goingText === text) return; // or the focus of its buttons would be lost
    this.goingText = text;
    const control = (what, title) => h("button", { type: "button", title: command("split", word(t.name), "--" + what), on: { click: () => this.act(() => call("table-split-control", { table: t.name, do: what }), title + " was sent.") } }, title);
    fill(this.going, lines.map(([title, share, says, isSplit]) => h("div", { class: "going" }, h("span", null, title), h("progress", { max: "1", value: share, "aria-label": title }), h("span", null, says),
      isSplit && store.about.allow_writes && [control("pause", "Pause the split"), control("resume", "Resume"), control("cancel", "Cancel")])));
    if (complete) fill(this.going, h("p", { class: "note" }, "The last compaction is complete."));
  },

  async act(f, done) {
    try {
      await f();
      toast(done);
    } catch (err) {
      toast(safeText(err.message), true);
    }
  },

  create() {
    const name = h("input", { required: true, pattern: "[A-Za-z0-9_.:]+", autocomplete: "off", spellcheck: "false" });
    const partitions = h("input", { type: "number", min: "1", value: "8", required: true });
    const replicas = h("input", { type: "number", min: "1", max: "5", value: "3", required: true });
    const envs = h("textarea", { rows: "3", spellcheck: "false", placeholder: "default_ttl=86400" });
    const parse = () => Object.fromEntries(envs.value.split("\n").map((l) => l.trim()).filter(Boolean).map((l) => {
      const i = l.indexOf("=");
      if (i < 1) throw new Error(l + " is not variable=value");
      return [l.slice(0, i), l.slice(i + 1)];
    }));
    ask({
      title: "Create a table", action: "Create",
      fields: [field("Name", name, "letters, digits and _ . :"), field("Partitions", partitions, "best a power of two; it can be doubled later"), field("Copies of each", replicas), field("Environment, a line each", envs)],
      command: () => command("create", word(name.value || "NAME"), "--partitions", partitions.value, "--replicas", replicas.value, ...envs.value.split("\n").filter((l) => l.trim()).map((l) => "--env " + word(l.trim()))),
      act: async () => {
        const r = await call("table-create", { table: name.value, partitions: Number(partitions.value), replicas: Number(replicas.value), envs: parse() });
        toast("Table " + name.value + " was made, with id " + r.id + ".");
      },
    });
  },

  drop(t) {
    const days = h("input", { type: "number", min: "0", max: "36500", value: "0", required: true });
    ask({
      title: "Drop the table " + safeText(t.name) + "?", danger: true, action: "Drop", must: t.name,
      text: "Its clients fail from then on. It can be recalled until the servers delete its data.",
      fields: [field("Keep the data for so many days, 0 for as long as the servers like", days)],
      command: () => command("drop", word(t.name), "--yes", Number(days.value) > 0 && "--reserve " + 24 * days.value + "h"),
      act: async () => {
        await call("table-drop", { table: t.name, id: t.id, reserve: Math.round(Number(days.value) * 86400) });
        toast("Table " + safeText(t.name) + " was dropped.");
        this.choose(t.name);
        this.refreshDropped();
      },
    });
  },

  recall(t) {
    const name = h("input", { value: t.name, required: true, autocomplete: "off", spellcheck: "false" });
    ask({
      title: "Recall the table " + safeText(t.name), action: "Recall", fields: [field("Under the name", name)],
      command: () => command("recall", word(t.name), "--id", t.id, name.value && name.value !== t.name && "--as " + word(name.value)),
      act: async () => {
        const back = await call("table-recall", { id: t.id, name: name.value });
        toast("Table " + safeText(back.name) + " is back.");
        this.refreshDropped();
      },
    });
  },

  rename(t) {
    const name = h("input", { value: t.name, required: true, autocomplete: "off", spellcheck: "false" });
    ask({
      title: "Rename the table " + safeText(t.name), action: "Rename", fields: [field("New name", name)],
      text: "Clients that have it open by the old name go on until something fails, and do not find it then.",
      command: () => command("rename", word(t.name), word(name.value || "NAME")),
      act: async () => {
        await call("table-rename", { table: t.name, name: name.value });
        toast("Table " + safeText(t.name) + " is called " + name.value + " now.");
        this.choose(name.value);
      },
    });
  },

  env(t, key, value) {
    const name = h("input", { value: key, required: true, readonly: !!key, autocomplete: "off", spellcheck: "false", class: "mono", list: "envs" });
    const input = h("input", { value: value ?? "", autocomplete: "off", spellcheck: "false", class: "mono" });
    const known = h("datalist", { id: "envs" }, ["default_ttl", "replica.write_throttling", "replica.read_throttling", "replica.deny_client_request", "replica.slow_query_threshold", "manual_compact.once.trigger_time", "user_specified_compaction", "business.info"].map((v) => h("option", { value: v })));
    ask({
      title: (key ? "Change " : "Set ") + "a variable of " + safeText(t.name), action: "Set", fields: [known, field("Variable", name), field("Value", input)],
      text: "The servers of a cluster learn of it within about 30 seconds, a onebox at once.",
      command: () => command("env set", word(t.name), word((name.value || "NAME") + "=" + input.value)),
      act: async () => { await call("table-env", { table: t.name, key: name.value, value: input.value, saw: value }); toast(name.value + " was set."); },
    });
  },

  delEnv(t, key, value) {
    ask({
      title: "Remove " + safeText(key) + "?", danger: true, action: "Remove",
      command: () => command("env unset", word(t.name), word(key)),
      act: async () => { await call("table-env", { table: t.name, key, value: null, saw: value }); toast(safeText(key) + " was removed."); },
    });
  },

  startSplit(t) {
    ask({
      title: "Split the table " + safeText(t.name) + "?", action: "Split", text: "From " + count(t.partitions, "partition") + " to " + 2 * t.partitions + ". The table stays usable. It cannot be undone when a partition has been split.",
      command: () => command("split", word(t.name), "--yes"),
      act: async () => { await call("table-split", { table: t.name, partitions: 2 * t.partitions }); toast("The split was sent."); },
    });
  },

  startCompact(t) {
    ask({
      title: "Compact the table " + safeText(t.name) + "?", action: "Compact", text: "What was deleted, overwritten or has expired is removed from the disks. It takes time and their bandwidth.",
      command: () => command("compact", word(t.name), "--bottommost"),
      act: async () => { await call("table-compact", { table: t.name }); toast("The compaction was sent."); },
    });
  },
};
