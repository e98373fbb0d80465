// What readers with a keyboard or a screen reader miss in the theme: names of its regions, and a way to scroll wide ones.
"use strict";
document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "Pages");
document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
for (const wide of document.querySelectorAll(".table-wrapper, pre")) {
  if (!wide.querySelector("a, button, input")) wide.tabIndex = 0;
}
