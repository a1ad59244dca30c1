/* In words that every browser knows: says so where the page's own modules do not run. */

(function () {
  "use strict";

  var page = document.documentElement;
  var waiting = document.getElementById("waiting");
  if (page.getAttribute("data-runs") === null) waiting.hidden = false;

  window.addEventListener("load", function () {
    if (page.getAttribute("data-runs") !== null) return;
    var refused = document.getElementById("refused");
    waiting.hidden = true;
    refused.querySelector("p").textContent =
      "This page does not run in this browser: it is too old, or a part could not be loaded. Nothing was sent. Reload " +
      "the page, or use Chrome 137, Edge 137, Firefox 130 or Safari 17, or a newer one.";
    refused.hidden = false;
  });
})();
