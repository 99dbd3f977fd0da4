/** What the table promises holds for every row: generated, so that a new option is tested by being there. */
import { describe, expect, test } from "bun:test";
import type { Form, Option } from "../../../src/api/option.ts";
import { formatProblem } from "../../../src/config/problem.ts";
import { formatSize } from "../../../src/config/size.ts";
import { defaultValue, formatValue, parseText } from "../../../src/config/values.ts";
import { PROTOCOLS } from "../../../src/protocols/registry.ts";
import { describeChanges } from "../../../src/supervisor/change/describe-changes.ts";
import { loadConfig, OPTIONS } from "../../support/load-config.ts";

const FORMS: readonly Form[] = ["native", "twemproxy"];

/** A file of this form that is right, with one more line where the option stands. */
function fileWith(option: Option, form: Form, value: string): string {
  const line = `${option.name}: ${value}`;
  const servers = option.where === "server" ? `{ address: "h:1", ${line} }` : "h:1:1";
  const keys = [
    ...(option.name === "listen" && option.where === "pool" ? [] : ["listen: h:2"]),
    ...protocolLine(option, form),
    ...(option.where === "pool" ? [line] : []),
    ...(option.where === "workers"
      ? ["workers:", ...(option.name === "own" ? [] : ["  own: 1"]), `  ${line}`]
      : []),
    ...(option.name === "on_down" && /^"?spare/.test(value) ? ["spares: [h:3:1]"] : []),
    "servers:",
    `- ${option.name === "address" ? `{ ${line} }` : servers}`,
  ];
  if (form === "twemproxy") return `p:\n${keys.map((key) => `  ${key}\n`).join("")}`;
  const top = option.where === "top" ? `${line}\n${besideEtcd(option)}` : "";
  // Beyond the loopback `admin: listen` needs a token.
  const token = option.where === "admin" && option.name === "listen" ? "  token_file: t\n" : "";
  const group = ["log", "stats", "admin"].includes(option.where)
    ? `${option.where}:\n  ${line}\n${token}`
    : "";
  return `${top}${group}pools:\n  p:\n${keys.map((key) => `    ${key}\n`).join("")}`;
}

/** What an option of etcd has an effect with. */
function besideEtcd({ name }: Option): string {
  const partner = PARTNERS.get(name);
  const etcd = name.startsWith("etcd_") ? 'etcd: ["http://127.0.0.1:1"]\n' : "";
  return partner === undefined ? etcd : `${etcd}${partner}: x\n`;
}

const PARTNERS: ReadonlyMap<string, string> = new Map([
  ...([
    ["etcd_user", "etcd_password_file"],
    ["etcd_password_file", "etcd_user"],
  ] as const),
  ...([
    ["etcd_cert_file", "etcd_key_file"],
    ["etcd_key_file", "etcd_cert_file"],
  ] as const),
]);

/** The protocol that knows the option. */
function protocolLine(option: Option, form: Form): string[] {
  if (option.name === "redis" || option.name === "protocol") return [];
  const owner = PROTOCOLS.find(({ options }) => options.includes(option))?.name ?? "redis";
  return [form === "native" ? `protocol: ${owner}` : `redis: ${owner === "redis"}`];
}

/** Values at and just outside the bounds, and of the wrong kind. */
function samples(option: Option): { good: string[]; bad: string[] } {
  const { type } = option;
  switch (type.kind) {
    case "integer":
    case "count":
    case "duration": {
      const { min, max } = type;
      const extra =
        type.kind === "count" ? ["auto"] : type.kind === "duration" ? ["1s", "2ms"] : [];
      const none = type.kind === "duration" && type.none;
      const below = min > 0 ? [`${min - 1}`] : ["-1"];
      return {
        good: [`${min}`, `${max}`, `"${min}"`, ...extra, ...(none ? ["none"] : [])],
        bad: [
          ...below,
          `${max + 1}`,
          "abc",
          "1.25",
          '" 1"',
          "[1]",
          '""',
          ...(none ? [] : ["none"]),
        ],
      };
    }
    case "size":
      return {
        good: [
          ...(type.auto ? ["auto"] : []),
          ...["none", formatSize(type.min), "1GB", "1.5gb", '"8tb"'],
        ],
        bad: [
          ...(type.auto ? [] : ["auto"]),
          "off",
          "1024",
          "64",
          "1k",
          "1 gb",
          "-1gb",
          formatSize(type.min - 1),
          "9999999tb",
          "[1gb]",
          '""',
        ],
      };
    case "boolean":
      return { good: ["true", "false", '"true"'], bad: ["yes", "no", "True", "1", '""', "{}"] };
    case "choice":
      return { good: [...type.values], bad: ["nonsense", type.values[0]!.toUpperCase(), '""'] };
    case "text":
      if (option.name === "zone") return { good: ["auto"], bad: ["nowhere", "[a]", '""'] };
      return { good: ["abc", "123", "true"], bad: ['""', "[a]", "{a: b}", '"a\\nb"'] };
    case "discovery":
      // But for "names", in place of `servers`, which these files have.
      return { good: ["names"], bad: ["abc", "dns:a", "file:a", "[names]", '""'] };
    case "pair":
      return { good: ['"{}"', "$$", "ab"], bad: ["a", "abc", "{}", '"é"', '""'] };
    case "listen":
      return {
        good: ["g:3", '"*:65535"', '"[::1]:80"', "/a", "/a 0600", ...(type.none ? ["none"] : [])],
        bad: ["h", "h:0", "h:65536", "/a 0800", "/a 1777", `/${"x".repeat(107)}`, '"a b:1"', '""'],
      };
    case "server_address":
      return { good: ['"h:1"', '"[::1]:80"', "/a"], bad: ["h", '"*:1"', '"h:0"', '""', "/"] };
    case "cores":
      return {
        good: ["auto", "off", "0", "[0]", "[3, 1-2]", '"0-3,8"', "8191"],
        bad: ["none", "-1", "8192", "3-1", "1,", "[a]", "[[1]]", "[]", "{}", '""', "0x1"],
      };
    case "commands":
      return {
        good: ["GET", "[]", "[config set, DEBUG]", '"CONFIG|SET, JSON.GET"', "ft.search"],
        bad: ["'a b c'", '"a,"', "{}", "[[a]]", '""', "'a|'"],
      };
    case "texts":
      return { good: ["[]", "[a, b]"], bad: ["a", "{}", "[[a]]", '["a\\nb"]'] };
    // In place of `servers`, which these files have.
    case "urls":
      return {
        good: ['["http://127.0.0.1:2379"]', '["https://a:1", "http://[::1]:2/"]'],
        bad: ["http://a:1", "[]", "[a]", '["http://a:1/v3"]', '["http://u:p@a:1"]', "{}"],
      };
    case "networks":
      return {
        good: ["[10.0.0.0/8]", '["10.0.0.1", "2001:db8::/32"]'],
        bad: ["10.0.0.1", "[]", "[10.0.0.0/33]", "[example.org]", "[[10.0.0.1]]", "{}"],
      };
    case "zones":
      return {
        good: ["{}", "{ a: [10.0.1.0/24] }", '{ a: ["*.a.test", "::1"], b-2: [10.0.2.1] }'],
        bad: ["a", "[a]"],
      };
    case "nodes":
    case "names":
    case "route":
    case "modules":
    case "filters":
      return { good: [], bad: ["abc", "{}"] };
    case "group":
    case "pools":
    case "servers":
      return { good: [], bad: ["abc", "[]", '""'] };
  }
}

for (const form of FORMS) {
  describe(form, () => {
    for (const option of OPTIONS.filter((row) => row.forms.includes(form))) {
      // A second `pools` or `servers` in the file would be the mistake that is found.
      if (option.type.kind === "pools" || option.type.kind === "servers") continue;
      const { good, bad } = samples(option);
      test(`${option.where} ${option.name}`, () => {
        for (const value of good) {
          const { problems } = loadConfig(fileWith(option, form, value), "F");
          const errors = problems.filter((problem) => problem.severity === "error");
          expect([value, errors.map((problem) => formatProblem(problem, null))]).toEqual([
            value,
            [],
          ]);
        }
        for (const value of bad) {
          const { config, problems } = loadConfig(fileWith(option, form, value), "F");
          const found = problems.some((problem) => problem.path.endsWith(option.name));
          expect([value, config, found]).toEqual([value, null, true]);
        }
        expect(good.length + bad.length).toBeGreaterThan(0);
      });
    }
  });
}

test("a change of any option is seen by a reload, so each is read", () => {
  for (const form of FORMS) {
    for (const option of OPTIONS.filter((row) => row.forms.includes(form))) {
      const { good } = samples(option);
      if (good.length < 2) continue;
      const configs = good.map((value) => loadConfig(fileWith(option, form, value), "F").config!);
      const changes = configs.flatMap((config) => describeChanges(configs[0]!, config));
      expect([option.name, changes.length > 0]).toEqual([option.name, true]);
    }
  }
});

test("each key stands once in its map, and its help is one line", () => {
  const names = OPTIONS.map((option) => `${option.where}.${option.name}`);
  expect(new Set(names).size).toBe(names.length);
  for (const option of OPTIONS) expect(option.help).toMatch(/^[^\n]{10,}[.`)]$/);
});

test("defaults are valid, and mean themselves when written out", () => {
  for (const option of OPTIONS) {
    for (const form of FORMS) {
      const value = defaultValue(option, form);
      if (value === null) continue;
      const text = formatValue(option.type, value);
      expect([option.name, parseText(option, text)]).toEqual([option.name, { ok: true, value }]);
    }
  }
});

test("a key that a form does not know says what to write instead, if it is there for both", () => {
  for (const form of FORMS) {
    const known = OPTIONS.filter((row) => row.where === "pool" && row.forms.includes(form));
    const others = OPTIONS.filter((option) => option.where === "pool" && !known.includes(option));
    expect(others.length).toBeGreaterThan(0);
    for (const option of others) {
      const { problems } = loadConfig(fileWith(option, form, "true"), "F");
      expect(problems.map((problem) => problem.message).join()).toContain(
        `write ${option.instead}`,
      );
    }
  }
});

test("only passwords are secret", () => {
  expect(OPTIONS.filter((option) => option.secret).map((option) => option.name)).toEqual([
    "sentinel_password",
    "redis_auth",
  ]);
});
