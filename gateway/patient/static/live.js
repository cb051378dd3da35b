// Keeps an open page up to date: when the program says that something changed, the same page is asked for again and
// what differs is exchanged in place. Nothing is exchanged while somebody types or has typed, or holds a button down.
// Without this script every page works the same; it is then only as fresh as its last loading.
"use strict";

(() => {
  const note = document.getElementById("live-note");
  let running = false;
  let again = false;
  let pressed = false;

  const isField = (node) => node instanceof Element && node.matches("input:not([type=hidden]), textarea, select");

  const isTouched = (field) => {
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.tagName === "SELECT") return false;
    return field.value !== field.defaultValue;
  };

  const isBusy = () => {
    if (pressed || isField(document.activeElement)) return true;
    return [...document.querySelectorAll("main input:not([type=hidden]), main textarea")].some(isTouched);
  };

  // What a person reads, without the times, which go on by themselves.
  const words = (root) => {
    const copy = root.cloneNode(true);
    for (const node of copy.querySelectorAll("time, [data-copy]")) node.remove();
    return copy.textContent;
  };

  const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");

  // Makes `old` like `fresh`, keeping every element that is still the same: its focus, and whether it is folded open.
  const become = (old, fresh) => {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && !(old.nodeName === "DETAILS" && name === "open")) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const children = [...fresh.childNodes];
    children.forEach((child, at) => {
      const here = old.childNodes[at];
      if (here && same(here, child)) become(here, child);
      else if (here) old.replaceChild(document.importNode(child, true), here);
      else old.appendChild(document.importNode(child, true));
    });
    while (old.childNodes.length > children.length) old.lastChild.remove();
  };

  const prepare = (root) => {
    for (const button of root.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
  };

  const refresh = async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Refresh": "1" }, redirect: "error" });
      if (answer.status === 401) {
        location.reload();
        return;
      }
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      prepare(page);
      for (const id of ["menu", "main"]) {
        const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
        if (!old || !fresh || old.innerHTML === fresh.innerHTML) continue;
        if (id === "main" && isBusy()) {
          note.hidden = words(old) === words(fresh);
          continue;
        }
        become(old, fresh);
        if (id === "main") note.hidden = true;
      }
    } catch {
      // The program is away; the event stream tries again by itself.
    } finally {
      running = false;
      if (again) {
        again = false;
        refresh();
      }
    }
  };

  document.addEventListener("pointerdown", () => { pressed = true; });
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => setTimeout(() => { pressed = false; }, 400));
  }
  document.addEventListener("click", async (event) => {
    if (event.target.id === "live-reload") {
      event.preventDefault();
      location.reload();
    }
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });

  // A page that answers a form is not asked for again.
  if (!document.getElementById("menu")) return;
  prepare(document);
  let events = null;
  const listen = () => {
    events?.close();
    events = null;
    // A browser keeps few connections to one program: windows that nobody sees leave theirs to the others.
    if (document.hidden) return;
    events = new EventSource("/events");
    events.addEventListener("change", refresh);
    events.addEventListener("tick", refresh);
  };
  document.addEventListener("visibilitychange", listen);
  window.addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  window.addEventListener("pagehide", () => events?.close());
  listen();
})();
