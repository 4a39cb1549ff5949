// What servers have refused: errors by code and table, and what throttling did.

import { Grid, h, setText } from "./dom.js";
import { number, rate } from "./format.js";
import { latest } from "./store.js";

// What the errors mean that a server answers mostly.
const meaning = {
  ERR_ACL_DENY: "the client may not use the table",
  ERR_BUSY: "throttling, or too much to do",
  ERR_DISK_INSUFFICIENT: "the disk is full",
  ERR_HANDLER_NOT_FOUND: "the server does not know the request",
  ERR_INVALID_DATA: "the request or its answer is too large",
  ERR_INVALID_STATE: "the server is not the primary",
  ERR_OBJECT_NOT_FOUND: "no such table, or the partition is not there",
  ERR_OPERATION_DISABLED: "the cluster does not take that",
  ERR_PARENT_PARTITION_MISUSED: "the client does not know of a split yet",
  ERR_SPLITTING: "a split is about to end",
  ERR_TIMEOUT: "it took too long",
};

export class Errors {
  constructor() {
    this.none = h("p", { class: "empty" });
    this.grid = new Grid([
      { title: "Answer", class: "nowrap", cell: (r) => r.code },
      { title: "Table", cell: (r) => r.table || "-" },
      { title: "Now /s", class: "num", cell: (r) => rate(r.now) },
      { title: "In all", class: "num", cell: (r) => number(r.all) },
      { title: "Means", class: "means", cell: (r) => meaning[r.code] || "" },
    ], { key: (r) => r.table + "\n" + r.code, empty: "" });
    this.element = h("div", null, this.grid.element, this.none);
  }

  // update takes the samples that are plotted, and the table that is, "" for all.
  update(samples, table, minutes) {
    const rows = new Map();
    const known = samples.some((s) => s.errors), last = latest();
    samples.forEach((s, i) => {
      const seconds = i ? Math.min(10, (s.at - samples[i - 1].at) / 1000) : 2;
      for (const byTable of [s.errors, s.throttled]) for (const [name, values] of Object.entries(byTable || {})) {
        if (table && name && name !== table) continue;
        for (const [code, n] of Object.entries(values)) {
          const key = name + "\n" + code;
          const row = rows.get(key) || { table: name, code, now: last ? 0 : null, all: 0 };
          row.all += n * seconds;
          if (s === last) row.now = n;
          rows.set(key, row);
        }
      }
    });
    const list = [...rows.values()].sort((a, b) => b.now - a.now || b.all - a.all);
    this.grid.update(list);
    this.grid.element.hidden = !list.length;
    this.none.hidden = list.length > 0;
    setText(this.none, known ? "None in the last " + minutes + " minutes." : "The servers do not tell.");
  }
}
