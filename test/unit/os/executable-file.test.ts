import { afterAll, expect, test } from "bun:test";
import { chmodSync, closeSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openExecutable } from "../../../src/os/executable-file.ts";

const directory = mkdtempSync(join(tmpdir(), "executable-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(content: string | Buffer, mode = 0o755): string {
  const path = join(directory, `f${Math.random()}`);
  writeFileSync(path, content, { mode });
  return path;
}

function kindOf(path: string, isTrusted = false): string {
  const found = openExecutable(path, { isTrusted });
  if ("problem" in found) return found.problem;
  closeSync(found.fd);
  return found.kind;
}

test("programs of this machine and scripts are told apart", () => {
  expect(kindOf(process.execPath)).toBe("elf");
  expect(kindOf(file("#!/bin/sh\n"))).toBe("script");
});

test("everything else is refused with its reason", () => {
  expect(
    openExecutable(process.execPath, { machine: process.arch === "x64" ? "arm64" : "x64" }),
  ).toEqual({
    problem: expect.stringContaining(`it is for ${process.arch}, this is `),
  });
  const cases: [string, string][] = [
    [file(""), "is empty"],
    [file("hello"), "it is neither an ELF program nor a script"],
    [file("\x7fELF\x02"), "is cut short"],
    [file("#!/bin/sh\n", 0o644), "is not executable: chmod +x "],
    [directory, "is a directory"],
    ["/dev/null", "is not a regular file"],
    [join(directory, "none"), "does not exist"],
  ];
  for (const [path, problem] of cases) {
    expect(openExecutable(path)).toEqual({ problem: expect.stringContaining(problem) });
  }
});

test("what other users could change is refused with the reason, unless it is trusted", () => {
  const open = file("#!/bin/sh\n");
  chmodSync(open, 0o777);
  expect(kindOf(open)).toContain(`every user may write to file ${open} (mode 0777)`);
  expect(kindOf(open)).toContain("--trust");
  expect(kindOf(open, true)).toBe("script");
  const folder = join(directory, "open");
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  const inside = join(folder, "program");
  writeFileSync(inside, "#!/bin/sh\n", { mode: 0o755 });
  expect(kindOf(inside)).toContain(`every user may write to folder ${folder} (mode 0777)`);
  // Users may replace only what is their own there.
  chmodSync(folder, 0o1777);
  expect(kindOf(inside)).toBe("script");
});

test("a FIFO is not opened", () => {
  const fifo = join(directory, "fifo");
  expect(Bun.spawnSync(["mkfifo", "-m", "755", fifo]).exitCode).toBe(0);
  expect(kindOf(fifo)).toBe("is not a regular file");
});
