/** Reads metrics as a strict collector does: an exception says what is wrong. */

export interface ReadFamily {
  readonly type: string;
  readonly help: string;
  /** By their name with labels, as written. */
  readonly samples: ReadonlyMap<string, number>;
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = `[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\n"])*"`;
const SAMPLE = new RegExp(`^(${NAME})(\\{${LABEL}(?:,${LABEL})*\\})? (\\S+)$`);
const SUFFIXES: Readonly<Record<string, RegExp>> = {
  counter: /^_total$/,
  gauge: /^$/,
  histogram: /^(_bucket|_sum|_count)$/,
};
/** Words of units that are not base units, and of types. */
const BAD_WORDS = /_(us|ms|microseconds|milliseconds|kb|mb|counter|gauge|histogram)(_|$)/;

/** @param isOpenMetrics names of counters in HELP and TYPE have no `_total`, and the end is marked */
export function readExposition(text: string, isOpenMetrics: boolean): Map<string, ReadFamily> {
  const families = new Map<string, ReadFamily & { samples: Map<string, number> }>();
  const check = (isSo: boolean, what: string): void => {
    if (!isSo) throw new Error(what);
  };
  check(text.endsWith(isOpenMetrics ? "\n# EOF\n" : "\n"), "the end is missing");
  const lines = text.split("\n").slice(0, isOpenMetrics ? -2 : -1);
  let current = "";
  let help: readonly [name: string, text: string] = ["", ""];
  const seen = new Set<string>();
  for (const line of lines) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment?.[1] === "HELP") {
      help = [comment[2]!, comment[3]!];
    } else if (comment !== null) {
      const [, , name = "", type = ""] = comment;
      check(help[0] === name, `${name}: no HELP before TYPE`);
      check(SUFFIXES[type] !== undefined, `${name}: unknown type ${type}`);
      const isCounter = type === "counter";
      if (isCounter && !isOpenMetrics) check(name.endsWith("_total"), `${name}: no _total`);
      else check(!name.endsWith("_total"), `${name}: _total`);
      current = isCounter && !isOpenMetrics ? name.replace(/_total$/, "") : name;
      check(!families.has(current), `${current} comes twice`);
      check(!BAD_WORDS.test(current), `${current}: not in base units, or names its type`);
      families.set(current, { type, help: help[1], samples: new Map() });
    } else {
      const sample = SAMPLE.exec(line);
      check(sample !== null, `no sample: ${line}`);
      const [, name = "", labels = "", value = ""] = sample!;
      const family = families.get(current);
      check(family !== undefined && name.startsWith(current), `${name}: of no family`);
      check(SUFFIXES[family!.type]!.test(name.substring(current.length)), `${name}: bad suffix`);
      check(!seen.has(name + labels), `${name}${labels} comes twice`);
      check(Number.isFinite(Number(value)), `${name}: ${value}`);
      if (family!.type !== "gauge") check(Number(value) >= 0, `${name}: below zero`);
      seen.add(name + labels);
      family!.samples.set(name + labels, Number(value));
    }
  }
  for (const [name, { type, samples }] of families) {
    check(samples.size > 0, `${name} has no samples`);
    if (type === "histogram") checkHistogram(name, samples);
  }
  return families;
}

function checkHistogram(name: string, samples: ReadonlyMap<string, number>): void {
  const last = new Map<string, readonly [bound: number, count: number]>();
  for (const [sample, value] of samples) {
    const bucket = /^(.*)_bucket(\{.*?),?le="([^"]+)"\}$/.exec(sample);
    if (bucket === null) continue;
    const key = `${bucket[2]}}`.replace("{}", "");
    const bound = bucket[3] === "+Inf" ? Number.POSITIVE_INFINITY : Number(bucket[3]);
    const [below, count] = last.get(key) ?? [Number.NEGATIVE_INFINITY, 0];
    if (!(bound > below) || value < count) throw new Error(`${sample}: buckets are not in order`);
    last.set(key, [bound, value]);
  }
  for (const [key, [bound, count]] of last) {
    if (bound !== Number.POSITIVE_INFINITY) throw new Error(`${name}${key}: no +Inf`);
    if (samples.get(`${name}_count${key}`) !== count) throw new Error(`${name}${key}: wrong count`);
    if (samples.get(`${name}_sum${key}`) === undefined) throw new Error(`${name}${key}: no sum`);
  }
}
