// The console's own script. Every page works without it; it adds the viewer's time
// zone, the choice of colours, and what keeps a page fresh. It builds no markup and
// runs none: fragments come from this server, escaped, and the page's policy forbids
// scripts in them.
"use strict";

(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // Colours: the system's, until somebody chose. Done before the page is drawn.
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  if (stored() === "dark" || stored() === "light") root.dataset.theme = stored();

  function colours() {
    const button = document.getElementById("theme");
    if (!button) return;
    const show = () => button.setAttribute("aria-pressed", String(dark()));
    show();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      try { localStorage.setItem("theme", root.dataset.theme); } catch { /* for this page alone, then */ }
      show();
    });
  }

  // Times: written in UTC by the server, shown in the viewer's zone.
  const two = (n) => String(n).padStart(2, "0");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  function times(within) {
    for (const e of within.querySelectorAll("time[datetime][data-unit]:not([data-local])")) {
      const t = new Date(e.dateTime);
      if (isNaN(t)) continue;
      let text = `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ${two(t.getHours())}:${two(t.getMinutes())}`;
      if (e.dataset.unit === "second") text += `:${two(t.getSeconds())}`;
      e.title = `${e.textContent} · ${zone}`;
      e.textContent = text;
      e.dataset.local = "";
    }
  }

  // Whatever has data-every asks for itself again, while somebody looks.
  function poll() {
    setInterval(() => {
      if (document.visibilityState !== "visible" || !window.htmx) return;
      for (const e of document.querySelectorAll("[data-every]")) {
        const now = Date.now();
        if (!e.dataset.asked) e.dataset.asked = now; // it is fresh
        if (now - Number(e.dataset.asked) < Number(e.dataset.every) * 1000) continue;
        if (e.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) continue;
        e.dataset.asked = now;
        htmx.trigger(e, "refresh");
      }
    }, 1000);
  }

  // "/" goes to the search, as on many sites.
  function keys() {
    document.addEventListener("keydown", (e) => {
      if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select, textarea, [contenteditable]")) return;
      const box = document.querySelector("input[type=search]");
      if (box) { e.preventDefault(); box.focus(); box.select(); }
    });
  }

  // A live output: data-live is the address of its events. Each event is a fragment
  // for the place that it names, or asks parts of the page to fetch themselves again.
  // While nobody looks there is no connection; it goes on from where it was.
  const most = 4000; // lines that stay on the page
  function append(place, fragment) {
    const end = place.scrollHeight - place.scrollTop - place.clientHeight < 60;
    place.insertAdjacentHTML("beforeend", fragment);
    while (place.childElementCount > most) place.firstElementChild.remove();
    if (end) place.scrollTop = place.scrollHeight;
  }

  function refresh() {
    if (window.htmx) for (const p of document.querySelectorAll("[data-fresh]")) htmx.trigger(p, "refresh");
  }

  function follow(e) {
    const address = new URL(e.dataset.live, location.href);
    let source = null, over = false;
    const say = (text) => { const s = document.getElementById(e.dataset.status); if (s) s.textContent = text; };
    const close = () => { if (source) source.close(); source = null; };
    function open() {
      if (over || source) return;
      source = new EventSource(address);
      source.addEventListener("open", () => say("live"));
      source.addEventListener("error", () => say(source && source.readyState === EventSource.CLOSED ? "not live; load the page again" : "connecting…"));
      for (const name of ["log", "activity"]) {
        source.addEventListener(name, (m) => {
          if (m.lastEventId) address.searchParams.set("from", m.lastEventId);
          const place = document.getElementById(name);
          if (place) append(place, m.data);
        });
      }
      source.addEventListener("changed", refresh);
      source.addEventListener("end", () => { over = true; close(); say("ended"); refresh(); });
    }
    document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") open(); else { close(); if (!over) say("paused"); } });
    if (document.visibilityState === "visible") open();
  }

  // A place in the page that is folded opens when somebody goes to it.
  function unfold() {
    const place = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (place && place.tagName === "DETAILS") { place.open = true; place.scrollIntoView(); }
  }

  document.addEventListener("DOMContentLoaded", () => {
    colours();
    times(document);
    keys();
    poll();
    for (const e of document.querySelectorAll("[data-bottom]")) e.scrollTop = e.scrollHeight;
    for (const e of document.querySelectorAll("[data-live]")) follow(e);
    unfold();
    window.addEventListener("hashchange", unfold);
    document.body.addEventListener("htmx:afterSettle", (e) => times(e.target.parentElement || document));
  });
})();
