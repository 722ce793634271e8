// Review queue: keys, one verdict at a time, and the place of a case that an undo opens again.
"use strict";
(() => {
  const BUTTONS = { t: "true_positive", f: "false_positive", u: "unsure" };
  const cases = () => Array.from(document.querySelectorAll("[data-case]"));
  const here = () => document.activeElement && document.activeElement.closest("[data-case]");
  const find = (selector) => here() && here().querySelector(selector);

  function show(one) {
    if (!one) return;
    one.focus({ preventScroll: true });
    one.scrollIntoView({ block: "nearest" });
  }

  function go(step) {
    const all = cases();
    const at = all.indexOf(here());
    show(all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))]);
  }

  function blur() {
    const button = document.querySelector("#unblur");
    const shown = !document.querySelector("#queue").classList.toggle("blurred");
    button.setAttribute("aria-pressed", String(shown));
    button.textContent = shown ? "Blur pictures (b)" : "Show pictures (b)";
  }

  document.addEventListener("click", (event) => {
    if (event.target.id === "unblur") blur();
    // The second click of a double click falls on what the first one moved under the pointer.
    if (event.detail > 1 && event.target.closest("form.verdict, #undo")) event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    if (!document.querySelector("#queue") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select")) return;
    if (event.key === "j") go(1);
    else if (event.key === "k") go(-1);
    else if (event.repeat) return; // a key held down gives one verdict, not one for every case below
    else if (event.key === "b") blur();
    else {
      const pressed = {
        w: () => find("[data-why] > summary"),
        z: () => document.querySelector("#undo button"),
      }[event.key] || (() => find(`[value="${BUTTONS[event.key]}"]`));
      const found = pressed();
      if (!found) return;
      found.click();
    }
    event.preventDefault();
  });

  let judged = null; // the case that a verdict or an undo is under way for
  document.addEventListener("htmx:beforeRequest", (event) => {
    const form = event.detail.elt;
    if (form.id === "undo") judged = form.dataset.match;
    else if (form.matches("form.verdict")) judged = form.closest("[data-case]").id;
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const form = event.detail.requestConfig.elt;
    const known = form.id === "undo" && document.getElementById(form.dataset.match);
    if (!known) return; // it comes to the top of the queue
    event.detail.target = known;
    event.detail.swapOverride = "outerHTML";
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (!judged) return;
    const all = cases();
    const at = all.findIndex((one) => one.id === judged);
    judged = null;
    if (at < 0) return;
    const refused = all[at].querySelector("form.verdict > [role=alert]"); // it was judged meanwhile
    show(refused ? all[at] : all.slice(at).find((one) => !one.classList.contains("decided")) || all[at]);
  });
  for (const kind of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(kind, () => { judged = null; });
  }
})();
