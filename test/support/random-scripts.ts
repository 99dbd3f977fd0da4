/**
 * Random scripts for one connection: single commands of every family, transactions, replies switched off,
 * subscriptions. A script is a list of blocks, so that a shrunk one still ends what it began.
 */
import fc from "fast-check";
import { type CommandFamily, FAMILIES } from "./command-templates.ts";
import type { Looseness } from "./known-differences.ts";
import {
  command,
  odd,
  quoted,
  type Step,
  stepOf,
  TAGS,
  unknownCommand,
} from "./random-commands.ts";
import { haveOneTag } from "./tagged-keys.ts";

/** What commands need to stand in a transaction, or where no reply comes: keys, or nothing. */
const KEYED: readonly CommandFamily[] = [
  ...(["strings", "several keys", "keys", "bitmaps", "hashes", "lists", "sets", "zsets"] as const),
  ...(["hyperloglogs", "geo", "streams", "scripts", "script hashes", "blocking"] as const),
];

/** Families with a reply that depends on all servers, or that change all of them. */
const EVERYWHERE: readonly CommandFamily[] = [
  "keyspace",
  "script loading",
  "functions",
  "publishing",
  "swaps",
];

/**
 * - tagged: all keys of the script have one tag, so that they are on one server
 * - anywhere: many tags, for a pool of one server: whatever Redis can do
 * - spread: many tags over many servers; each transaction keeps to one of them
 */
export type Spread = "tagged" | "anywhere" | "spread";

export interface Script {
  readonly spread: Spread;
  /** Protocol that the connection begins with. */
  readonly version: 2 | 3;
  readonly blocks: readonly (readonly Step[])[];
  /** Where the request stream is cut into pieces; null: every step waits for the reply to the one before. */
  readonly cuts: readonly number[] | null;
}

export const anyScript: fc.Arbitrary<Script> = fc
  .constantFrom<Spread>("tagged", "anywhere", "spread")
  .chain((spread) => tagsOf(spread).chain((tags) => scriptWith(spread, tags)));

/** The families of single commands that a script may have. */
export function familiesOf(spread: Spread): CommandFamily[] {
  return FAMILIES.filter((family) => spread !== "spread" || family !== "watching");
}

function tagsOf(spread: Spread): fc.Arbitrary<string[]> {
  if (spread === "tagged") return fc.constantFrom(...TAGS).map((tag) => [tag]);
  return fc.uniqueArray(fc.constantFrom(...TAGS), { minLength: 2, maxLength: 4 });
}

function scriptWith(spread: Spread, tags: readonly string[]): fc.Arbitrary<Script> {
  return fc.record({
    spread: fc.constant(spread),
    version: fc.constantFrom<2 | 3>(2, 3),
    blocks: fc.array(blockOf(spread, tags), { minLength: 1, maxLength: 40 }),
    cuts: fc.oneof(
      { weight: 4, arbitrary: fc.array(fc.nat({ max: 3000 }), { maxLength: 12 }) },
      { weight: 1, arbitrary: fc.constant(Array.from({ length: 3000 }, (_, at) => at)) },
      { weight: 2, arbitrary: fc.constant(null) },
    ),
  });
}

function blockOf(spread: Spread, tags: readonly string[]): fc.Arbitrary<Step[]> {
  const single = stepOf(familiesOf(spread), tags);
  return fc.oneof(
    { weight: 20, arbitrary: single.map((step) => [step]) },
    { weight: 1, arbitrary: odd.map((step) => [step]) },
    { weight: 1, arbitrary: silenced(tags) },
    { weight: 1, arbitrary: subscribed() },
    { weight: 5, arbitrary: transaction(spread, tags) },
    { weight: 1, arbitrary: stray },
  );
}

/** What belongs in a transaction where there is none. */
const stray: fc.Arbitrary<Step[]> = fc
  .constantFrom("EXEC", "DISCARD", "UNWATCH", "EXEC extra", "MULTI extra", "DISCARD extra")
  .map((words) => [command(...words.split(" "))]);

/** MULTI, commands right and wrong, EXEC or DISCARD; often WATCH before. */
export function transaction(spread: Spread, tags: readonly string[]): fc.Arbitrary<Step[]> {
  const one = fc.constantFrom(...tags).map((tag) => [tag]);
  // Over one server all tags will do, over many those of a transaction must be one.
  const chosen = spread === "anywhere" ? fc.constantFrom([...tags], [...tags]) : one;
  return chosen.chain((own) => {
    // See known-differences.ts for scripts.
    const keyed = KEYED.map((family) =>
      family === "scripts" && spread !== "anywhere" ? "queued scripts" : family,
    );
    const families = [...keyed, "connection", "select", "other databases", "client names"] as const;
    const more = spread === "anywhere" ? EVERYWHERE : [];
    const inner = fc.oneof(
      {
        weight: 20,
        arbitrary: stepOf([...families, ...more], own),
      },
      { weight: 1, arbitrary: fc.constantFrom(command("MULTI"), command("UNWATCH")) },
      { weight: 1, arbitrary: stepOf(["watching"], own) },
      { weight: 1, arbitrary: unknownCommand() },
    );
    const watched = fc.oneof(
      { weight: 2, arbitrary: fc.constant<Step[]>([]) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(stepOf(["watching"], own), fc.array(stepOf(KEYED, own), { maxLength: 2 }))
          .map(([watch, others]) => [watch, ...others]),
      },
    );
    return fc
      .tuple(watched, fc.array(inner, { maxLength: 6 }), fc.constantFrom("EXEC", "EXEC", "DISCARD"))
      .map(([before, all, end]) => {
        // With one that is refused because of its keys' servers, the others would not be executed either.
        const steps = all.filter(({ args }) => spread === "anywhere" || haveOneTag(args));
        const looseness = [
          ...new Set(steps.flatMap((step): readonly Looseness[] => step.looseness)),
        ];
        return [...before, command("MULTI"), ...steps, { ...command(end), looseness }];
      });
  });
}

/** Commands whose replies the client does not want. */
export function silenced(tags: readonly string[]): fc.Arbitrary<Step[]> {
  const quiet = stepOf(KEYED, tags).map((step): Step => ({ ...step, replies: 0 }));
  const reply = (word: string, replies: number): Step => ({
    ...command("CLIENT", "REPLY", word),
    replies,
  });
  const switches: Step[][] = [[reply("on", 1)], [reply("BAD", 1)], [reply("", 1)]];
  return fc.oneof(
    fc.constantFrom(...switches),
    quiet.map((step): Step[] => [reply("SKIP", 0), step]),
    fc
      .array(quiet, { maxLength: 4 })
      .map((steps): Step[] => [reply("off", 0), ...steps, reply("ON", 1)]),
  );
}

/** Subscriptions, what may be said meanwhile, and their end. */
export function subscribed(): fc.Arbitrary<Step[]> {
  const names = fc.uniqueArray(fc.constantFrom("n", "m", "\xff\r\n", ""), { minLength: 1 });
  const each = (name: string, channels: readonly string[]): Step => ({
    ...command(name, ...channels),
    replies: channels.length,
  });
  const meanwhile = fc.constantFrom(
    ...["PING", "PING x", "GET strings1", "SUBSCRIBE", "SET a b", "ECHO x", "FOO"],
  );
  return fc
    .tuple(names, fc.array(meanwhile, { maxLength: 3 }), fc.constantFrom("", "P"))
    .map(([channels, words, prefix]) => [
      each(`${prefix}SUBSCRIBE`, channels),
      ...words.map((word) => command(...word.split(" "))),
      each(`${prefix}UNSUBSCRIBE`, channels),
    ]);
}

/** As lines for redis-cli; what is no command, or not written as an array, stands behind a "#". */
export function asLines(script: Script): string {
  return script.blocks
    .flat()
    .map((step) =>
      step.args.length > 0 ? cliLine(step) : `# raw: ${JSON.stringify(step.request)}`,
    )
    .join("\n");
}

function cliLine(step: Step): string {
  const line = step.args.map(shown).join(" ");
  return step.request.startsWith("*")
    ? line
    : `${line}   # sent as ${JSON.stringify(step.request)}`;
}

function shown(arg: string): string {
  if (/^(.)\1{99,}$/.test(arg)) return `<${arg.length} times ${arg.charAt(0)}>`;
  return /^[\w{}.:*+-]+$/.test(arg) ? arg : quoted(arg);
}
