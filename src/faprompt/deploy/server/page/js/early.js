/** Before anything is drawn: the colours chosen last time, so that the page does not flash. */
try {
  const theme = localStorage.getItem("faprompt-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  /* a browser that keeps nothing */
}
