// Files of a form: chosen, dropped or pasted. Every file is taken, whatever type the browser guesses for it; what
// cannot be sent is named, with the reason. The server recognises files by their content.
"use strict";
(() => {
  const zone = () => document.querySelector("[data-drop]");
  const field = () => zone().querySelector("input[type=file]");
  const megabytes = (bytes) => `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;

  function tell(problems) {
    const place = zone().querySelector("[data-files-problem]");
    place.hidden = !problems.length;
    place.textContent = problems.join(" ");
  }

  // Returns what is wrong with a file, as far as it can be known before the upload; empty: nothing.
  function wrong(file) {
    const limits = zone().dataset;
    const picture = file.type.startsWith("image/");
    const cap = picture ? Number(limits.pictureBytes) : Math.max(limits.pictureBytes, limits.videoBytes);
    if (!file.size) return `${file.name} is empty.`;
    if (file.size > cap) return `${file.name} has ${megabytes(file.size)}; the most for a ${picture ? "picture" : "file"} is ${megabytes(cap)}.`;
    return "";
  }

  function put(files) {
    const all = new DataTransfer();
    for (const file of files) all.items.add(file);
    field().files = all.files;
    preview();
  }

  function named(file) {
    const name = document.createElement("span");
    name.className = "tag";
    name.textContent = file.name;
    return name;
  }

  function preview() {
    const box = zone().querySelector("[data-previews]");
    for (const old of box.querySelectorAll("img")) URL.revokeObjectURL(old.src);
    box.replaceChildren(...Array.from(field().files, (file) => {
      const entry = document.createElement("li");
      const picture = document.createElement("img");
      picture.addEventListener("error", () => picture.replaceWith(named(file)));  // a video, or a format that it cannot draw
      picture.src = URL.createObjectURL(file);
      picture.alt = file.name;
      const remove = document.createElement("button");
      remove.type = "button";
      remove.className = "remove";
      remove.dataset.remove = "";
      remove.setAttribute("aria-label", `Take away ${file.name}`);
      remove.title = "Take away";
      remove.textContent = "×";
      entry.append(picture, remove);
      return entry;
    }));
  }

  // Checks files, keeps the good ones, and searches at once in a form that says so. `chosen`: the field has them.
  function take(files, problems = [], chosen = false) {
    const form = field().form;
    const search = "autosubmit" in form.dataset;
    const found = Array.from(files, (file) => [file, wrong(file)]);
    const good = found.filter(([, reason]) => !reason).map(([file]) => file);
    const before = chosen || search ? [] : Array.from(field().files);
    const said = [...problems, ...found.map(([, reason]) => reason).filter(Boolean)];
    const room = Number(zone().dataset.bodyBytes) * 0.98;  // the rest is for the form's other fields
    let total = 0;
    const sent = [...before, ...good].filter((file) => {
      if (total + file.size > room) {
        said.push(`${file.name} is left out: all files together may have ${megabytes(room)}.`);
        return false;
      }
      total += file.size;
      return true;
    });
    tell(said);
    if (!sent.length && !chosen) return;
    put(sent);
    if (!sent.length) return;
    if (search) {  // a new search, in place of the one before
      for (const old of form.querySelectorAll("[data-instead], [data-stored] li")) old.remove();
      if (!chosen) form.requestSubmit();
    }
  }

  document.addEventListener("change", (event) => {
    if (zone() && event.target === field()) take(event.target.files, [], true);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-remove]");
    if (!button) return;
    const entry = button.closest("li");
    if (entry.parentElement.matches("[data-stored]")) entry.remove();
    else {
      const at = Array.from(entry.parentElement.children).indexOf(entry);
      put(Array.from(field().files).filter((_, place) => place !== at));
    }
    tell([]);
    field().focus();
  });

  // Folders among dropped files, and files that come with them.
  function split(items) {
    const folders = [], files = [];
    for (const item of Array.from(items).filter((item) => item.kind === "file")) {
      const entry = item.webkitGetAsEntry && item.webkitGetAsEntry();
      if (entry && entry.isDirectory) folders.push(`${entry.name} is a folder: drop the files that are in it.`);
      else {
        const file = item.getAsFile();
        if (file) files.push(file);
      }
    }
    return [folders, files];
  }

  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (!zone() || !event.dataTransfer) return;
      const files = event.dataTransfer.types.includes("Files");
      if (!files && !event.target.closest("[data-drop]")) return;  // a text that is dropped on a field
      event.preventDefault();
      zone().classList.toggle("over", kind === "dragover");
      if (kind !== "drop") return;
      const [folders, found] = split(event.dataTransfer.items);
      const dropped = found.length || folders.length ? found : Array.from(event.dataTransfer.files);
      if (folders.length || dropped.length) take(dropped, folders);
      else if (event.dataTransfer.types.includes("text/uri-list")) tell(["That is a link, and links are not opened: save the picture and drop the file."]);
      else tell(["That holds no file: drop a picture or a video."]);
    });
  }

  // A picture inside copied markup, as some programs put it there. Null: none, or only a link to one.
  function embedded(markup) {
    const picture = new DOMParser().parseFromString(markup, "text/html").querySelector("img[src]");
    const parts = picture && /^data:(image\/[\w.+-]+);base64,([\w+/=\s]+)$/.exec(picture.getAttribute("src"));
    if (!parts) return [null, Boolean(picture)];
    const bytes = Uint8Array.from(atob(parts[2].replace(/\s/g, "")), (sign) => sign.charCodeAt(0));
    return [new File([bytes], "pasted picture", { type: parts[1] }), true];
  }

  document.addEventListener("paste", (event) => {
    const copied = event.clipboardData;
    if (!zone() || !copied) return;
    const writing = event.target.closest("textarea, input");
    const text = copied.getData("text/plain").trim();
    const files = Array.from(copied.files);
    // Office programs add a picture of the text that is copied; file managers add the names of the files.
    if (writing && text && !files.some((file) => text.includes(file.name))) return;
    if (files.length || copied.items.length === 0) {
      event.preventDefault();
      const [folders, found] = split(copied.items);
      return folders.length || files.length ? take(found.length ? found : files, folders) : tell(["The clipboard is empty."]);
    }
    const [picture, any] = embedded(copied.getData("text/html"));
    if (picture) take([picture]);
    else if (any) tell(["Only a link to the picture was copied, and links are not opened: copy the picture itself, or save it and choose the file."]);
    else if (!writing) tell(["The clipboard holds no picture; paste a text into the field for text."]);
    else return;
    event.preventDefault();
  });
})();
