"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => { try { return localStorage.getItem("axiom-theme"); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem("axiom-theme", theme); } catch { /* a page without storage */ } };
  const current = () => root.dataset.theme || (prefersDark.matches ? "dark" : "light");
  const other = () => (current() === "dark" ? "light" : "dark");
  const label = () => { button.textContent = other() === "dark" ? "Dark" : "Light"; };
  if (remembered()) { root.dataset.theme = remembered(); }
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = other(); remember(root.dataset.theme); label(); });
  prefersDark.addEventListener("change", label);
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details[data-print]").forEach((part) => { part.open = true; });
  });
  label();
})();
