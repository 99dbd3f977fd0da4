/** The `check` verb as a process, and what it makes of a configuration. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const GOOD = `pools:
  alpha:
    listen: 127.0.0.1:22121
    hash_tag: "{}"
    redis_auth: geheim
    timeout: 400ms
    servers:
      - 127.0.0.1:7001:1 one
      - 127.0.0.1:7002:3 two
  beta: { listen: /tmp/b.sock 0660, distribution: modula, servers: ["h:1:1 a", "h:2:3 b"] }
  gamma: { listen: "h:3", distribution: random, servers: ["h:1:1 a", "h:2:3 b"] }
`;

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "check-"));
  writeFileSync(join(directory, "good.yaml"), GOOD);
  writeFileSync(
    join(directory, "bad.yaml"),
    GOOD.replace("hash_tag", "hashtag").replace("400ms", "x"),
  );
  writeFileSync(
    join(directory, "odd.yml"),
    "a:\n  listen: h:2\n  client_connections: 5\n  servers:\n  - h:1:1\n",
  );
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `code`, with the module's exports as `verb` and citty's `runCommand` in scope, in the directory. */
function run(code: string, wrapper: readonly string[] = []): Run {
  const check = new URL("../../../src/cli/check.ts", import.meta.url).pathname;
  const citty = Bun.resolveSync("citty", import.meta.dir);
  const script = `import * as verb from ${JSON.stringify(check)}; import { runCommand } from ${JSON.stringify(citty)}; ${code}`;
  const result = Bun.spawnSync([...wrapper, process.execPath, "-e", script], {
    cwd: directory,
    stdout: "pipe",
    stderr: "pipe",
  });
  return { code: result.exitCode, out: result.stdout.toString(), err: result.stderr.toString() };
}

function check(...rawArgs: string[]): Run {
  return run(`await runCommand(verb.checkCommand, { rawArgs: ${JSON.stringify(rawArgs)} });`);
}

/** With at most 1024 open files. */
function limited(...rawArgs: string[]): Run {
  const code = `await runCommand(verb.checkCommand, { rawArgs: ${JSON.stringify(rawArgs)} });`;
  return run(code, ["prlimit", "--nofile=1024:1024"]);
}

test("a right file: what it comes to, exit code 0", () => {
  const { code, out, err } = check("-c", "good.yaml");
  expect([code, err]).toEqual([0, ""]);
  expect(out).toStartWith("good.yaml: ok, native form\n");
  for (const line of [
    "pool alpha\n",
    "protocol     redis, redis_auth (set)\n",
    "placement    ketama, fnv1a_64, hash tag {}\n",
    "timeouts     request 400ms, connect 1s\n",
    "listen       /tmp/b.sock 0660, backlog 512\n",
  ]) {
    expect(out).toContain(line);
  }
  expect(out).toMatch(/ {2}two +127\.0\.0\.1:7002 +3 +7\d\.\d\d%\n/);
  expect(out).not.toContain("geheim");
});

test("a wrong file: every problem on stderr, exit code 1", () => {
  const { code, out, err } = check("--config=bad.yaml");
  expect([code, out]).toEqual([1, "bad.yaml: 2 errors, nothing would start\n"]);
  expect(err).toContain(
    'bad.yaml:4:5: pool "alpha": unknown key "hashtag"; did you mean "hash_tag"?\n',
  );
  expect(err).toContain('bad.yaml:6:14: pool "alpha": timeout: ');
});

test("a warning does not make a file wrong", () => {
  const { code, err } = check("-c", "odd.yml");
  expect([code, err]).toEqual([
    0,
    'odd.yml:3:23: warning: pool "a": client_connections takes effect here; nutcracker ignores it\n',
  ]);
});

test("--json", () => {
  const good = check("-c", "good.yaml", "--json");
  const { ok, problems, config } = JSON.parse(good.out);
  expect([good.code, ok, problems]).toEqual([0, true, []]);
  const shares = config.pools.map((pool: { servers: { share: number }[] }) =>
    pool.servers.map((server) => server.share),
  );
  expect(shares[1]).toEqual([0.25, 0.75]);
  expect(shares[2]).toEqual([0.5, 0.5]);
  expect(config.pools[0].options.redis_auth).toBe("(set)");
  const bad = check("-c", "bad.yaml", "--json");
  const said = JSON.parse(bad.out);
  expect([bad.code, bad.err, said.ok, said.config, said.problems.length]).toEqual([
    1,
    "",
    false,
    null,
    2,
  ]);
  expect(said.problems[0]).toMatchObject({
    file: "bad.yaml",
    line: 4,
    column: 5,
    path: "pools.alpha.hashtag",
    severity: "error",
  });
});

test("file descriptors: the arithmetic, and a warning when there are too few", () => {
  const many = "check-many.yaml";
  writeFileSync(
    join(directory, many),
    "pools:\n  a:\n    listen: h:9\n    server_connections: 65535\n    servers: ['h:1:1', 'h:2:1']\n",
  );
  const { code, out } = limited("-c", many);
  expect(code).toBe(0);
  expect(out).toMatch(
    /open files +\d+ in each worker: 64 of its own \+ \d+ server connections .* \+ \d+ clients\n/,
  );
  expect(out).toContain("or lower server_connections");
  expect(out).toMatch(/ connections +\d+ per server and worker, of 65535 configured\n/);
  const { descriptors } = JSON.parse(limited("-c", many, "--json").out);
  const { openFiles, reserved, servers, lent, clients, shortage, serversWanted } = descriptors;
  expect(reserved + servers + lent + clients).toBe(openFiles);
  expect(serversWanted).toBe(131_070);
  expect(shortage).toContain("raise it to 262204 or more (LimitNOFILE=, ulimit -n)");
  expect(JSON.parse(check("-c", "good.yaml", "--json").out).descriptors.shortage).toBe(null);
});

test("a file that is not there, and none at all", () => {
  const missing = check("-c", "missing.yaml");
  expect([missing.code, missing.err]).toEqual([
    1,
    "missing.yaml: cannot read the configuration file: there is no such file\n",
  ]);
  expect(JSON.parse(check("-c", "missing.yaml", "--json").out).error).toContain("no such file");
  expect(check("-c", directory).err).toContain("it is a directory");
});

test("nutcracker's -t", () => {
  const testFile = (name: string): Run =>
    run(`process.exitCode = await verb.testConfigFile(${JSON.stringify(name)});`);
  expect(testFile("good.yaml")).toEqual({
    code: 0,
    out: "",
    err: "proxy: configuration file 'good.yaml' syntax is ok\n",
  });
  const bad = testFile("bad.yaml");
  expect(bad.code).toBe(1);
  expect(bad.err.split("\n").at(-2)).toBe("proxy: configuration file 'bad.yaml' syntax is invalid");
  expect(bad.err.split("\n")).toHaveLength(4);
});
