// Whether the focus is where it should be, whether it can be seen, and what has it.
(wanted) => {
  const e = document.activeElement;
  const style = getComputedStyle(e);
  const card = e.querySelector(".card.active"); // the grid shows the focus on its active card
  const outlined = style.outlineStyle !== "none" && style.outlineWidth !== "0px";
  const seen = outlined || (card && getComputedStyle(card).boxShadow !== "none");
  return [e.matches(wanted), Boolean(seen) || e === document.body, e.outerHTML.slice(0, 80)];
};
