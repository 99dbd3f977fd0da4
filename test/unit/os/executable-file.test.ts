import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspectExecutable } from "../../../src/os/executable-file.ts";

const directory = mkdtempSync(join(tmpdir(), "executable-"));
afterAll(() => rmSync(directory, { recursive: true }));

function file(content: string | Buffer, mode = 0o755): string {
  const path = join(directory, `f${Math.random()}`);
  writeFileSync(path, content, { mode });
  return path;
}

test("programs of this machine and scripts are told apart", () => {
  expect(inspectExecutable(process.execPath)).toEqual({ kind: "elf" });
  expect(inspectExecutable(file("#!/bin/sh\n"))).toEqual({ kind: "script" });
});

test("everything else is refused with its reason", () => {
  expect(inspectExecutable(process.execPath, process.arch === "x64" ? "arm64" : "x64")).toEqual({
    problem: expect.stringContaining(`it is for ${process.arch}, this is `),
  });
  const cases: [string, string][] = [
    [file(""), "is empty"],
    [file("hello"), "it is no ELF program"],
    [file("\x7fELF\x02"), "is cut short"],
    [file("#!/bin/sh\n", 0o644), "is not executable: chmod +x "],
    [directory, "is a directory"],
    ["/dev/null", "is not a regular file"],
    [join(directory, "none"), "does not exist"],
  ];
  for (const [path, problem] of cases) {
    expect(inspectExecutable(path)).toEqual({ problem: expect.stringContaining(problem) });
  }
});
