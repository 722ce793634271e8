// What htmx does not do: keys of the review queue, questions before deleting.
"use strict";
(() => {
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  const cases = () => Array.from(document.querySelectorAll("[data-case]"));
  const here = () => document.activeElement && document.activeElement.closest("[data-case]");

  function go(step) {
    const all = cases();
    const at = all.indexOf(here());
    const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
    if (next) {
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest" });
    }
  }

  function blur() {
    const queue = document.querySelector("#queue");
    const button = document.querySelector("#unblur");
    const shown = !queue.classList.toggle("blurred");
    button.setAttribute("aria-pressed", String(shown));
    button.textContent = shown ? "Blur pictures (b)" : "Show pictures (b)";
  }

  document.addEventListener("click", (event) => {
    if (event.target.id === "unblur") blur();
  });
  document.addEventListener("keydown", (event) => {
    if (!document.querySelector("#queue") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select")) return;
    if (event.key === "j") go(1);
    else if (event.key === "k") go(-1);
    else if (event.key === "b") blur();
    else if (event.key === "w") {
      const why = here() && here().querySelector("[data-why] > summary");
      if (!why) return;
      why.click();
    }
    else if ("tfu".includes(event.key)) {
      const button = here() && here().querySelector(`[data-verdict="${event.key}"]`);
      if (!button) return;
      button.click();
    } else return;
    event.preventDefault();
  });

  let judged = null;
  document.addEventListener("htmx:beforeRequest", (event) => {
    const one = event.target.matches("form") && event.target.closest("[data-case]");
    judged = one ? one.id : null;
    const problem = document.querySelector("#problem");
    if (problem) problem.replaceChildren();
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (!judged) return;
    const all = cases();
    const at = all.findIndex((one) => one.id === judged);
    judged = null;
    const next = all.slice(at + 1).find((one) => !one.classList.contains("decided")) || all[at];
    if (next) {
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest" });
    }
  });
})();
