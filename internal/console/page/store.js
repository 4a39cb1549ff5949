// What the page knows of the cluster: samples of the last 15 minutes, events, a snapshot.

const maxSamples = 450, maxEvents = 200;

export const store = { seq: 0, samples: [], events: [], snapshot: null, every: 2000, about: null,
  seen: 0, // when the cluster was, 0 if it was not
};

export function take(news) {
  if (news.seq < store.seq) { store.samples = []; store.events = []; } // another console
  store.seq = news.seq;
  store.every = news.every;
  store.samples.push(...news.samples);
  store.events.push(...news.events);
  store.samples.splice(0, store.samples.length - maxSamples);
  store.events.splice(0, store.events.length - maxEvents);
  if (news.snapshot) store.snapshot = news.snapshot;
  if (!store.samples.at(-1)?.error) store.seen = performance.now();
}

// latest is the sample that says what goes on now: null if nothing was heard of that for a while.
export const latest = () => store.samples.slice(-5).findLast((s) => s.ops) || null;

const writes = new Set(["put", "multi_put", "remove", "multi_remove", "incr", "check_and_set", "check_and_mutate"]);
export const isWrite = (op) => writes.has(op);

// rates returns operations per second of a sample: of reads or of writes, of a table or of
// all, null where that is not known.
export function rates(sample, table, wanted) {
  return sum(sample.ops, table, (op) => isWrite(op) === wanted);
}

// rateOf is the same of one operation.
export const rateOf = (sample, table, op) => sum(sample.ops, table, (o) => o === op);

// errors returns how many requests to a table, or to all, were answered with an error a
// second. Servers that do not tell of which table know only all.
export function errors(sample, table) {
  if (table && sample.errors && !sample.errors[table] && Object.values(sample.errors[""] || {}).length) return null;
  return sum(sample.errors, table, () => true);
}

function sum(byTable, table, wanted) {
  if (!byTable) return null;
  let all = 0;
  for (const [name, values] of Object.entries(byTable)) {
    if (table && name !== table) continue;
    for (const [key, n] of Object.entries(values)) if (wanted(key)) all += n;
  }
  return all;
}

// times returns how long an operation takes, in a table or, with "", in all.
export const times = (sample, table, op) => sample.latency?.[table]?.[op];

// worst returns the largest p99 of reads or of writes, in milliseconds.
export function worst(sample, table, wanted) {
  let max = null;
  for (const [op, q] of Object.entries(sample.latency?.[table] || {})) if (isWrite(op) === wanted) max = Math.max(max || 0, q.p99 / 1000);
  return max;
}

// health counts the partitions of a table, or of several, by state.
export function health(tables, nodes) {
  const n = { all: 0, ok: 0, short: 0, dead: 0, child: 0 };
  for (const t of tables) for (const c of t.cells) { n.all++; n[stateOf(c, t, nodes)]++; }
  return n;
}

// stateOf says how a partition is: ok; short of copies; dead, without a primary that lives;
// child, being split off another one.
export function stateOf(cell, table, nodes) {
  if (cell.b < 0) return "child";
  if (cell.p < 0 || !nodes[cell.p].alive) return "dead";
  const copies = 1 + cell.s.filter((i) => nodes[i].alive).length;
  return copies < Math.min(table.replicas, nodes.length) ? "short" : "ok";
}
