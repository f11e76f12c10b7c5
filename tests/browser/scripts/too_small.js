// Controls that a finger would miss: under 24 pixels (WCAG 2.2, 2.5.8; links within text are exempt).
() => {
  const root = document.querySelector("dialog[open]") ?? document;
  return [...root.querySelectorAll("button, select, input")]
    .filter((e) => e.checkVisibility() && !e.closest(".unseen"))
    .filter((e) => e.type !== "checkbox" && !e.matches(".link"))
    .map((e) => [e.getBoundingClientRect(), e])
    .filter(([box]) => box.width && Math.min(box.width, box.height) < 24)
    .map(([box, e]) => `${e.tagName} ${e.textContent} ${box.width}x${box.height}`);
};
