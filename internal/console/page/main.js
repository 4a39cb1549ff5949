// The frame of the page: tabs, polling, keys.

import { CallError, call, takeToken } from "./api.js";
import { ask, fill, h, setText } from "./dom.js";
import { safeText } from "./bytes.js";
import { store, take } from "./store.js";
import { overview } from "./overview.js";
import { rows } from "./rows.js";
import { tables } from "./tables.js";
import { rehearse } from "./rehearse.js";

// Pages have a name, a key, and show(), which returns their element. update() is called
// with each sample, hide() when another page is opened.
const pages = [overview, tables, rows];
const $ = (id) => document.getElementById(id);

let current = null, paused = false, polling = false, wait = null, failures = 0;

function open(name) {
  const page = pages.find((p) => p.name === name) || pages[0];
  if (current === page) return;
  if (current && current.hide) current.hide();
  current = page;
  for (const a of $("tabs").querySelectorAll("a")) {
    if (a.dataset.page === page.name) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
  }
  page.element ||= page.show(go);
  fill($("main"), page.element);
  document.title = page.title + " - " + (store.about ? safeText(store.about.name) : "Pegasus");
  scrollTo(0, 0);
  if (page.opened) page.opened();
  if (store.snapshot) page.update();
}

// go opens a page; arg is what it is to show.
function go(name, arg) {
  if (location.hash !== "#" + name) history.pushState(null, "", "#" + name);
  open(name);
  if (current.with && arg) current.with(arg);
}

const drawTabs = () => fill($("tabs"), pages.map((p) => h("li", null, h("a", { href: "#" + p.name, "data-page": p.name, title: "g " + p.key }, p.title))));

// poll asks for what is new, and again when the answer is there: requests never pile up.
async function poll() {
  clearTimeout(wait);
  wait = null;
  if (polling) return;
  polling = true;
  let pause = store.every;
  try {
    const news = await call("samples", { since: store.seq });
    failures = 0;
    take(news);
    const error = store.samples.at(-1)?.error;
    trouble(error ? "The cluster does not answer: " + safeText(error) : "");
    if (current && store.snapshot) current.update();
    document.body.dataset.seq = store.seq;
  } catch (err) {
    if (!(err instanceof CallError)) setTimeout(() => { throw err; }); // a mistake of the page is for its console
    failures++;
    pause = Math.min(30000, 1000 * 2 ** failures);
    trouble(safeText(err.message));
    document.body.dataset.failures = failures;
  }
  polling = false;
  showLive();
  if (!paused && !document.hidden) wait = setTimeout(poll, pause);
}

function trouble(text) {
  $("trouble").hidden = !text;
  setText($("trouble"), text);
}

function showLive() {
  const ago = store.seen ? Math.round((performance.now() - store.seen) / 1000) : 0;
  const stale = !store.seen || ago > (store.every / 1000) * 3;
  $("live").classList.toggle("stale", stale);
  setText($("live"), paused ? "paused" : !store.seen ? "connecting" : stale ? "stale " + ago + " s" : "live, every " + store.every / 1000 + " s");
}

function setPaused(on) {
  paused = on;
  setText($("pause"), on ? "Go on" : "Pause");
  $("pause").setAttribute("aria-pressed", on);
  if (!on) poll();
  showLive();
}

function help() {
  const list = [["/", "to the search of the page"], ["p", "pause, and go on"], ["arrows", "move in the partition map, and along a plot"], ["Enter", "open what is chosen"], ["Esc", "close"], ["?", "this list"]];
  for (const p of pages) list.push(["g " + p.key, p.title]);
  if (store.about.rehearse) list.push(["h", "heal everything"]);
  ask({ title: "Keys", fields: [h("dl", { class: "keylist" }, list.map(([k, what]) => [h("dt", null, h("kbd", null, k)), h("dd", null, what)]))] });
}

let leader = false; // g was typed
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.altKey || e.metaKey || e.target.closest("input, textarea, select, dialog")) return;
  if (leader) {
    leader = false;
    const page = pages.find((p) => p.key === e.key);
    if (page) { go(page.name); $("main").focus({ preventScroll: true }); }
    return;
  }
  if (e.key === "g") leader = true;
  else if (e.key === "?") help();
  else if (e.key === "p") setPaused(!paused);
  else if (e.key === "h" && store.about?.rehearse) rehearse.heal();
  else if (e.key === "/" && current.search) { e.preventDefault(); current.search(); }
});

async function start() {
  takeToken();
  // An address with another token, such as that of a console that was started again, begins anew.
  window.addEventListener("popstate", () => { if (takeToken()) location.reload(); else open(location.hash.slice(1)); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused) poll(); });
  $("pause").addEventListener("click", () => setPaused(!paused));
  $("help").addEventListener("click", help);
  $("tabs").addEventListener("click", (e) => {
    const a = e.target.closest("a");
    if (a) { e.preventDefault(); go(a.dataset.page); }
  });
  setInterval(showLive, 1000);
  try {
    store.about = await call("about");
  } catch (err) {
    trouble(safeText(err.message));
    if (err.status === 0) setTimeout(() => location.reload(), 5000);
    return;
  }
  setText($("cluster"), safeText(store.about.name));
  setText($("mode"), store.about.rehearse ? "test cluster" : store.about.allow_writes ? "writes allowed" : "read-only");
  $("mode").className = "badge " + (store.about.allow_writes && !store.about.rehearse ? "warn" : "");
  $("mode").hidden = false;
  if (store.about.rehearse) pages.push(rehearse);
  drawTabs();
  open(location.hash.slice(1));
  poll();
}

start();
