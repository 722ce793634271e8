// Requests that fail: a message at the place of the click. The page, and what was typed, stay as they are.
"use strict";
(() => {
  const PATIENCE_MS = 8000;
  const SIGN_IN = "/console/sign-in";
  const polls = (source) => (source.getAttribute("hx-trigger") || "").includes("every ");
  const place = (source) => (source.matches("form, section, div") ? source : source.parentElement);
  const box = (source) => place(source).querySelector(":scope > .failure");

  function put(source, role, ...content) {
    const made = document.createElement("div");
    made.className = `${role === "alert" ? "problem" : "notice"} failure`;
    made.setAttribute("role", role);
    made.append(...content);
    const old = box(source);
    if (old && old.textContent === made.textContent) return null; // a poll that fails again is told once
    if (old) old.remove();
    place(source).append(made);
    return made;
  }

  function words(title, text) {
    const strong = document.createElement("strong");
    strong.textContent = title;
    return [strong, ` ${text} `];
  }

  // What the server wrote into its answer; words of our own when something in between answered.
  function answered(xhr) {
    const ours = xhr.getResponseHeader("X-Request-ID") !== null;
    const sent = ours && new DOMParser().parseFromString(xhr.responseText, "text/html").querySelector(".problem");
    if (sent) return Array.from(sent.childNodes, (node) => document.importNode(node, true));
    return words(
      `The answer was ${xhr.status} ${xhr.statusText}, but not of this service.`,
      "Nothing on this page has changed; try again, or load it again.",
    );
  }

  function signIn() {
    const link = document.createElement("a");
    link.href = `${SIGN_IN}?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.dataset.signIn = "";
    link.textContent = "Sign in and come back";
    return link;
  }

  function filesLost() {
    const chosen = Array.from(document.querySelectorAll("input[type=file]")).some((field) => field.files.length);
    return chosen ? ". What you typed will be there again; the files have to be chosen again." : "";
  }

  function again(source, config) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = "Try again";
    button.addEventListener("click", (event) => {
      event.preventDefault();
      htmx.ajax(config.verb, config.path, { source });
    });
    return button;
  }

  function fail(detail, content) {
    const config = detail.requestConfig;
    const source = config.elt;
    if (!source.isConnected) return;
    const xhr = detail.xhr;
    if (xhr && xhr.status === 401 && location.pathname !== SIGN_IN) content.push(" ", signIn(), filesLost());
    const renewed = xhr && xhr.getResponseHeader("X-Form-Token");
    if (renewed) for (const field of document.querySelectorAll("input[name=form_token]")) field.value = renewed;
    if (polls(source)) {
      put(source, "alert", ...content);
      return;
    }
    const pressed = config.triggeringEvent && config.triggeringEvent.submitter;
    if (!source.matches("form, a, button")) content.push(" ", again(source, config));
    const made = put(source, "alert", ...content);
    if (!made) return;
    if (document.activeElement === document.body) (pressed || source).focus({ preventScroll: true });
    made.scrollIntoView({ block: "nearest" });
  }

  // A page of something in between, such as a sign-in page of the network, is no answer.
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (detail.xhr.getResponseHeader("X-Request-ID") || !/^\s*<(!doctype|html)/i.test(detail.serverResponse)) return;
    detail.shouldSwap = false;
    detail.isError = true;
  });

  const kinds = {
    "htmx:sendError": ({ requestConfig }) =>
      words("The server cannot be reached.", polls(requestConfig.elt)
        ? "What is shown here may be old; it is asked again by itself."
        : "What you entered is still here; try again."),
    "htmx:timeout": () => words("There was no answer.", "It may have been done all the same: look before you repeat it."),
    "htmx:responseError": (detail) => answered(detail.xhr),
  };
  for (const [kind, content] of Object.entries(kinds)) {
    // Later, when htmx has enabled the pressed button again.
    document.addEventListener(kind, ({ detail }) => queueMicrotask(() => fail(detail, content(detail))));
  }

  const waits = new Map();
  document.addEventListener("htmx:beforeRequest", ({ detail }) => {
    const source = detail.requestConfig.elt;
    if (!polls(source) && box(source)) box(source).remove();
  });
  document.addEventListener("htmx:beforeSend", ({ detail }) => {
    const source = detail.requestConfig.elt;
    const tell = () => waits.set(detail.xhr, put(source, "status", "The server has not answered yet; still waiting."));
    waits.set(detail.xhr, setTimeout(tell, PATIENCE_MS));
  });
  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    const wait = waits.get(detail.xhr);
    waits.delete(detail.xhr);
    if (wait instanceof Element) wait.remove();
    else clearTimeout(wait);
  });
})();
