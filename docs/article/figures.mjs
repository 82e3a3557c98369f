// The live figures of the article about batch normalization.
//
// The first half is pure functions: the float32 arithmetic of PyTorch's BatchNorm1d on a CPU (one
// thread), step by step by Math.fround, and exact sums as integers. tests/site compares their
// numbers with PyTorch's and evenly's. The second half draws them, and is a custom element.

const float32 = Math.fround;

// ---- Data ----

/** Returns nearly normal numbers: multiples of 1/1024 with mean 0 and standard deviation 1. */
export function sample(count, seed = 1) {
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 16;
  };
  const value = () => Math.floor((next() + next() + next() + next() - 131070) / 37) / 1024;
  return Array.from({ length: count }, value);
}

// ---- PyTorch: float32, in the order of the rows ----

/** Returns what BatchNorm1d(1, affine=False) computes for one column in training. */
export function torchBatchNorm(x, eps = 1e-5) {
  const n = x.length;
  let sum = 0;
  for (const value of x) sum = float32(sum + value);
  const mean = float32(sum / n);
  let squares = 0;
  for (const value of x) {
    const difference = float32(value - mean);
    squares = float32(difference * difference + squares); // one rounding: a fused multiply-add
  }
  const variance = float32(squares / n);
  const scale = float32(1 / Math.sqrt(variance + eps));
  const shift = float32(-mean * scale);
  const output = x.map((value) => float32(value * scale + shift));
  return { mean, variance, unbiased: float32(squares / (n - 1)), output };
}

/** Returns the running mean and variance after each batch. */
export function torchRunning(batches, momentum) {
  let [mean, variance] = [0, 1];
  return batches.map((x) => {
    const batch = torchBatchNorm(x);
    mean = float32(momentum * batch.mean + (1 - momentum) * mean);
    variance = float32(momentum * batch.unbiased + (1 - momentum) * variance);
    return { mean, variance };
  });
}

// ---- evenly: exact sums, rounded once ----

/** Returns p / q as the nearest double; p and q are BigInt, and q is positive. */
function ratio(p, q) {
  if (p < 0n) return -ratio(-p, q);
  if (p === 0n) return 0;
  const bits = (number) => number.toString(2).length;
  const shift = 66 - (bits(p) - bits(q));
  const scaled = shift > 0 ? p << BigInt(shift) : p >> BigInt(-shift);
  let quotient = scaled / q;
  if (quotient * q !== scaled) quotient |= 1n; // the remainder decides a tie
  return Number(quotient) * 2 ** -shift;
}

/** Returns the count and the exact sums of a column as integers of the unit 2^-exponent. */
export function exactSums(x) {
  const values = x.filter((value) => !Number.isNaN(value));
  let exponent = 0;
  while (values.some((value) => !Number.isInteger(value * 2 ** exponent))) exponent += 1;
  const integers = values.map((value) => BigInt(value * 2 ** exponent));
  const sum = integers.reduce((total, value) => total + value, 0n);
  const squares = integers.reduce((total, value) => total + value * value, 0n);
  return { count: values.length, exponent, sum, squares };
}

/** Returns the correctly rounded mean and variance of a column; NaN is skipped. */
export function exactMoments(x) {
  const { count, exponent, sum, squares } = exactSums(x);
  const n = BigInt(count);
  const unit = 1n << BigInt(exponent);
  return {
    count,
    mean: ratio(sum, n * unit),
    variance: ratio(n * squares - sum * sum, n * n * unit * unit),
  };
}

/** Returns (x - mean) / sqrt(variance + eps), rounded to float32 at the end. */
export function exactNormalize(x, eps = 0) {
  const { count, exponent, sum } = exactSums(x);
  const { variance } = exactMoments(x);
  const std = Math.sqrt(variance + eps);
  return x.map((value) => {
    if (Number.isNaN(value)) return NaN;
    if (variance === 0) return 0;
    const difference = BigInt(count) * BigInt(value * 2 ** exponent) - sum;
    return float32(Number(difference) / count / 2 ** exponent / std);
  });
}

// ---- The models of the figures: the positions of the sliders to numbers ----

const COLUMNS = [
  [0, 1], [3, 2], [-2, 0.5], [1, 2], [-4, 1],
  [2, 0.25], [-1, 1.5], [4, 1], [-3, 0.5], [0.5, 1],
];
const CONSTANT_COLUMN = 3;
const NAN_COLUMN = 6;
const BATCHES = 40;

/** Returns the variance of numbers: the sum of squares by n - correction. */
export function variance(x, correction = 0) {
  const mean = x.reduce((total, value) => total + value, 0) / x.length;
  const squares = x.reduce((total, value) => total + (value - mean) ** 2, 0);
  return squares / (x.length - correction);
}

export const models = {
  columns({ rows, constant, nan }) {
    const columns = COLUMNS.map(([offset, scale], index) => {
      const x = sample(rows, index + 1).map((value) => float32(offset + scale * value));
      if (constant && index === CONSTANT_COLUMN) x.fill(1.5);
      if (nan && index === NAN_COLUMN) x[0] = NaN;
      return { x, torch: torchBatchNorm(x).output, evenly: exactNormalize(x) };
    });
    return { columns };
  },

  rows({ rows }) {
    const x = sample(rows, 59).map(float32);
    if (rows < 2) return { rows, ratio: Infinity };
    const { output } = torchBatchNorm(x);
    return {
      rows,
      ratio: rows / (rows - 1),
      byN: variance(output),
      byNMinusOne: variance(output, 1),
    };
  },

  offset({ exponent }) {
    const offset = Math.round(10 ** exponent);
    const x = sample(64, 3).map((value) => float32(offset + value));
    const right = exactNormalize(x, 1e-5);
    const torch = torchBatchNorm(x).output;
    const error = Math.max(...torch.map((value, row) => Math.abs(value - right[row])));
    return { offset, x, right, torch, error };
  },

  constant({ exponent }) {
    const value = float32(Math.round(7.1 * 10 ** exponent) / 10);
    const x = Array(100).fill(value);
    const { mean, output } = torchBatchNorm(x);
    return { value, mean, torch: output[0], evenly: exactNormalize(x)[0] };
  },

  eps({ std, eps }) {
    const x = sample(100, 59).map((value) => float32(10 ** std * value));
    const before = Math.sqrt(variance(x));
    const after = Math.sqrt(variance(torchBatchNorm(x, 10 ** eps).output));
    return { before, after };
  },

  running({ momentum, nan }) {
    const batches = Array.from({ length: BATCHES }, (_, batch) =>
      sample(32, batch + 1).map((value) => float32(3 + value)),
    );
    if (nan > 0) batches[nan - 1][0] = NaN;
    const exact = batches.map((_, batch) => exactMoments(batches.slice(0, batch + 1).flat()).mean);
    return { running: torchRunning(batches, momentum), exact };
  },
};

// ---- Drawing: numbers to shapes of an SVG of 420 x 230 ----

const LEFT = 46, RIGHT = 408, TOP = 14, BOTTOM = 186;

const number = (value) => String(Math.round(value * 10) / 10);
const element = (tag, attributes, text = "") => ({ tag, attributes, text });
const line = (x1, y1, x2, y2, kind) =>
  element("path", { d: `M${number(x1)} ${number(y1)}L${number(x2)} ${number(y2)}`, class: kind });
const label = (x, y, text, kind, anchor = "middle") =>
  element("text", { x: number(x), y: number(y), class: kind, "text-anchor": anchor }, text);
const dots = (points, kind) =>
  element("path", { d: points.map(([x, y]) => `M${number(x)} ${number(y)}h0`).join(""), class: kind });
const curve = (points, kind) =>
  element("path", { d: `M${points.map(([x, y]) => `${number(x)} ${number(y)}`).join("L")}`, class: kind });
const scale = (from, to, start, end) => (value) => start + ((value - from) / (to - from)) * (end - start);
const spread = (row) => (((row * 7) % 10) - 4.5) * 1.1; // next to each other in a strip
const clip = (value, limit) => Math.max(-limit, Math.min(limit, value));

/** Returns the axes: grid lines and labels of both, each a list of [value, text]. */
function axes(x, y, xTicks, yTicks, xTitle) {
  return [
    ...yTicks.flatMap(([value, text]) => [
      line(LEFT, y(value), RIGHT, y(value), "grid"),
      label(LEFT - 6, y(value) + 3.5, text, "tick", "end"),
    ]),
    ...xTicks.map(([value, text]) => label(x(value), BOTTOM + 16, text, "tick")),
    label((LEFT + RIGHT) / 2, BOTTOM + 35, xTitle, "title"),
  ];
}

/** Returns a number with significant digits, without a needless exponent. */
export function format(value, digits = 4) {
  if (Number.isNaN(value)) return "NaN";
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (size < 1e-3) return value.toExponential(0).replace("-", "−").replace("e-", "e−");
  return value.toFixed(digits).replace("-", "−");
}

const ticks = (values) => values.map((value) => [value, String(value).replace("-", "−")]);
const powers = (from, to, step = 1) => {
  const texts = { 0: "1", 1: "10", 2: "100", 3: "1000" };
  const superscript = (power) => String(power).replace("-", "⁻").replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]);
  const list = [];
  for (let power = from; power <= to; power += step) list.push([power, texts[power] ?? `10${superscript(power)}`]);
  return list;
};

export const drawings = {
  columns({ columns }, text) {
    const panel = (start, key, title, limit, marks) => {
      const y = scale(-limit, limit, BOTTOM, TOP + 14);
      const x = (index) => start + 16.5 * (index + 0.5);
      const shapes = marks.flatMap((value) => [
        line(start, y(value), start + 165, y(value), "grid"),
        label(start - 5, y(value) + 3.5, String(value).replace("-", "−"), "tick", "end"),
      ]);
      const strips = columns.map((column, index) => {
        const shown = column[key].filter((value) => !Number.isNaN(value));
        return dots(shown.map((value, row) => [x(index) + spread(row), y(clip(value, limit))]), key === "x" ? "dot raw" : "dot after");
      });
      const names = columns.map((_, index) => label(x(index), BOTTOM + 16, String(index), "tick"));
      return [...shapes, ...strips, ...names, label(start + 82.5, TOP + 2, title, "title")];
    };
    return [
      ...panel(36, "x", text.before, 8, [-8, -4, 0, 4, 8]),
      ...panel(242, "torch", text.after, 4, [-4, -2, 0, 2, 4]),
      label(222, BOTTOM + 35, text.axis, "title"),
    ];
  },

  rows({ rows, ratio }, text) {
    const x = scale(1, 100, LEFT, RIGHT);
    const y = scale(0.9, 2.1, BOTTOM, TOP);
    const points = Array.from({ length: 99 }, (_, index) => [x(index + 2), y((index + 2) / (index + 1))]);
    const shapes = axes(x, y, ticks([1, 10, 20, 40, 60, 80, 100]), ticks([1, 1.5, 2]), text.axis);
    const mark = Number.isFinite(ratio)
      ? [line(x(rows), y(ratio), x(rows), BOTTOM, "guide"), dots([[x(rows), y(ratio)]], "dot large")]
      : [line(x(1), TOP, x(1), BOTTOM, "guide wrong")];
    const position = Math.max(LEFT + 60, Math.min(RIGHT - 60, x(rows)));
    const words = Number.isFinite(ratio) ? format(ratio) : text.none;
    const height = Number.isFinite(ratio) ? Math.max(TOP + 12, y(ratio) - 12) : TOP + 12;
    return [...shapes, curve(points, "curve"), ...mark, label(position, height, words, "value")];
  },

  offset({ right, torch }, text) {
    const x = scale(-3, 3, LEFT, RIGHT);
    const y = scale(-3, 3, BOTTOM, TOP);
    const points = torch.map((value, row) => [x(clip(right[row], 3)), y(clip(value, 3))]);
    return [
      ...axes(x, y, ticks([-3, -2, -1, 0, 1, 2, 3]), ticks([-2, 0, 2]), text.axis),
      line(x(-3), y(-3), x(3), y(3), "exact"),
      dots(points, "dot wrong"),
      label(x(2.9), y(-2.5), text.exact, "legend exact-text", "end"),
      label(x(-2.9), y(2.55), text.torch, "legend wrong-text", "start"),
    ];
  },

  constant({ value, torch }, text) {
    const x = scale(-0.5, 7.5, LEFT, RIGHT);
    const y = scale(-1.2, 1.2, BOTTOM, TOP);
    const position = x(Math.log10(value));
    const height = y(clip(torch, 1.2));
    const others = positions(0, 7, 0.25).map((exponent) => models.constant({ exponent }));
    const shapes = others.map((other) => [x(Math.log10(other.value)), y(clip(other.torch, 1.2))]);
    return [
      ...axes(x, y, powers(0, 7), ticks([-1, 0, 1]), text.axis),
      line(LEFT, y(0), RIGHT, y(0), "exact"),
      dots(shapes, "dot wrong faint"),
      line(position, y(0), position, height, "guide wrong"),
      dots([[position, height]], "dot large wrong"),
      label(RIGHT, y(0) - 6, text.exact, "legend exact-text", "end"),
    ];
  },

  eps({ before, after, eps }, text) {
    const x = scale(-4, 1, LEFT, RIGHT);
    const y = scale(0, 1.1, BOTTOM, TOP);
    const points = positions(-4, 1, 0.05).map((std) => {
      const square = 10 ** (2 * std);
      return [x(std), y(Math.sqrt(square / (square + eps)))];
    });
    const position = x(Math.log10(before));
    const anchor = position > 300 ? "end" : "start";
    return [
      ...axes(x, y, powers(-4, 1), ticks([0, 0.5, 1]), text.axis),
      curve(points, "curve"),
      line(position, y(after), position, BOTTOM, "guide"),
      dots([[position, y(after)]], "dot large"),
      label(position + (anchor === "end" ? -4 : 4), y(after) + 18, format(after, 6), "value", anchor),
    ];
  },

  running({ running, exact }, text) {
    const x = scale(0, BATCHES, LEFT, RIGHT);
    const y = scale(0, 4, BOTTOM, TOP);
    const finite = running.filter(({ mean }) => !Number.isNaN(mean));
    const points = finite.map(({ mean }, batch) => [x(batch + 1), y(mean)]);
    const last = finite.length;
    const end = last < BATCHES ? [label(x(last) + 6, y(0) - 6, text.nan, "legend wrong-text", last > 25 ? "end" : "start")] : [];
    return [
      ...axes(x, y, ticks([0, 10, 20, 30, 40]), ticks([0, 1, 2, 3, 4]), text.axis),
      curve(exact.map((mean, batch) => [x(batch + 1), y(mean)]), "exact"),
      curve([[x(0), y(0)], ...points], "wrong-curve"),
      ...end,
      label(RIGHT, y(3) - 22, text.exact, "legend exact-text", "end"),
      label(RIGHT, y(0) - 22, text.torch, "legend wrong-text", "end"),
    ];
  },
};

function positions(from, to, step) {
  return Array.from({ length: Math.round((to - from) / step) + 1 }, (_, index) => from + index * step);
}

/** The numbers below each figure: a list of [name of the text, number as text]. */
export const readouts = {
  columns({ columns }) {
    const means = columns.map(({ torch }) => torch.reduce((sum, value) => sum + value, 0) / torch.length);
    const largest = Math.max(...means.map(Math.abs));
    const varying = columns.find((_, index) => index !== CONSTANT_COLUMN).torch;
    return [
      ["mean", Number.isNaN(largest) ? "NaN" : largest < 1e-6 ? "< 0.000001" : format(largest, 6)],
      ["byN", format(variance(varying))],
      ["byNMinusOne", format(variance(varying, 1))],
      ["constant", format(columns[CONSTANT_COLUMN].torch[0])],
      ["nan", String(columns[NAN_COLUMN].torch.filter(Number.isNaN).length)],
      ["nanEvenly", String(columns[NAN_COLUMN].evenly.filter(Number.isNaN).length)],
    ];
  },
  rows: ({ rows, byN, byNMinusOne }) =>
    rows < 2 ? [["error", ""]] : [["byN", format(byN)], ["byNMinusOne", format(byNMinusOne)]],
  offset: ({ offset, error }) => [
    ["offset", offset.toLocaleString("en-US")],
    ["error", error < 1e-3 ? "< 0.001" : format(error, 3)],
  ],
  constant: ({ value, mean, torch, evenly }) => [
    ["value", String(Number(value.toPrecision(8)))],
    ["mean", String(Number(mean.toPrecision(8)))],
    ["torch", format(torch)],
    ["evenly", format(evenly)],
  ],
  eps: ({ before, after }) => [["before", before.toPrecision(2).replace("e-", "e−")], ["after", format(after, 6)]],
  running({ running, exact }) {
    const { mean, variance: spread } = running.at(-1);
    return [
      ["mean", format(mean)],
      ["exact", format(exact.at(-1))],
      ["evaluation", format((3 - mean) / Math.sqrt(spread + 1e-5), 3)],
    ];
  },
};

// ---- The sliders, and the element ----

/** The controls of each figure: name, first value, and the range, or none for a checkbox. */
export const controls = {
  columns: [
    { name: "rows", value: 100, min: 2, max: 100, step: 1 },
    { name: "constant", value: false },
    { name: "nan", value: false },
  ],
  rows: [{ name: "rows", value: 100, min: 1, max: 100, step: 1, below: (n) => `n / (n − 1) = ${n}/${n - 1}` }],
  offset: [{ name: "exponent", value: 6, min: 0, max: 7, step: 0.25, shown: (k) => Math.round(10 ** k).toLocaleString("en-US") }],
  constant: [
    { name: "exponent", value: 6.25, min: 0, max: 7, step: 0.25, shown: (k) => (Math.round(7.1 * 10 ** k) / 10).toLocaleString("en-US") },
  ],
  eps: [
    { name: "std", value: 0, min: -4, max: 1, step: 0.25, shown: (k) => (10 ** k).toPrecision(2).replace("e-", "e−") },
    { name: "eps", value: -5, min: -8, max: -1, step: 1, shown: (k) => `1e${k}`.replace("-", "−") },
  ],
  running: [
    { name: "momentum", value: 0.1, min: 0.01, max: 1, step: 0.01, shown: (m) => m.toFixed(2) },
    { name: "nan", value: 0, min: 0, max: BATCHES, step: 1 },
  ],
};

/** Returns everything that a figure shows: shapes and numbers. */
export function figure(name, values, text) {
  const model = { ...models[name](values) };
  if (name === "eps") model.eps = 10 ** values.eps;
  return { shapes: drawings[name](model, text), numbers: readouts[name](model) };
}

const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes = {}, text = "", namespace = "http://www.w3.org/1999/xhtml") {
  const node = document.createElementNS(namespace, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

function define() {
  class LiveFigure extends HTMLElement {
    connectedCallback() {
      this.name = this.getAttribute("name");
      this.text = JSON.parse(this.querySelector("script").textContent);
      this.svg = this.querySelector("svg");
      this.list = this.querySelector("dl");
      this.values = {};
      const form = make("form", { class: "live-controls" });
      form.append(...controls[this.name].map((control) => this.control(control)));
      form.addEventListener("submit", (event) => event.preventDefault());
      if (controls[this.name][0].below) this.svg.after(form);
      else this.svg.before(form);
      this.draw();
    }

    control({ name, value, min, max, step, below, shown = String }) {
      this.values[name] = value;
      const row = make("label", { class: "live-control" });
      const isCheckbox = typeof value === "boolean";
      const input = make("input", isCheckbox ? { type: "checkbox" } : { type: "range", min, max, step, value });
      input.name = name;
      const output = make("output", {}, isCheckbox ? "" : this.shown(name, value, shown));
      input.addEventListener("input", () => {
        this.values[name] = isCheckbox ? input.checked : input.valueAsNumber;
        if (!isCheckbox) {
          output.textContent = this.shown(name, input.valueAsNumber, shown);
          input.setAttribute("aria-valuetext", output.textContent);
        }
        this.draw();
      });
      row.append(make("span", {}, this.text.controls[name]), input, output);
      if (below) this.below(row, input, below);
      return row;
    }

    /** Aligns a slider with the axis above it, and writes a text under its thumb. */
    below(row, input, words) {
      row.classList.add("live-axis");
      const text = make("span", { class: "live-below", "aria-hidden": "true" });
      const position = () => {
        text.textContent = words(input.valueAsNumber);
        text.style.setProperty("--position", (input.value - input.min) / (input.max - input.min));
      };
      input.addEventListener("input", position);
      position();
      row.append(text);
    }

    shown(name, value, shown) {
      return name === "nan" && value === 0 ? this.text.controls.none : shown(value);
    }

    draw() {
      const { shapes, numbers } = figure(this.name, this.values, this.text);
      this.svg.replaceChildren(...shapes.map(({ tag, attributes, text }) => make(tag, attributes, text, SVG)));
      this.list.replaceChildren(
        ...numbers.map(([name, value]) => {
          const pair = make("div");
          pair.append(make("dt", {}, this.text.numbers[name]), make("dd", {}, value));
          return pair;
        }),
      );
    }
  }
  customElements.define("live-figure", LiveFigure);
}

if (typeof customElements !== "undefined") define();
