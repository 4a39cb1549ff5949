// How the page talks to its server: every call is a POST with a JSON object.

const storageKey = "pegasus-console-token";

// takeToken moves the token from the address, where it could be seen and copied, into the
// storage of this tab. It returns whether there was one.
export function takeToken() {
  const found = /^#token=([\w-]+)$/.exec(location.hash);
  if (!found) return false;
  sessionStorage.setItem(storageKey, found[1]);
  history.replaceState(null, "", location.pathname);
  return true;
}

// CallError is what went wrong with a call. status is 0 if there was no answer.
export class CallError extends Error {
  constructor(text, status, body) {
    super(text);
    this.status = status;
    this.body = body;
  }
}

const patience = 15000; // ms that an answer may take

// call makes a call, which signal can end: the error is that of signal then.
export async function call(name, arg = {}, signal = null) {
  let response, body;
  try {
    response = await fetch("/api/" + name, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Console-Token": sessionStorage.getItem(storageKey) || "" },
      body: JSON.stringify(arg),
      signal: signal ? AbortSignal.any([signal, AbortSignal.timeout(patience)]) : AbortSignal.timeout(patience),
    });
    body = await response.json();
  } catch (err) {
    signal?.throwIfAborted();
    throw new CallError(err.name === "TimeoutError" ? "The console has not answered for 15 seconds." : "The console does not answer. Does its process still run?", 0);
  }
  if (!response.ok) throw new CallError(body.error, response.status, body);
  return body;
}
