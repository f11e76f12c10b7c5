/** Figures on orders: ranks with ties shared, Spearman's correlation, AUROC. */

/** Rank of every value from 1, equal values share the mean of theirs. */
export function ranks(values) {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  const result = new Array(values.length);
  for (let i = 0; i < order.length;) {
    let j = i;
    while (j + 1 < order.length && values[order[j + 1]] === values[order[i]]) j++;
    for (let k = i; k <= j; k++) result[order[k]] = (i + j) / 2 + 1;
    i = j + 1;
  }
  return result;
}

/** Correlation of the ranks in [-1, 1]; null where one side is constant. */
export function spearman(a, b) {
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (a.length + 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i] - middle, y[i] - middle];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  return xx && yy ? xy / Math.sqrt(xx * yy) : null;
}

/** Share of (ng, ok) pairs in the right order, ties half; null without both labels. */
export function auroc(values, labels) {
  const known = values.map((value, i) => ({ value, label: labels[i] })).filter((one) => one.label);
  const ng = known.filter((one) => one.label === "ng").length;
  const ok = known.length - ng;
  if (!ng || !ok) return null;
  const rank = ranks(known.map((one) => one.value));
  const sum = known.reduce((all, one, i) => all + (one.label === "ng" ? rank[i] : 0), 0);
  return (sum - (ng * (ng + 1)) / 2) / (ng * ok);
}
