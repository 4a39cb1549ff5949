// Elements, made without any HTML in texts: what comes from a cluster is never markup.

import { safeText } from "./bytes.js";

// h makes an element. Properties: class; on, an object of listeners; others are attributes,
// left out if they are null or false. Children are nodes or texts; null is none.
export function h(tag, properties, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name === "on") for (const [event, f] of Object.entries(value)) e.addEventListener(event, f);
    else if (name === "value") e.value = value;
    else if (value === true) e.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) e.setAttribute(name, value);
  }
  e.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

// setText changes a text only if it is another one, so that a selection survives.
export function setText(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

export function setClass(e, name) {
  if (e.className !== name) e.className = name;
}

// fill replaces the children of an element.
export function fill(e, ...children) {
  e.replaceChildren(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
}

// Grid is a table whose rows keep their elements, so that focus and selection survive an
// update. columns: [{title, class, cell(row) -> text or node}]. Texts are made safe here, since
// most are of a cluster.
export class Grid {
  constructor(columns, { empty = "none", key, onRow } = {}) {
    this.columns = columns;
    this.key = key;
    this.onRow = onRow;
    this.rows = new Map();
    this.body = h("tbody");
    this.empty = h("p", { class: "empty" }, empty);
    this.element = h("div", { class: "scroll" },
      h("table", null, h("thead", null, h("tr", null, columns.map((c) => h("th", { scope: "col", class: c.class }, c.title)))), this.body), this.empty);
  }

  update(list) {
    const seen = new Set();
    let place = this.body.firstElementChild;
    for (const item of list) {
      const key = String(this.key(item));
      seen.add(key);
      let row = this.rows.get(key);
      if (!row) {
        row = h("tr", null, this.columns.map((c) => h("td", { class: c.class })));
        this.rows.set(key, row);
      }
      this.columns.forEach((c, i) => {
        const cell = row.children[i], now = c.cell(item);
        if (now instanceof Node) { if (cell.firstChild !== now) fill(cell, now); } else setText(cell, safeText(now));
      });
      if (this.onRow) this.onRow(row, item);
      if (row === place) place = place.nextElementSibling;
      else this.body.insertBefore(row, place);
    }
    for (const [key, row] of this.rows) if (!seen.has(key)) { row.remove(); this.rows.delete(key); }
    this.empty.hidden = list.length > 0;
  }
}

// toast says for some seconds what has happened.
export function toast(text, bad = false) {
  const t = h("p", { class: bad ? "toast bad" : "toast" }, text);
  document.getElementById("toasts").append(t);
  setTimeout(() => t.remove(), bad ? 12000 : 5000);
}

// field is an input with its label.
export function field(label, input, hint) {
  return h("label", { class: "field" }, h("span", { class: "label" }, label), input, hint && h("small", null, hint));
}

export function select(options, value, change) {
  const s = h("select", { on: { change: () => change && change(s.value) } },
    options.map(([v, text]) => h("option", { value: v, selected: v === value }, text)));
  return s;
}

// ask opens a dialog. It has fields (nodes), shows the command that does the same, and calls
// act, which may throw: then the dialog stays and says why. must is a text to be typed before.
export function ask({ title, text, fields = [], command, must, action, danger = false, act, wide = false }) {
  const error = h("p", { class: "error", role: "alert", hidden: true });
  const typed = must && h("input", { autocomplete: "off", spellcheck: "false", on: { input: check } });
  const go = h("button", { type: "submit", class: danger ? "danger" : "primary" }, action);
  const line = command && h("code", { class: "command" });
  const form = h("form", { method: "dialog" },
    h("h2", null, title), text && h("p", null, text), fields,
    must && field("To confirm, type " + must, typed), line && h("div", { class: "commandline" }, h("span", { class: "label" }, "The same by command"), line), error,
    h("div", { class: "buttons" }, h("button", { type: "button", on: { click: close } }, act ? "Cancel" : "Close"), act && go));
  const dialog = h("dialog", { class: wide ? "wide" : null }, form);
  let busy = false;
  function close() { dialog.close(); dialog.remove(); }
  function check() {
    if (!busy) go.disabled = !!typed && typed.value !== must;
    if (line) line.textContent = command();
  }
  form.addEventListener("input", check);
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    if (busy) return;
    busy = go.disabled = true;
    error.hidden = true;
    try {
      await act();
      close();
    } catch (err) {
      error.textContent = safeText(err.message);
      error.hidden = false;
      if (!dialog.isConnected) toast(title + " " + safeText(err.message), true); // it was closed meanwhile
    }
    busy = false;
    check();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  check();
  dialog.showModal();
  return dialog;
}
