// `npm test`: sets up, builds, lints, checks types, runs every test. The last line printed is "N passed, N failed".
//
// What depends on sockets most runs twice, see engine-passes.mjs.
//
// `npm test -- differential faults` runs only the test files whose path contains one of the words (no lint, no types).
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { enginePasses } from "./engine-passes.mjs";
import { judge, readJunit } from "./junit.mjs";
import {
  BINARY,
  BUN,
  checkNode,
  filesUnder,
  installPackages,
  installTestPrograms,
  printProblem,
  ROOT,
  runVisibly,
  SetupError,
} from "./setup.mjs";

const TEST_TIMEOUT_MS = 120_000;
const PARALLEL_MAX = 4;

const total = { passed: 0, failed: 0 };
try {
  await main(process.argv.slice(2));
} catch (error) {
  printProblem(error);
  total.failed += 1;
}
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

async function main(filters) {
  const flag = filters.find((filter) => filter.startsWith("-"));
  if (flag !== undefined) {
    throw new SetupError(`"${flag}" is not understood. Usage: npm test [-- part-of-a-file-name …]`);
  }
  checkNode();
  installPackages();
  installTestPrograms();
  const built = gate("build", BUN, ["build.ts"]);
  if (filters.length === 0) {
    gate("lint", join(ROOT, "node_modules/.bin/biome"), ["check", "--max-diagnostics=50", "."]);
    gate("types", join(ROOT, "node_modules/.bin/tsc"), ["--noEmit"]);
    gate("types of the page", join(ROOT, "node_modules/.bin/tsc"), ["--noEmit", "-p", "src/page"]);
  }
  if (!built) {
    console.log("tests: not run, because the build failed");
    return;
  }
  await runTests(filters);
}

/** One check of the whole tree; counts as one passed or one failed. */
function gate(name, command, args) {
  console.log(`\n== ${name}`);
  const code = runVisibly(command, args);
  console.log(`${name}: ${code === 0 ? "passed" : `FAILED with exit code ${code}`}`);
  if (code === 0) total.passed += 1;
  else total.failed += 1;
  return code === 0;
}

async function runTests(filters) {
  const files = filesUnder("test").filter(
    (file) =>
      /\.test\.(ts|mjs)$/.test(file) &&
      (filters.length === 0 || filters.some((filter) => file.includes(filter))),
  );
  for (const pass of enginePasses(files, process.env["PROXY_ENGINE"])) await runPass(pass);
}

async function runPass({ title, files, environment }) {
  console.log(`\n== ${title}: ${files.length} files`);
  const scratch = mkdtempSync(join(tmpdir(), "proxy-test-"));
  try {
    const report = join(scratch, "junit.xml");
    const exitCode = files.length === 0 ? 1 : await runBunTest(files, report, environment);
    const verdict = judge(readJunit(report), files, exitCode);
    for (const problem of verdict.problems) console.log(`FAILED ${problem}`);
    for (const name of verdict.skipped) console.log(`skipped ${name}`);
    console.log(
      `${title}: ${verdict.passed} passed, ${verdict.failed} failed, ${verdict.skipped.length} skipped`,
    );
    total.passed += verdict.passed;
    total.failed += verdict.failed;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Every file in a process of its own, so that a crash costs one file and is seen; resolves to the exit code. */
function runBunTest(files, report, environment) {
  const parallel = Math.min(PARALLEL_MAX, Math.max(1, cpus().length));
  const args = [
    "test",
    `--parallel=${parallel}`,
    `--timeout=${TEST_TIMEOUT_MS}`,
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    ...files.map((file) => `./${file}`),
  ];
  const child = spawn(BUN, args, {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    env: { PROXY_POISON: "1", ...process.env, ...environment, PROXY_BINARY: BINARY },
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.on("error", () => resolve(127));
    child.on("exit", (code) => resolve(code ?? 128));
  });
}
