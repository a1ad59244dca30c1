/* Comes before everything else in the frame: keeps what the frame itself needs, and takes from the page whatever could
   reach anybody but the vault. Its policy forbids most of that already; calls between browsers (WebRTC) it does not. */

/* Every name under which a page could open a connection or another thread. */
const TAKEN = [
  ...["RTCPeerConnection", "webkitRTCPeerConnection", "RTCDataChannel", "XMLHttpRequest", "WebSocket", "EventSource"],
  ...["WebTransport", "WebSocketStream", "Worker", "SharedWorker", "fetchLater", "BroadcastChannel"],
];
const rules = {
  createHTML: (/** @type {string} */ html) => html,
  createScriptURL: (/** @type {string} */ address) => {
    if (address.startsWith(`${location.origin}/static/`) && !address.includes("..")) return address;
    throw new TypeError("no file of ours");
  },
};
/* The only policy: after this line nobody can make another one. */
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("lerix-frame", rules) ?? rules;
const parser = new DOMParser();
const parseFromString = parser.parseFromString.bind(parser);

/**
 * Parse text as it is, in a document where nothing runs or loads. Only insert.js may use it, and strips what comes.
 * @param {string} html
 */
export function parseRaw(html) {
  return parseFromString(policy.createHTML(html), "text/html");
}

/**
 * The address of a script as a browser wants it: one of the broker's own files.
 * @param {string} address
 */
export function scriptAddress(address) {
  return policy.createScriptURL(address);
}

for (const name of TAKEN) delete (/** @type {any} */ (globalThis)[name]);
delete (/** @type {any} */ (Navigator.prototype).sendBeacon);
// It is silent in a document without an origin, and htmx would listen to it alone.
Object.defineProperty(globalThis, "navigation", { value: undefined });
