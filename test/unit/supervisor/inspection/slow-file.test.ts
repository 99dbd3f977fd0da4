/** The slow log's own file. */
import { expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SlowRequest } from "../../../../src/api/inspection.ts";
import { SlowFile } from "../../../../src/supervisor/inspection/slow-file.ts";
import { SlowLog } from "../../../../src/supervisor/inspection/slow-log.ts";

function request(key: string | null, name = "shop"): SlowRequest {
  return {
    ...{ pool: "main", client: 7, address: "127.0.0.1:5000", name, user: "default" },
    ...{ command: "GET", key, requests: 1, totalUs: 31_044, server: "cache3", queueUs: 120 },
    ...{ serverUs: null, requestBytes: 26, replyBytes: 104, failure: null, agoFromMs: 0 },
  };
}

function inDirectory(act: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "slow-file-"));
  try {
    act(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("each request is a line, as pairs or as JSON; a file that was moved away is made anew", () => {
  inDirectory((directory) => {
    const path = join(directory, "slow.log");
    const file = new SlowFile();
    const log = new SlowLog(undefined, file);
    const add = (...requests: SlowRequest[]): void =>
      log.add("worker/1", requests, { missed: 0, workerNowMs: 0 });
    add(request("before"));
    file.follow({ slowFile: path });
    add(request("user:7"), request(null, 'a "b"\n2026 error forged'));
    const lines = readFileSync(path, "latin1").trimEnd().split("\n");
    expect(lines.length).toBe(2);
    expect(lines[0]).toMatch(
      /^\S+Z info supervisor slow request at=\S+Z pool=main command=GET key=user:7 total_us=31044 queue_us=120 server=cache3 requests=1 request_bytes=26 reply_bytes=104 client=7 address=127\.0\.0\.1:5000 name=shop user=default worker=worker\/1 number=2 event=slow_request$/,
    );
    expect(lines[1]).toContain('name="a \\"b\\"\\n2026 error forged"');
    expect(lines[1]).not.toContain("key=");
    // It names keys.
    expect(statSync(path).mode & 0o007).toBe(0);
    renameSync(path, `${path}.1`);
    file.reopen();
    file.follow({ slowFile: path, format: "json" });
    add(request("later"));
    expect(JSON.parse(readFileSync(path, "latin1"))).toMatchObject({
      ...{ event: "slow_request", key: "later", total_us: 31_044, number: 4 },
    });
    file.follow({ slowFile: null });
    add(request("unwritten"));
    expect(readFileSync(path, "latin1")).not.toContain("unwritten");
    expect(readFileSync(`${path}.1`, "latin1").split("\n").length).toBe(3);
    expect(log.read({ after: 0, count: 10, pool: null }).entries.length).toBe(5);
  });
});

test("what cannot be opened is told, and the file before stays in use", () => {
  inDirectory((directory) => {
    const path = join(directory, "slow.log");
    const file = new SlowFile();
    const log = new SlowLog(undefined, file);
    file.follow({ slowFile: path });
    mkdirSync(join(directory, "folder"));
    expect(() => file.follow({ slowFile: join(directory, "folder") })).toThrow("cannot open");
    symlinkSync("nowhere/at/all", join(directory, "link"));
    expect(() => file.follow({ slowFile: join(directory, "link") })).toThrow("cannot open");
    log.add("worker/0", [request("still")], { missed: 0, workerNowMs: 0 });
    expect(readFileSync(path, "latin1")).toContain("key=still");
  });
});
