// What stays in view, labels of tables on narrow screens, and Ctrl+Enter.
"use strict";
(() => {
  const GAP = 8; // pixels between the header and what is moved up to it

  // An opened explanation makes its card wider, which moves it: its summary goes back to where it was clicked.
  let clicked = null;
  document.addEventListener("click", (event) => {
    const summary = event.target.closest("[data-why] > summary");
    if (summary) clicked = [summary, summary.getBoundingClientRect().top];
  }, true);
  document.addEventListener("toggle", (event) => {
    if (!clicked || clicked[0].parentElement !== event.target) return;
    const [summary, top] = clicked;
    clicked = null;
    window.scrollBy({ top: summary.getBoundingClientRect().top - top, behavior: "instant" });
  }, true);
  document.addEventListener("htmx:afterSettle", (event) => {
    const why = event.target.closest && event.target.closest("[data-why]");
    if (!why) return;
    const { top, bottom } = why.getBoundingClientRect();
    const header = document.querySelector(".top").offsetHeight;
    if (bottom > innerHeight) window.scrollBy({ top: Math.min(bottom - innerHeight, top - header - GAP), behavior: "instant" });
  });

  // On a narrow screen, or where the columns do not fit, a row of a table becomes a list, in which every cell has
  // the name of its column.
  const narrow = matchMedia("(max-width: 40rem)");
  function fit() {
    for (const table of document.querySelectorAll("table:has(thead)")) {
      const around = table.parentElement;
      table.classList.remove("labelled");
      table.classList.toggle("labelled", narrow.matches || around.scrollWidth > around.clientWidth);
    }
  }
  function label(place) {
    for (const table of place.querySelectorAll("table:has(thead)")) {
      const names = Array.from(table.tHead.rows[0].cells, (cell) => cell.textContent);
      for (const row of table.tBodies[0].rows) Array.from(row.cells).forEach((cell, at) => { cell.dataset.label = names[at]; });
    }
    fit();
  }
  label(document);
  document.addEventListener("htmx:load", (event) => label(event.target));
  document.addEventListener("toggle", (event) => event.target.querySelector("table:has(thead)") && fit(), true);
  window.addEventListener("resize", fit);

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.repeat) return;
    const form = event.target.closest("form[data-quick]");
    if (!form) return;
    event.preventDefault();
    form.requestSubmit();
  });
})();
