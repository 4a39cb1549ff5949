// Numbers and times as texts of even width.

export function rate(n) {
  if (n === null || n === undefined || n < 0) return "-";
  if (n === 0) return "0";
  if (n < 10) return n.toFixed(1);
  if (n < 10000) return String(Math.round(n));
  return n < 1e6 ? (n / 1e3).toFixed(1) + "k" : (n / 1e6).toFixed(1) + "M";
}

export function ms(us) {
  if (!us) return "-";
  const n = us / 1000;
  return n < 10 ? n.toFixed(2) : n < 100 ? n.toFixed(1) : String(Math.round(n));
}

export function bytes(n) {
  if (n === null || n === undefined || n < 0) return "-";
  let unit = 0;
  while (n >= 1024 && unit < 4) { n /= 1024; unit++; }
  return (unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)) + " " + ["B", "KiB", "MiB", "GiB", "TiB"][unit];
}

export function number(n) {
  return n === null || n === undefined || n < 0 ? "-" : Math.round(n).toLocaleString("en").replaceAll(",", " ");
}

const two = (n) => String(n).padStart(2, "0");

export function clock(at) {
  const d = new Date(at);
  return two(d.getHours()) + ":" + two(d.getMinutes()) + ":" + two(d.getSeconds());
}

export function date(text) {
  return text ? text.slice(0, 19).replace("T", " ") + "Z" : "-";
}

// left is a time to live.
export function left(seconds) {
  if (seconds < 0) return "never";
  const s = Math.max(0, Math.floor(seconds));
  if (s >= 86400) return Math.floor(s / 86400) + "d " + two(Math.floor(s / 3600) % 24) + "h";
  return two(Math.floor(s / 3600)) + ":" + two(Math.floor(s / 60) % 60) + ":" + two(s % 60);
}

export function count(n, what) {
  return n + " " + (n === 1 ? what : what.endsWith("y") ? what.slice(0, -1) + "ies" : what + "s");
}
