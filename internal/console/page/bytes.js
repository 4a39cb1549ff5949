// Keys and values are bytes. This is how they are written as text, and read.

export function fromBase64url(text) {
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

export function toBase64url(bytes) {
  let raw = "";
  for (let i = 0; i < bytes.length; i += 8192) raw += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(raw).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

// utf8 returns text, or null if the bytes are none.
function utf8(bytes) {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

// What hides, turns the direction of text, or has no look of its own.
const unsafe = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]|(?! )\p{Zs}/u;
const named = { "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r" };

// esc is text where that is safe to show, and \xNN where not, as the pegasus command has it.
export function esc(bytes) {
  const whole = utf8(bytes);
  if (whole !== null) return escText(whole);
  let out = "";
  for (let i = 0; i < bytes.length;) {
    const lead = bytes[i], n = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    const text = utf8(bytes.subarray(i, i + n));
    if (text !== null && text !== "") { out += escText(text); i += n; } else out += hexEscape(bytes[i++]);
  }
  return out;
}

function hexEscape(b) { return "\\x" + b.toString(16).padStart(2, "0"); }

function escText(text) {
  if (!/[^ -[\]-~]/.test(text)) return text;
  let out = "";
  for (const c of text) {
    if (named[c]) out += named[c];
    else if (unsafe.test(c)) for (const b of encoder.encode(c)) out += hexEscape(b);
    else out += c;
  }
  return out;
}

// safeText is for texts that servers send, such as errors: lines stay lines.
export function safeText(text) {
  return text.split("\n").map((l) => escText(l).replaceAll("\\\\", "\\")).join("\n");
}

function parseEsc(text) {
  wellFormed(text);
  const out = [];
  const plain = /^[^\\]+/;
  for (let i = 0; i < text.length;) {
    const run = plain.exec(text.slice(i));
    if (run) { for (const b of encoder.encode(run[0])) out.push(b); i += run[0].length; continue; }
    const c = text[i + 1], at = "\\ntr".indexOf(c);
    if (c !== undefined && at >= 0) { out.push([92, 10, 9, 13][at]); i += 2; continue; }
    const digits = /^\\x([0-9a-fA-F]{2})/.exec(text.slice(i, i + 4));
    if (!digits) throw new Error("a \\ begins \\\\ \\n \\t \\r or \\xNN");
    out.push(parseInt(digits[1], 16));
    i += 4;
  }
  return Uint8Array.from(out);
}

// wellFormed refuses half a character, which has no bytes.
function wellFormed(text) {
  if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text)) throw new Error("it has half a character");
}

function parseBase64(text) {
  const digits = text.replace(/\s/g, "");
  let bytes = null;
  if (/^[\w+/-]*={0,2}$/.test(digits)) try { bytes = fromBase64url(digits.replace(/=+$/, "")); } catch { /* too short, by the digits alone */ }
  // Digits that do not come back have bits that no byte has.
  if (!bytes || toBase64url(bytes) !== digits.replace(/=+$/, "").replaceAll("+", "-").replaceAll("/", "_")) throw new Error("that is not base64");
  return bytes;
}

function parseHex(text) {
  const digits = text.replace(/\s/g, "");
  if (!/^([0-9a-fA-F]{2})*$/.test(digits)) throw new Error("hex is two digits a byte");
  return Uint8Array.from(digits.match(/../g) || [], (d) => parseInt(d, 16));
}

function integer(size) {
  const bits = BigInt(size * 8);
  return {
    show(b) {
      if (b.length !== size) return null;
      return BigInt.asIntN(Number(bits), b.reduce((n, x) => (n << 8n) | BigInt(x), 0n)).toString();
    },
    parse(text) {
      if (!/^-?\d{1,20}$/.test(text.trim())) throw new Error("it is a decimal number");
      const n = BigInt(text.trim());
      if (BigInt.asIntN(Number(bits), n) !== n) throw new Error("the number does not fit into " + bits + " bits");
      return Uint8Array.from({ length: size }, (_, i) => Number((n >> BigInt(8 * (size - 1 - i))) & 255n));
    },
  };
}

function pretty(bytes) {
  const text = utf8(bytes);
  if (text === null || !/^\s*[[{]/.test(text)) return null;
  try {
    // Numbers stay as they are written: those above 2^53 would be rounded.
    JSON.parse(text);
    return escLines(indent(text));
  } catch {
    return null;
  }
}

// escLines keeps the lines of pretty JSON, in which backslashes are of JSON.
function escLines(text) { return text.split("\n").map((l) => escText(l).replaceAll("\\\\", "\\")).join("\n"); }

// The parts of JSON without the space between them.
const jsonParts = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

// compact takes the space out of JSON that was laid out to be read.
export function compact(bytes) {
  return encoder.encode(utf8(bytes).match(jsonParts).join(""));
}

// indent lays valid JSON out without changing anything but the space between its parts.
function indent(text) {
  let out = "", depth = 0;
  const line = () => "\n" + "  ".repeat(depth);
  for (const [part] of text.matchAll(jsonParts)) {
    if (part === "{" || part === "[") { depth++; out += part + line(); }
    else if (part === "}" || part === "]") { depth--; out = out.trimEnd().endsWith("{") || out.trimEnd().endsWith("[") ? out.trimEnd() + part : out + line() + part; }
    else if (part === ",") out += part + line();
    else if (part === ":") out += ": ";
    else out += part;
  }
  return out;
}

const hex = (b) => Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");

// codings: show returns null where bytes cannot be written so.
export const codings = {
  esc: { title: "text, \\xNN", show: esc, parse: parseEsc },
  hex: { title: "hex", show: hex, parse: parseHex },
  int32: { title: "int32", ...integer(4) },
  int64: { title: "int64", ...integer(8) },
  base64: {
    title: "base64",
    show: (b) => { const t = toBase64url(b).replaceAll("-", "+").replaceAll("_", "/"); return t + "=".repeat((4 - (t.length % 4)) % 4); },
    parse: parseBase64,
  },
  json: { title: "JSON", show: pretty, parse: (t) => { wellFormed(t); try { JSON.parse(t); } catch (e) { throw new Error("that is not JSON: " + e.message); } return encoder.encode(t); } },
};

export function show(coding, bytes) {
  const text = codings[coding].show(bytes);
  return text === null ? esc(bytes) : text;
}
