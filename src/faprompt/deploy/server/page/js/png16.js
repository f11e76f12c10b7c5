/** 16-bit grey PNG to numbers: a canvas would give 8 bits only. W3C PNG, chapters 5, 9 and 10. */

/** Decode to `{width, height, values: Uint16Array}`; rejects what is not such a PNG. */
export async function decode(buffer) {
  const { header, data } = chunks(buffer);
  const [depth, type, , , interlace] = header.slice(8);
  if (depth !== 16 || type !== 0 || interlace !== 0)
    throw new Error("the map is not a 16-bit grey PNG");
  const view = new DataView(header.buffer, header.byteOffset);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const stream = new Blob(data).stream().pipeThrough(new DecompressionStream("deflate"));
  const rows = new Uint8Array(await new Response(stream).arrayBuffer());
  return { width, height, values: unfiltered(rows, width, height) };
}

function chunks(buffer) {
  const bytes = new Uint8Array(buffer);
  const view = new DataView(buffer);
  const data = [];
  let header = null;
  for (let at = 8; at + 8 <= bytes.length;) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const content = bytes.slice(at + 8, at + 8 + length);
    if (name === "IHDR") header = content;
    if (name === "IDAT") data.push(content);
    at += length + 12;
  }
  if (!header) throw new Error("the map is not a PNG");
  return { header, data };
}

const STEP = 2; // bytes of a pixel

function unfiltered(rows, width, height) {
  const stride = width * STEP;
  const values = new Uint16Array(width * height);
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const start = y * (stride + 1);
    const line = rows.subarray(start + 1, start + 1 + stride);
    unfilter(rows[start], line, above);
    for (let x = 0; x < width; x++) values[y * width + x] = (line[2 * x] << 8) | line[2 * x + 1];
    above = line;
  }
  return values;
}

const paeth = (left, up, corner) => {
  const [a, b, c] = [
    Math.abs(up - corner),
    Math.abs(left - corner),
    Math.abs(left + up - 2 * corner),
  ];
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
};

const FILTERS = [null, (left) => left, (_, up) => up, (left, up) => (left + up) >> 1, paeth];

function unfilter(kind, line, above) {
  const guess = FILTERS[kind];
  if (guess === undefined) throw new Error("the map is damaged");
  if (!guess) return;
  for (let i = 0; i < line.length; i++) {
    const [left, corner] = i < STEP ? [0, 0] : [line[i - STEP], above[i - STEP]];
    line[i] += guess(left, above[i], corner);
  }
}
