// What the theme leaves out: names of its regions, wide regions that scroll by keyboard, and line breaks in code.
"use strict";
document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "Pages");
document.querySelector(".toc-drawer")?.setAttribute("aria-label", "On this page");
for (const wide of document.querySelectorAll(".table-wrapper, pre")) {
  if (!wide.querySelector("a, button, input")) wide.tabIndex = 0;
}
for (const code of document.querySelectorAll("article span.pre")) {
  if (code.textContent.length <= 20) code.classList.add("short"); // an option stays on one line
  else code.innerHTML = code.innerHTML.replace(/\w[._/](?=\w)/g, "$&<wbr>"); // a long name breaks between its parts
}
