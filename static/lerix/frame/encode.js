/* The bodies of requests as bytes. Multipart by hand: WebKit cannot read a FormData that holds a file from memory. */

const encoder = new TextEncoder();

/**
 * @param {any} body as `fetch` takes it
 * @returns {Promise<{bytes: Uint8Array | null, type: string}>} `type` is "" where the caller says it
 */
export async function encode(body) {
  if (body === null || body === undefined) return { bytes: null, type: "" };
  if (body instanceof FormData) return multipart(body);
  if (body instanceof URLSearchParams) {
    return { bytes: encoder.encode(String(body)), type: "application/x-www-form-urlencoded;charset=UTF-8" };
  }
  if (body instanceof Blob) return { bytes: await bytesOf(body), type: body.type };
  if (body instanceof ArrayBuffer) return { bytes: new Uint8Array(body.slice(0)), type: "" };
  if (ArrayBuffer.isView(body)) {
    return { bytes: new Uint8Array(body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength)), type: "" };
  }
  return { bytes: encoder.encode(String(body)), type: "text/plain;charset=UTF-8" };
}

/** @param {FormData} form */
async function multipart(form) {
  const boundary = `lerix${crypto.getRandomValues(new Uint32Array(4)).join("")}`;
  /** @type {(string | Blob)[]} */
  const parts = [];
  for (const [name, value] of form) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"`;
    if (typeof value === "string") {
      parts.push(`${head}\r\n\r\n${value.replace(/\r\n|\r|\n/g, "\r\n")}\r\n`);
    } else {
      const type = value.type || "application/octet-stream";
      parts.push(`${head}; filename="${quoted(value.name)}"\r\nContent-Type: ${type}\r\n\r\n`, value, "\r\n");
    }
  }
  parts.push(`--${boundary}--\r\n`);
  const pieces = await Promise.all(parts.map((part) => (part instanceof Blob ? bytesOf(part) : encoder.encode(part))));
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return { bytes, type: `multipart/form-data; boundary=${boundary}` };
}

/** @param {Blob} blob */
async function bytesOf(blob) {
  return new Uint8Array(await blob.arrayBuffer());
}

/** @param {string} name as HTML's standard says for names in multipart */
function quoted(name) {
  return name.replace(/\r\n|\r|\n/g, "%0D%0A").replaceAll('"', "%22");
}
