// Files of a form: previews, drop and paste.
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
})();
