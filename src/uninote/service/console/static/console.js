// What htmx does not do: pictures by drop and paste, keys of the review queue, questions before deleting.
"use strict";
(() => {
  const input = () => document.querySelector("[data-drop] input[type=file]");

  function preview(field) {
    const box = field.closest("[data-drop]").querySelector("[data-previews]");
    for (const old of box.querySelectorAll("img")) URL.revokeObjectURL(old.src);
    box.replaceChildren(...Array.from(field.files, (file) => {
      if (!file.type.startsWith("image/")) {
        const name = document.createElement("span");
        name.className = "tag";
        name.textContent = file.name;
        return name;
      }
      const picture = document.createElement("img");
      picture.src = URL.createObjectURL(file);
      picture.alt = file.name;
      return picture;
    }));
  }

  function take(files) {
    const field = input();
    const wanted = Array.from(files).filter((file) => /^(image|video)\//.test(file.type));
    if (!field || !wanted.length) return false;
    const all = new DataTransfer();
    for (const file of wanted) all.items.add(file);
    field.files = all.files;
    preview(field);
    const form = field.form;
    if (form && "autosubmit" in form.dataset) form.requestSubmit();
    return true;
  }

  document.addEventListener("change", (event) => {
    if (event.target === input()) preview(event.target);
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      const zone = document.querySelector("[data-drop]");
      if (!zone || !event.dataTransfer || !event.dataTransfer.types.includes("Files")) return;
      event.preventDefault();
      zone.classList.toggle("over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files);
    });
  }
  document.addEventListener("paste", (event) => {
    if (event.clipboardData && event.clipboardData.files.length && take(event.clipboardData.files)) event.preventDefault();
  });

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
