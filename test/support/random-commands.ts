/**
 * Random requests to a Redis: commands of every family over few keys of all types, with wrong arities, wrong types,
 * odd spellings, inline requests, unknown commands and requests that get no reply.
 *
 * Text stands for bytes throughout (latin1), so that a counterexample can be read.
 */
import fc from "fast-check";
import { anyText, argumentsOf, type Surroundings } from "./argument-kinds.ts";
import { type CommandFamily, TEMPLATES } from "./command-templates.ts";
import { type Looseness, loosenessOf } from "./known-differences.ts";

export interface Step {
  /** What is sent. */
  readonly request: string;
  /** The command; empty when it is none. */
  readonly args: readonly string[];
  /** How many replies come: usually 1. */
  readonly replies: number;
  readonly looseness: readonly Looseness[];
}

/** Hash tags of keys. Each of up to four servers of a `redisPool` has some of them, which a test makes sure of. */
export const TAGS: readonly string[] = [
  "{red}",
  "{blue}",
  "{green}",
  "{gold}",
  "{rose}",
  "{brown}",
];

/** A command as an array of bulk strings; text is bytes. */
export function encode(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("")}`;
}

/** A command as a step that is compared as its name says. */
export function command(...args: readonly string[]): Step {
  return { request: encode(args), args, replies: 1, looseness: loosenessOf(args) };
}

const FAMILY_WEIGHT_MAX = 8;

/** A command of one of these families. */
export function stepOf(
  families: readonly CommandFamily[],
  tags: readonly string[],
): fc.Arbitrary<Step> {
  // By families, so that one with few commands has its share too.
  const arbitrary = fc.oneof(
    ...families.map((family) => ({
      weight: Math.min(FAMILY_WEIGHT_MAX, TEMPLATES[family].length),
      arbitrary: fc
        .constantFrom(...TEMPLATES[family])
        .chain((template) => fc.tuple(filled(template, family, tags), manner)),
    })),
  );
  return arbitrary.map(([filling, way]) => styled(filling, way));
}

/** Wrong requests and odd ones that keep the connection open. */
export const odd: fc.Arbitrary<Step> = fc.oneof(
  fc
    .constantFrom("\r\n", "\n", "*0\r\n", "*-1\r\n")
    .map((request): Step => ({ request, args: [], replies: 0, looseness: [] })),
  unknownCommand(),
);

/** Names that Redis does not know. */
export function unknownCommand(): fc.Arbitrary<Step> {
  return fc
    .tuple(fc.constantFrom("FOO", "GETT", "", "\xff\0", "get\r\n", "S ET"), fc.array(anyText))
    .map(([name, args]) => command(name, ...args));
}

/** For each template of these families a few steps, always the same ones. */
export function everyTemplate(
  families: readonly CommandFamily[],
  tags: readonly string[],
  samples: number,
): Step[] {
  return families.flatMap((family) =>
    TEMPLATES[family].flatMap((template, seed) =>
      fc
        .sample(filled(template, family, tags), { numRuns: samples, seed })
        .map(({ args }) => command(...args)),
    ),
  );
}

/** Whether its reply says where to go on, so that what it found is compared when all was found. */
export function isScan(step: Step): boolean {
  return /^[HSZ]?SCAN$/i.test(step.args[0] ?? "");
}

interface Filling {
  readonly args: readonly string[];
  /** Of the command's `same` keys. */
  readonly tag: string;
}

function filled(
  template: readonly string[],
  family: string,
  tags: readonly string[],
): fc.Arbitrary<Filling> {
  return fc.constantFrom(...tags).chain((tag) => {
    const around: Surroundings = { tags, tag, family };
    return fc
      .tuple(...template.map((word) => argumentsOf(word, around)))
      .map((parts) => ({ args: parts.flat(), tag }));
  });
}

type Manner = typeof manner extends fc.Arbitrary<infer Value> ? Value : never;

/** How a command is written. */
const manner = fc.record({
  spelling: fc.constantFrom("upper", "lower", "mixed"),
  arity: fc.oneof(
    { weight: 20, arbitrary: fc.constant("right") },
    { weight: 1, arbitrary: fc.constantFrom("short", "long") },
  ),
  form: fc.oneof(
    { weight: 12, arbitrary: fc.constant("multibulk") },
    { weight: 1, arbitrary: fc.constantFrom("inline", "quoted") },
  ),
});

function styled({ args, tag }: Filling, { spelling, arity, form }: Manner): Step {
  const [name = "", ...rest] = args;
  if (arity === "short") rest.pop();
  // It may be taken for a key.
  if (arity === "long") rest.push(`${tag}extra`);
  const spelled = [spell(name, spelling), ...rest];
  const isInline = form !== "multibulk" && rest.every((arg) => arg.length < 1000);
  const step = command(...spelled);
  return isInline ? { ...step, request: inline(spelled, form === "quoted") } : step;
}

function spell(name: string, spelling: string): string {
  if (spelling === "upper") return name;
  if (spelling === "lower") return name.toLowerCase();
  return [...name].map((char, at) => (at % 2 === 0 ? char : char.toLowerCase())).join("");
}

/** The same request as a line of text: quoted throughout, or only where it must be. */
function inline(args: readonly string[], isQuoted: boolean): string {
  const words = args.map((arg) => {
    if (!isQuoted && /^[\w{}.:+-]+$/.test(arg)) return arg;
    if (isQuoted && /^[\w{}.: "-]+$/.test(arg)) return `'${arg}'`;
    return quoted(arg);
  });
  return `${words.join(isQuoted ? "  " : " ")}${isQuoted ? "\r\n" : "\n"}`;
}

/** In double quotes, as redis-cli and inline requests understand it. */
export function quoted(arg: string): string {
  const escaped = [...arg].map((char) =>
    /[ !#-[\]-~]/.test(char) ? char : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
  return `"${escaped.join("")}"`;
}
