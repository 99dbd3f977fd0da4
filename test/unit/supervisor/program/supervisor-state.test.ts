/** The state that supervisors leave to each other keeps the names that older programs write and read. */
import { expect, test } from "bun:test";
import { closeFd } from "../../../../src/os/fd.ts";
import {
  descriptorsOf,
  readState,
  type SupervisorState,
  writeState,
} from "../../../../src/supervisor/program/supervisor-state.ts";

const child = (pid: number, fd: number) => ({ pid, channel: { fd, unread: "", unsent: "" } });
const keeper = (pid: number, fd: number) => ({
  ...{ state: "serving", child: child(pid, fd), bornAtMs: 1, version: "0.1.0" },
  ...{ respawns: 0, lastDeath: null, leaveByMs: null },
});

/** As a program wrote it in which a generation was a crew, an accept source an intake and a wake-up socket a bell. */
const OLD = {
  ...{ format: 1, version: "0.1.0", startedAtMs: 1, programPath: "/proxy", isDaemon: false },
  config: {},
  listeners: [["127.0.0.1:22121", { fds: [10, 11] }]],
  stats: { fd: 12, layout: {} },
  crews: {
    ...{ births: 2, numbers: 1, leaving: [], listenerPlan: {}, notices: [] },
    serving: {
      ...{ number: 1, size: 1, runAs: null, acceptor: keeper(3, 20) },
      workers: [
        {
          ...{ index: 0, slot: 0, parcelFormats: [1, 2, 3], clients: 5, keeper: keeper(2, 13) },
          handover: { ours: 14, theirs: 15 },
        },
      ],
      intake: {
        connections: [{ ours: 16, theirs: 17 }],
        bells: [{ ours: 18, theirs: 19 }],
      },
    },
  },
  admin: keeper(4, 21),
  pidFile: { path: "/pid", fd: 22 },
  control: { fd: 23, file: { path: "/control" } },
  ...{ lastChange: null, postponed: null, caller: null },
  upgrade: { from: "a", to: "b", crew: { crew: 2, workers: 1, moved: 0, left: 0, lost: 0 } },
};

test("a state with the old words is read, with every descriptor that it names", () => {
  const fd = writeState(OLD as unknown as SupervisorState);
  const state = readState(fd);
  closeFd(fd);
  expect(state as unknown).toEqual(OLD);
  expect(descriptorsOf(state!).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 14 }, (_, i) => 10 + i),
  );
});
