/* Pictures: the frame may load nothing by address, so each is fetched through the port and shown from memory, and
   forgotten when it leaves the page. */

import { PICTURE } from "./insert.js";

const MOST = 32 * 1024 * 1024;

/** @param {import("./port.js").Port} port */
export function watchPictures(port) {
  const shown = /** @type {Map<Element, string>} */ (new Map());
  const look = () => {
    for (const [picture, address] of shown) {
      if (picture.isConnected) continue;
      URL.revokeObjectURL(address);
      shown.delete(picture);
    }
    for (const picture of document.querySelectorAll(`img[${PICTURE}]`)) {
      const source = picture.getAttribute(PICTURE) ?? "";
      picture.removeAttribute(PICTURE);
      fetchPicture(port, source).then(
        (blob) => {
          if (!picture.isConnected) return;
          const address = URL.createObjectURL(blob);
          shown.set(picture, address);
          picture.setAttribute("src", address);
        },
        () => {}, // its text stands in its place
      );
    }
  };
  new MutationObserver(look).observe(document, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: [PICTURE],
  });
  look();
}

/**
 * @param {import("./port.js").Port} port
 * @param {string} source
 */
async function fetchPicture(port, source) {
  const answer = await port.fetch(source, { headers: { Accept: "image/*" } });
  const type = answer.headers.get("content-type") ?? "";
  if (!answer.ok || !type.startsWith("image/") || Number(answer.headers.get("content-length")) > MOST) {
    await answer.body?.cancel();
    throw new TypeError("no picture");
  }
  return answer.blob();
}
