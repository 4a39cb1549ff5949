// Rows: look for them, read, edit, insert and delete them, and see where a key is.

import { call } from "./api.js";
import { ask, field, fill, h, select, setText, toast } from "./dom.js";
import { codings, compact, esc, fromBase64url, safeText, show, toBase64url } from "./bytes.js";
import { bytes, count, left } from "./format.js";
import { store } from "./store.js";

const maxInPage = 2000; // rows that are kept in the page
const enough = 100; // rows that a search looks for before it waits to be asked for more
const editable = 256 * 1024; // bytes of a value that an input takes
const keyCodings = [["esc", codings.esc.title], ["hex", "hex"], ["int32", "int32"], ["int64", "int64"], ["base64", "base64"]];
const valueCodings = [...keyCodings.slice(0, 1), ["json", "JSON"], ...keyCodings.slice(1)];

// keyInput is an input for bytes with the coding that they are written in.
function keyInput(label, placeholder = "") {
  const input = h("input", { class: "mono", autocomplete: "off", spellcheck: "false", placeholder, "aria-label": label });
  const coding = select(keyCodings, "esc");
  coding.setAttribute("aria-label", label + ": how it is written");
  const title = h("span", { class: "label" }, label);
  return {
    element: h("div", { class: "field" }, title, h("span", { class: "joined" }, input, coding)),
    input, coding,
    get() {
      try {
        return toBase64url(codings[coding.value].parse(input.value));
      } catch (err) {
        input.focus();
        throw new Error(label + ": " + err.message);
      }
    },
    name(text) { setText(title, text); input.setAttribute("aria-label", text); },
  };
}

export const rows = {
  name: "rows", title: "Rows", key: "r",
  patience: 30000, // ms that a search looks on by itself

  show() {
    this.table = h("select", { required: true, on: { change: () => this.giveUp() } });
    this.byHash = select([["table", "of the whole table"], ["hash", "of one hash key"]], "table", () => this.modeChanged());
    this.hash = keyInput("Hash key");
    this.prefix = keyInput("Sort key begins with");
    this.from = keyInput("Sort key from");
    this.to = keyInput("Sort key before");
    this.reverse = h("input", { type: "checkbox" });
    this.keysOnly = h("input", { type: "checkbox" });
    this.reverseField = h("label", null, this.reverse, " descending");
    this.error = h("p", { class: "error", role: "alert", hidden: true });
    const form = h("form", { class: "search", on: { submit: (e) => { e.preventDefault(); this.first(); } } },
      field("Table", this.table), field("Rows", this.byHash), this.hash.element, this.prefix.element, this.from.element, this.to.element,
      h("div", { class: "checks" }, this.reverseField, h("label", null, this.keysOnly, " without values")),
      h("div", { class: "buttons left" }, h("button", { class: "primary", type: "submit" }, "Show"),
        h("button", { type: "button", on: { click: () => this.whereIs() } }, "Where is this key?"),
        store.about.allow_writes && h("button", { type: "button", on: { click: () => this.insert() } }, "Insert a row")));

    const look = (of, list, value) => {
      const s = select(list, value, () => this.redraw());
      s.setAttribute("aria-label", of + " shown as");
      return s;
    };
    this.hashLook = look("Hash keys", keyCodings, "esc");
    this.sortLook = look("Sort keys", keyCodings, "esc");
    this.valueLook = look("Values", valueCodings, "esc");
    this.body = h("tbody", { on: { click: (e) => this.clicked(e) } });
    this.status = h("p", { class: "note", role: "status" });
    this.more = h("button", { type: "button", hidden: true, on: { click: () => this.next() } }, "Next page");
    this.progress = h("progress", { max: "1", "aria-label": "Looked through", hidden: true });
    this.stop = h("button", { type: "button", hidden: true, on: { click: () => this.stopper.abort() } }, "Stop");
    this.found = h("section", { hidden: true, "aria-label": "Rows" },
      h("div", { class: "scroll" }, h("table", { class: "rows" },
        h("thead", null, h("tr", null, h("th", { scope: "col" }, "Hash key ", this.hashLook), h("th", { scope: "col" }, "Sort key ", this.sortLook), h("th", { scope: "col" }, "Value ", this.valueLook), h("th", { scope: "col", class: "num" }, "Size"), h("th", { scope: "col", class: "num" }, "Expires in"))), this.body)),
      h("div", { class: "tools bottom" }, this.status, this.progress, this.stop, this.more));
    this.list = [];
    this.cursor = "";
    this.query = null;
    this.modeChanged();
    return h("div", { class: "stack" }, h("section", { "aria-label": "Search" }, form, this.error), this.found);
  },

  opened() { this.timer = setInterval(() => this.countDown(), 1000); },
  hide() { clearInterval(this.timer); this.stopper?.abort(); },
  search() { (this.byHash.value === "hash" ? this.hash.input : this.table).focus(); },
  with(table) { this.table.value = table; this.first(); },

  update() {
    const names = store.snapshot.tables.map((t) => t.name), old = [...this.table.options].map((o) => o.value);
    if (names.join("\n") === old.join("\n")) return;
    const value = this.table.value;
    fill(this.table, names.map((n) => h("option", { value: n }, safeText(n))));
    // A table that is gone leaves none chosen: not another one, of which nobody thinks.
    if (old.length) this.table.value = value;
  },

  modeChanged() {
    const one = this.byHash.value === "hash";
    this.hash.name(one ? "Hash key" : "Hash key begins with");
    this.from.element.hidden = this.to.element.hidden = this.reverseField.hidden = !one;
  },

  // giveUp forgets the search and what it has found.
  giveUp() {
    this.stopper?.abort();
    this.query = null;
    this.clear();
  },

  clear() {
    this.list = [];
    fill(this.body);
    this.found.hidden = true;
  },

  fail(err) {
    this.error.hidden = !err;
    setText(this.error, err ? safeText(err.message) : "");
  },

  // first shows the first page of what the form asks for.
  async first() {
    this.fail(null);
    this.giveUp();
    try {
      const one = this.byHash.value === "hash";
      this.query = { table: this.table.value, by_hash: one, hash: this.hash.get(), prefix: this.prefix.get(), from: one ? this.from.get() : "", to: one ? this.to.get() : "", reverse: one && this.reverse.checked, no_value: this.keysOnly.checked };
    } catch (err) {
      this.fail(err);
      return;
    }
    this.done = this.before = 0;
    this.cursor = "";
    await this.next();
  },

  // next looks for more rows until there are enough, or its patience ends.
  async next() {
    const query = this.query, stopper = new AbortController(), begun = performance.now();
    this.stopper = stopper;
    this.fail(null);
    this.more.disabled = true;
    let found = 0, failed = null;
    try {
      do {
        const page = await call("rows", { ...query, cursor: this.cursor }, stopper.signal);
        if (query !== this.query) return; // another search has begun meanwhile
        if (this.list.length + page.rows.length > maxInPage) { this.before += this.list.length; this.clear(); }
        this.cursor = page.cursor;
        this.done = page.cursor ? this.done + (1 - this.done) * page.done : 1;
        this.found.hidden = false;
        this.add(page.rows);
        found += page.rows.length;
        const goOn = page.cursor && found < enough && performance.now() - begun < this.patience;
        this.showStatus(goOn);
        if (!goOn) break;
      } while (!stopper.signal.aborted);
    } catch (err) {
      failed = err;
    }
    if (query !== this.query) return;
    if (failed && !stopper.signal.aborted) this.fail(failed);
    this.showStatus(false);
    this.more.disabled = false;
  },

  showStatus(looking) {
    this.looking = looking;
    this.progress.hidden = this.stop.hidden = !looking;
    this.progress.value = this.done;
    this.more.hidden = looking || !this.cursor;
    setText(this.more, this.list.length ? "Next page" : "Look on");
    setText(this.status, this.statusText(looking));
  },

  statusText(looking) {
    const there = this.list.filter((row) => !row.removed).length;
    const n = count(there, "row") + " shown" + (this.before ? ", after " + this.before + " others" : "");
    if (!this.cursor && !looking) return this.list.length ? n + ", no more behind them." : "No rows.";
    const part = this.query.by_hash ? "" : ", about " + Math.min(99, Math.floor(this.done * 100)) + " % of the table looked through";
    if (this.list.length) return n + part + (looking ? "; looking on." : ".");
    return (looking ? "None found yet" : "None found in the part scanned so far") + part + ".";
  },

  add(found) {
    const at = performance.now();
    for (const r of found) {
      const row = { hash: fromBase64url(r.hash), sort: fromBase64url(r.sort), value: fromBase64url(r.value), size: r.size, ttl: r.ttl, sum: r.sum, at };
      row.element = h("tr", { "data-row": this.list.length }, h("td", null, h("button", { type: "button", class: "plain key", title: "Open this row" })), h("td", { class: "mono clip" }), h("td", { class: "mono clip" }), h("td", { class: "num" }), h("td", { class: "num ttl" }));
      this.list.push(row);
      this.draw(row);
      this.body.append(row.element);
    }
  },

  draw(row) {
    const [hash, sort, value, size, ttl] = row.element.children;
    const cut = (text) => (text.length > 200 ? text.slice(0, 200) + " …" : text);
    setText(hash.firstElementChild, cut(show(this.hashLook.value, row.hash)) || "(empty)");
    setText(sort, cut(show(this.sortLook.value, row.sort)) || "(empty)");
    const shown = row.value.length > 300 ? row.value.subarray(0, 300) : row.value;
    setText(value, this.query.no_value ? "-" : cut(this.valueLook.value === "json" ? show("json", row.value).replaceAll(/\n\s*/g, " ") : show(this.valueLook.value, shown)) + (row.size > shown.length && shown.length ? " …" : ""));
    setText(size, this.query.no_value ? "-" : bytes(row.size));
    setText(ttl, left(ttlNow(row)));
  },

  redraw() { for (const row of this.list) this.draw(row); },

  countDown() {
    for (const row of this.list) if (row.ttl >= 0) {
      const now = ttlNow(row);
      setText(row.element.lastElementChild, now > 0 ? left(now) : "expired");
      row.element.classList.toggle("gone", now <= 0);
    }
  },

  clicked(e) {
    const tr = e.target.closest("tr[data-row]");
    if (tr && !getSelection().toString()) this.open(this.list[Number(tr.dataset.row)]);
  },

  async open(row) {
    const id = { table: this.query.table, hash: toBase64url(row.hash), sort: toBase64url(row.sort) };
    try {
      const found = await call("row", id);
      if (found) this.edit(id, found, row); else toast("There is no such row any more.", true);
    } catch (err) {
      toast(safeText(err.message), true);
    }
  },

  // edit shows a row with its whole value, and changes it unless it is read-only.
  edit(id, found, row) {
    let saw = found.sum;
    const value = fromBase64url(found.value);
    const hash = fromBase64url(id.hash), sort = fromBase64url(id.sort);
    const mayWrite = store.about.allow_writes && value.length <= editable;
    let now = value, coding = codings.json.show(value) !== null ? "json" : "esc"; // what the text stands for, and how
    const text = h("textarea", { spellcheck: "false", "aria-label": "Value", readonly: !mayWrite, rows: "12" });
    const note = h("p", { class: "note" });
    const draw = () => {
      const big = value.length > editable;
      text.value = show(coding, big ? value.subarray(0, 4096) : now);
      setText(note, big ? "The first 4 KiB of " + bytes(value.length) + ". A value of this size is downloaded, not edited here." : "");
      note.hidden = !big;
    };
    // read returns the bytes that the text stands for. What was not touched is what it was:
    // JSON is laid out for the eyes, and that of one line stays on one.
    const read = () => {
      if (!mayWrite || text.value === show(coding, now)) return now;
      const parsed = codings[coding].parse(text.value);
      return coding === "json" && !value.includes(10) ? compact(parsed) : parsed;
    };
    const how = select(valueCodings, coding, (v) => {
      try {
        const next = read();
        if (codings[v].show(next) === null) throw new Error("This value cannot be written as " + codings[v].title + ".");
        now = next;
        coding = v;
        draw();
      } catch (err) {
        toast(err.message, true);
        how.value = coding;
      }
    });
    draw();
    const keep = [["keep", found.ttl < 0 ? "never expires, as now" : "keep: " + left(found.ttl)], ["0", "never"], ["3600", "1 hour"], ["86400", "1 day"], ["604800", "7 days"], ["other", "seconds:"]];
    const seconds = h("input", { type: "number", min: "1", value: "60", "aria-label": "Seconds", required: true, hidden: true, disabled: true });
    const ttl = select(keep, "keep", (v) => { seconds.hidden = seconds.disabled = v !== "other"; });
    const conflict = h("div", { class: "conflict", hidden: true });
    const place = h("p", { class: "note mono" }, "");
    this.placeOf(id).then((p) => setText(place, p), () => {});
    const dialog = ask({
      title: "Row of " + safeText(id.table), action: "Save", wide: true,
      fields: [
        h("dl", null, h("dt", null, "Hash key"), h("dd", { class: "mono" }, esc(hash) || "(empty)"), h("dt", null, "Sort key"), h("dd", { class: "mono" }, esc(sort) || "(empty)"), h("dt", null, "Value"), h("dd", null, bytes(found.size)), h("dt", null, "Expires in"), h("dd", null, left(found.ttl))),
        h("label", { class: "field" }, h("span", { class: "label" }, "Value as"), how), text, note,
        mayWrite && h("div", { class: "tools" }, h("label", null, "Time to live ", ttl), seconds), conflict, place,
      ],
      act: !mayWrite ? null : async () => {
        const next = read();
        const left = ttl.value === "keep" ? -1 : Number(ttl.value === "other" ? seconds.value : ttl.value);
        if (left < 0 && saw === found.sum && next.length === value.length && next.every((b, i) => b === value[i])) { toast("Nothing was changed."); return; }
        try {
          const now = await call("row-set", { ...id, value: toBase64url(next), ttl: left, saw });
          this.changed(row, now);
          toast("Saved.");
        } catch (err) {
          if (err.status !== 409) throw err;
          this.showConflict(conflict, err, coding);
          saw = err.body.row ? err.body.row.sum : "";
          if (!saw) { ttl.querySelector("[value=keep]")?.remove(); throw new Error("The row is gone, and was not saved. Choose a time to live, and save again to make it anew."); }
          throw new Error("The row was changed meanwhile, and was not saved. Save again to replace what is there now.");
        }
      },
    });
    const tools = dialog.querySelector(".buttons");
    tools.prepend(...[h("button", { type: "button", class: "start", on: { click: () => download(value) } }, "Download bytes"),
      mayWrite && h("button", { type: "button", class: "danger", on: { click: () => { dialog.close(); this.remove(id, found, row); } } }, "Delete")].filter(Boolean));
  },

  showConflict(box, err, coding) {
    const there = err.body.row;
    box.hidden = false;
    fill(box, h("b", null, there ? "What is there now" : "The row is gone now."), there && h("pre", null, show(coding, fromBase64url(there.value).subarray(0, 4096))));
  },

  changed(row, now) {
    if (!this.list.includes(row)) return;
    if (!now) { row.element.remove(); row.ttl = -1; row.removed = true; this.showStatus(this.looking); return; }
    Object.assign(row, { value: fromBase64url(now.value).slice(0, 4096), size: now.size, ttl: now.ttl, sum: now.sum, at: performance.now() });
    this.draw(row);
  },

  remove(id, found, row) {
    ask({
      title: "Delete this row?", text: esc(fromBase64url(id.hash)) + "\n" + esc(fromBase64url(id.sort)), danger: true, action: "Delete",
      act: async () => {
        try {
          await call("row-delete", { ...id, saw: found.sum });
        } catch (err) {
          throw err.status === 409 ? new Error("The row was changed meanwhile, and was not deleted. Open it again to see it.") : err;
        }
        this.changed(row, null);
        toast("Deleted.");
      },
    });
  },

  insert() {
    const hash = keyInput("Hash key"), sort = keyInput("Sort key");
    const text = h("textarea", { spellcheck: "false", rows: "8", "aria-label": "Value" });
    const how = select(valueCodings, "esc");
    const ttl = h("input", { type: "number", min: "0", value: "0", required: true });
    const table = this.table.value; // as the title says it, whatever is chosen later
    if (this.byHash.value === "hash") { hash.input.value = this.hash.input.value; hash.coding.value = this.hash.coding.value; }
    ask({
      title: "Insert a row into " + safeText(table), action: "Insert", wide: true,
      fields: [hash.element, sort.element, h("label", { class: "field" }, h("span", { class: "label" }, "Value as"), how), text, field("Time to live in seconds, 0 for none", ttl)],
      act: async () => {
        const id = { table, hash: hash.get(), sort: sort.get() };
        try {
          await call("row-set", { ...id, value: toBase64url(codings[how.value].parse(text.value)), ttl: Number(ttl.value), saw: "" });
        } catch (err) {
          throw err.status === 409 ? new Error("There is a row with this key already. Look for it to edit it.") : err;
        }
        toast("Inserted.");
        if (this.query) this.first();
      },
    });
  },

  async placeOf(id) {
    const p = await call("where", id);
    return "hash 0x" + p.hash_value + " mod " + p.partitions + " -> partition " + p.gpid + ", primary " + (p.primary || "none") + (p.secondaries.length ? ", secondaries " + p.secondaries.join(" ") : "");
  },

  async whereIs() {
    this.fail(null);
    try {
      if (this.byHash.value !== "hash") { this.byHash.value = "hash"; this.modeChanged(); }
      const text = await this.placeOf({ table: this.table.value, hash: this.hash.get(), sort: "" });
      ask({ title: "Where the key is", fields: [h("p", { class: "mono" }, esc(fromBase64url(this.hash.get())) || "(empty)"), h("p", { class: "mono" }, text)] });
    } catch (err) {
      this.fail(err);
    }
  },
};

// ttlNow is the time to live of a row by now.
function ttlNow(row) { return row.ttl < 0 ? -1 : Math.max(0, row.ttl - (performance.now() - row.at) / 1000); }

function download(value) {
  const url = URL.createObjectURL(new Blob([value], { type: "application/octet-stream" }));
  h("a", { href: url, download: "value.bin" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
