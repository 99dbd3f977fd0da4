/** What `proxy module init` writes is right, and is what the modules of contrib are written against. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { modulesRig } from "../../support/modules-rig.ts";
import { proxyCommand } from "../../support/proxy-process.ts";
import { makeDirectory } from "../../support/server-process.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(60_000);

const ROOT = join(import.meta.dir, "../../..");
const TSC = join(ROOT, "node_modules/.bin/tsc");
const CONTRIB = join(ROOT, "contrib/modules");
const STRICT = [
  "--ignoreConfig",
  "--allowImportingTsExtensions",
  "--noEmit",
  "--strict",
  "--target",
  "esnext",
  "--module",
  "preserve",
  "--lib",
  "esnext",
];

function run(folder: string, ...command: string[]): { code: number; said: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd: folder });
  return { code: exitCode, said: `${stderr}${stdout}` };
}

test("the types in the executable are those beside the modules of contrib", () => {
  expect(readFileSync(join(ROOT, "src/modules/proxy-module.txt"), "utf8")).toBe(
    readFileSync(join(CONTRIB, "proxy-module.d.ts"), "utf8"),
  );
});

test("a module that was begun is right as it is, for the compiler and for proxy check", () => {
  const folder = makeDirectory("module-init");
  const begun = run(folder, ...proxyCommand(), "module", "init", "mine");
  expect([begun.code, begun.said.includes("mine.ts is a filter")]).toEqual([0, true]);
  expect(run(folder, TSC, ...STRICT, "mine.ts", "proxy-module.d.ts")).toEqual({
    code: 0,
    said: "",
  });
  // It is there to refuse keys, also while it fails.
  expect(readFileSync(join(folder, "mine.ts"), "utf8")).toContain('whenBroken: "refuse"');
  const pool = 'listen: h:1, servers: ["h:2:1"], filters: [mine: { prefixes: [a] }]';
  writeFileSync(join(folder, "p.yaml"), `modules: [./mine.ts]\npools:\n  p: { ${pool} }\n`);
  const checked = run(folder, ...proxyCommand(), "check", "-c", "p.yaml");
  expect([checked.code, checked.said.includes("mine, prefixes [a]")]).toEqual([0, true]);
  const again = run(folder, ...proxyCommand(), "module", "init", "mine");
  expect([again.code, again.said]).toEqual([
    1,
    "proxy: mine.ts cannot be written: it exists and is left as it is\n",
  ]);
  expect(run(folder, ...proxyCommand(), "module", "init", "../x").code).toBe(2);
  expect(run(folder, ...proxyCommand(), "module", "grow", "x").code).toBe(2);
});

test("a protocol that was begun is right as it is, too", () => {
  const folder = makeDirectory("module-init");
  const begun = run(folder, ...proxyCommand(), "module", "init", "kv", "--protocol");
  expect([begun.code, begun.said.includes("kv.ts is a protocol")]).toEqual([0, true]);
  expect(run(folder, TSC, ...STRICT, "kv.ts", "proxy-module.d.ts")).toEqual({ code: 0, said: "" });
  const pool = 'listen: h:1, servers: ["h:2:1"], protocol: kv';
  writeFileSync(join(folder, "p.yaml"), `modules: [./kv.ts]\npools:\n  p: { ${pool} }\n`);
  expect(run(folder, ...proxyCommand(), "check", "-c", "p.yaml").code).toBe(0);
  writeFileSync(
    join(folder, "kv.cases.ts"),
    `import { cases } from "proxy/module/test";
     import kv from "./kv.ts";
     export default cases(kv, { servers: 1 }, { "a key goes to its server": [
       { client: "get user:1\\r\\n", serverSees: "get user:1\\r\\n" },
       { serverSays: ["1\\r\\n"], clientSees: "1\\r\\n" },
     ] });`,
  );
  expect(run(folder, ...proxyCommand(), "module", "test", "kv.cases.ts")).toEqual({
    code: 0,
    said: "3 passed, 0 failed\n",
  });
});

test("what a module in error may define is not called unknown", () => {
  const folder = makeDirectory("module-init");
  writeFileSync(join(folder, "kv.ts"), 'import "nopkg";\n');
  writeFileSync(
    join(folder, "p.yaml"),
    [
      "modules: [./kv.ts]",
      "pools:",
      '  p: { listen: "h:1", servers: ["h:2:1"], protocol: kv, max_key: 7 }',
      '  q: { listen: "h:3", servers: ["h:2:1"], filters: [guard], tiemout: 400 }',
      "",
    ].join("\n"),
  );
  const { code, said } = run(folder, ...proxyCommand(), "check", "-c", "p.yaml");
  expect(code).toBe(1);
  expect(said).toContain('Could not resolve: "nopkg": packages are looked for in node_modules');
  expect(said).toContain('pool "q": unknown key "tiemout"');
  expect(said).toContain("2 errors");
});

test("cases of a module are run whole, byte by byte and with hand-overs", () => {
  // A copy that other users may not change.
  const { folder, write } = modulesRig();
  const command = [...proxyCommand(), "module", "test"];
  expect(run(folder, ...command, "deny.cases.ts")).toEqual({
    code: 0,
    said: "9 passed, 0 failed\n",
  });
  expect(run(folder, ...command, "beanstalk.cases.ts")).toEqual({
    code: 0,
    said: "9 passed, 0 failed\n",
  });
  expect(run(folder, ...command, "echo.cases.ts")).toEqual({
    code: 0,
    said: "3 passed, 0 failed\n",
  });
  // It takes each piece for a line, and forgets what it counted when the client moves.
  write(
    "lines.cases.ts",
    `import { defineProtocol } from "proxy/module";
     import { cases } from "proxy/module/test";
     const lines = defineProtocol({ api: 1, name: "lines", connection(c) {
       let count = 0;
       return { bytes: () => c.write(String(++count)) };
     } });
     export default cases(lines, {}, { "counts": [
       { client: "a\\n", clientSees: "1" }, { client: "b\\n", clientSees: "2" },
     ] });`,
  );
  expect(run(folder, ...command, "lines.cases.ts")).toEqual({
    code: 1,
    said:
      'counts, byte by byte: step 1: the client sees "12" instead of "1"\n' +
      'counts, with hand-overs: step 2: the client sees "1" instead of "2"\n1 passed, 2 failed\n',
  });
});

test("what is mistyped in cases is said in one line", () => {
  const { folder, write } = modulesRig();
  const faultOf = (settings: string, step: string): string => {
    write(
      "typo.cases.ts",
      `import { cases } from "proxy/module/test";
       import deny from "./deny.ts";
       export default cases(deny, ${settings}, { "one": [${step}] });`,
    );
    const { code, said } = run(folder, ...proxyCommand(), "module", "test", "typo.cases.ts");
    expect([code, said]).toEqual([1, expect.not.stringContaining("    at ")]);
    return said.split("\n")[0]!.replace(/^.*typo.cases.ts: /, "");
  };
  expect(faultOf('{ options: { prefixs: ["a"] } }', "{}")).toBe(
    'the options of the cases have an unknown key "prefixs"; did you mean "prefixes"?',
  );
  expect(faultOf("{ option: {} }", "{}")).toBe(
    'the settings have an unknown key "option"; did you mean "options"?',
  );
  expect(faultOf("{}", "{ clientsees: 'x' }")).toBe(
    'one, whole: step 1: unknown key "clientsees"; did you mean "clientSees"?',
  );
  expect(faultOf("(() => { throw new Error('early'); })()", "{}")).toBe(
    "importing it fails: early",
  );
});

test("the modules of contrib are right for the compiler", () => {
  const names = [...new Glob("*.ts").scanSync(CONTRIB)];
  expect(run(CONTRIB, TSC, ...STRICT, ...names)).toEqual({
    code: 0,
    said: "",
  });
});
