// Plain forms: sent by htmx, so that an answer that fails leaves the page, and sent once, however often clicked.
"use strict";
(() => {
  const plain = (form, method) =>
    form.tagName === "FORM" && (form.getAttribute("method") || "get") === method &&
    !form.matches("[hx-get], [hx-post], [data-native]");

  document.addEventListener("htmx:beforeProcessNode", ({ target: form }) => {
    if (form.matches("form.more, .more a")) form.setAttribute("hx-sync", "this:drop");
    if (!plain(form, "post")) return;
    form.setAttribute("hx-post", form.getAttribute("action"));
    form.setAttribute("hx-target", "this");
    form.setAttribute("hx-swap", "none");
    form.setAttribute("hx-sync", "this:drop");
    form.setAttribute("hx-disabled-elt", "find button");
    if (form.dataset.confirm) form.setAttribute("hx-confirm", form.dataset.confirm);
  });

  // A form that leads to another page: only if there is a server, so that what was typed is not lost.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !plain(form, "get")) return;
    event.preventDefault();
    fetch("/health/live", { cache: "no-store" }).then(
      () => HTMLFormElement.prototype.submit.call(form),
      () => htmx.trigger(form, "htmx:sendError", { requestConfig: { elt: form, triggeringEvent: event } }),
    );
  });

  // A page that the browser kept, with a button that was pressed on it.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const button of document.querySelectorAll("[data-disabled-by-htmx]")) button.disabled = false;
  });
})();
