// Answers to sent images arrive 3 s late; `totals` collects of how many the progress speaks.
() => {
  const send = window.fetch;
  window.totals = new Set();
  window.fetch = async (...given) => {
    const answer = await send(...given);
    if (given[1]?.method === "POST" && answer.url.endsWith("/images"))
      await new Promise((resolve) => setTimeout(resolve, 3000));
    return answer;
  };
  new MutationObserver(() => {
    const found = document.querySelector("#progress").textContent.match(/of (\d+) image/);
    if (found) window.totals.add(+found[1]);
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}
