// Drafts: what was typed on a page whose session is over comes back after signing in.
"use strict";
(() => {
  const KEY = `draft:${location.pathname}${location.search}`;
  const TYPED = "textarea, select, input:not([type=hidden]):not([type=password]):not([type=file])";

  // Every typed field with a name of its own: the form's address, the field's, and its number among equals.
  function* fields() {
    const seen = new Map();
    for (const field of document.querySelectorAll(`main form :is(${TYPED})`)) {
      const name = `${field.form.getAttribute("action")} ${field.name}`;
      const number = seen.get(name) || 0;
      seen.set(name, number + 1);
      yield [`${name} ${number}`, field];
    }
  }
  const state = (field) => (field.type === "checkbox" ? field.checked : field.value);

  document.addEventListener("click", (event) => {
    if (!event.target.closest("a[data-sign-in]")) return;
    const kept = Object.fromEntries(Array.from(fields(), ([name, field]) => [name, state(field)]));
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  });

  const kept = sessionStorage.getItem(KEY);
  if (kept === null) return;
  sessionStorage.removeItem(KEY);
  const values = JSON.parse(kept);
  for (const [name, field] of fields()) {
    if (!(name in values) || values[name] === state(field)) continue;
    if (field.type === "checkbox") field.checked = values[name];
    else field.value = values[name];
    if (field.closest("details")) field.closest("details").open = true;
  }
})();
