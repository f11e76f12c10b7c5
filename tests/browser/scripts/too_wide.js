// What is wider than its place and was not made to be scrolled sideways.
() => {
  const parts = document.querySelectorAll("dialog[open], dialog[open] *");
  const scrolls = (e) => e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1;
  const meant = (e) => e.closest(".scrolled, .stage") || getComputedStyle(e).overflowX !== "auto";
  return [document.documentElement, ...parts]
    .filter((e) => scrolls(e) && (e === document.documentElement || !meant(e)))
    .map((e) => `${e.tagName}.${e.className} ${e.scrollWidth} > ${e.clientWidth}`);
};
