// What the page's own reader makes of a PNG.
async (bytes) => {
  const { decode } = await import(new URL("js/png16.js", document.baseURI));
  const { width, height, values } = await decode(new Uint8Array(bytes).buffer);
  return [width, height, [...values]];
};
