/** Scripts and functions over servers that forget them. */
import { describe, expect, test } from "bun:test";
import { FakePeers } from "../../../../../support/fake-peers.ts";
import { failureOf, multibulk } from "../../../../client/session-rig.ts";
import { bulk, NO_FUNCTION, NO_SCRIPT, scriptRig, shaOf } from "./rig.ts";

const ONE = "return 1";
const CALL = ["EVALSHA", shaOf(ONE), "1", "a1"];

describe("where calls go", () => {
  test("to the server of their keys, all of which must be on one", async () => {
    const rig = scriptRig(3);
    expect(await rig.reply("EVAL", ONE, "2", "a1", "b1", "arg2")).toBe(":1\r\n");
    expect(rig.asked(1)).toEqual([`EVAL ${ONE} 2 a1 b1 arg2`]);
    expect(await rig.reply("EVALSHA", shaOf(ONE), "2", "a1", "b2")).toStartWith("-CROSSSLOT ");
    expect(await rig.reply("FCALL", "f", "2", "a1", "b2")).toStartWith("-CROSSSLOT ");
  });

  test("without keys, or with a wrong number of them, to one and the same", async () => {
    const rig = scriptRig(3);
    await rig.reply("EVAL", ONE, "0");
    await rig.reply("EVAL", ONE, "x", "a1");
    await rig.reply("EVALSHA_RO", "short", "9");
    await rig.reply("FCALL", "f", "0");
    expect(rig.asked(0)).toEqual([
      `EVAL ${ONE} 0`,
      `EVAL ${ONE} x a1`,
      "EVALSHA_RO short 9",
      "FCALL f 0",
    ]);
  });
});

describe("scripts", () => {
  test("SCRIPT LOAD goes to all; nothing is loaded twice", async () => {
    const rig = scriptRig(2);
    expect(await rig.reply("SCRIPT", "LOAD", ONE)).toBe(bulk(shaOf(ONE)));
    rig.ask("EVALSHA", shaOf(ONE), "1", "a0");
    rig.ask("EVALSHA", shaOf(ONE).toUpperCase(), "1", "a1");
    expect(await rig.reply("EVALSHA", shaOf(ONE), "1", "a1")).toBe(":1\r\n:1\r\n:1\r\n");
    expect(rig.asked(1)).toHaveLength(3);
  });

  test("a server that was started anew gets the script before the first call, once", async () => {
    const rig = scriptRig(2);
    await rig.reply("SCRIPT", "LOAD", ONE);
    rig.asked(1);
    rig.memories[1]!.scripts.clear();
    rig.upstreams[1]!.incarnation++;
    const requests = [["GET", "a1"], CALL, CALL, ["SET", "a1", "1"]];
    rig.input(requests.map(multibulk).join(""));
    await rig.settle();
    expect(rig.stream.output).toEndWith("\r\n+OK\r\n:1\r\n:1\r\n+OK\r\n");
    const call = `EVALSHA ${shaOf(ONE)} 1 a1`;
    expect(rig.asked(1)).toEqual(["GET a1", `SCRIPT LOAD ${ONE}`, call, call, "SET a1 1"]);
    await rig.reply("EVALSHA", shaOf(ONE), "1", "a1");
    expect(rig.asked(1)).toEqual([call]);
  });

  test("a call waits when the load before it has taken the last room", async () => {
    const rig = scriptRig(2);
    await rig.reply("SCRIPT", "LOAD", ONE);
    rig.upstreams[1]!.incarnation++;
    const connection = rig.connections[1]!;
    const send = connection.send.bind(connection);
    connection.send = (...request) => {
      send(...request);
      connection.isFull = true;
    };
    rig.asked(1);
    const before = rig.stream.output.length;
    rig.input(multibulk(CALL), multibulk(["SET", "a1", "1"]));
    await rig.settle();
    expect(rig.stream.output.substring(before)).toBe(":1\r\n+OK\r\n");
    const call = `EVALSHA ${shaOf(ONE)} 1 a1`;
    expect(rig.asked(1)).toEqual([`SCRIPT LOAD ${ONE}`, call, "SET a1 1"]);
  });

  test("a load that could not be done is tried again before the next call", async () => {
    const rig = scriptRig(1);
    await rig.reply("SCRIPT", "LOAD", ONE);
    rig.upstreams[0]!.incarnation++;
    const { answer } = rig.memories[0]!;
    rig.memories[0]!.answer = () => "-BUSY Redis is busy running a script.\r\n";
    expect(await rig.reply("EVALSHA", shaOf(ONE), "0")).toStartWith("-BUSY ");
    rig.memories[0]!.answer = answer;
    rig.asked(0);
    await rig.reply("EVALSHA", shaOf(ONE), "0");
    expect(rig.asked(0)).toEqual([`SCRIPT LOAD ${ONE}`, `EVALSHA ${shaOf(ONE)} 0`]);
  });

  test("lost behind the proxy's back: asked for, loaded, and called again", async () => {
    const rig = scriptRig(1);
    await rig.reply("SCRIPT", "LOAD", ONE);
    rig.memories[0]!.scripts.clear();
    rig.asked(0);
    expect(await rig.reply("EVALSHA", shaOf(ONE), "1", "a0")).toBe(":1\r\n");
    const call = `EVALSHA ${shaOf(ONE)} 1 a0`;
    expect(rig.asked(0)).toEqual([call, `SCRIPT EXISTS ${shaOf(ONE)}`, `SCRIPT LOAD ${ONE}`, call]);
  });

  test("a script that itself says so is not run twice", async () => {
    const rig = scriptRig(1);
    await rig.reply("SCRIPT", "LOAD", ONE);
    rig.asked(0);
    expect(await rig.reply("EVALSHA", shaOf(ONE), "0", "says so")).toBe(NO_SCRIPT);
    expect(rig.asked(0).filter((text) => text.startsWith("EVALSHA"))).toHaveLength(1);
  });

  test("with requests behind it a call is not repeated, but the next one finds the script", async () => {
    const call = ["EVALSHA", shaOf(ONE), "1", "a0"];
    const other = ["EVALSHA", shaOf("other"), "1", "a0"];
    for (const calls of [[call], [call, call, call], [call, ["SET", "a0", "1"], other]]) {
      const rig = scriptRig(1);
      await rig.reply("SCRIPT", "LOAD", ONE);
      rig.memories[0]!.scripts.clear();
      for (const args of calls) rig.ask(...args);
      const replies = calls.map(([name]) => (name === "SET" ? "+OK\r\n" : NO_SCRIPT)).join("");
      expect(await rig.reply("SET", "a0", "1")).toBe(`${replies}+OK\r\n`);
      rig.ask(...call);
      expect(await rig.reply("SET", "a0", "1")).toBe(":1\r\n+OK\r\n");
    }
  });

  test("a request that comes while the server is asked prevents the repetition", async () => {
    const rig = scriptRig(1);
    await rig.reply("SCRIPT", "LOAD", ONE);
    rig.memories[0]!.scripts.clear();
    rig.ask("EVALSHA", shaOf(ONE), "1", "a0");
    await rig.turn();
    rig.connections[0]!.answer(1);
    expect(await rig.reply("GET", "a0")).toBe(`${NO_SCRIPT}+OK\r\n`);
    expect(await rig.reply("EVALSHA", shaOf(ONE), "1", "a0")).toBe(":1\r\n");
  });

  test("the server is lost while it is asked, or while it loads: exactly one reply", async () => {
    for (const lost of ["SCRIPT EXISTS", "SCRIPT LOAD", "EVALSHA"]) {
      const rig = scriptRig(1);
      await rig.reply("SCRIPT", "LOAD", ONE);
      const memory = rig.memories[0]!;
      memory.scripts.clear();
      const answer = memory.answer.bind(memory);
      let calls = 0;
      memory.answer = (args) => {
        if (args[0] === "EVALSHA") calls++;
        const text = args.join(" ");
        const isLost = text.startsWith(lost) && (lost !== "EVALSHA" || calls > 1);
        return isLost ? (null as unknown as string) : answer(args);
      };
      const reply = await rig.reply("EVALSHA", shaOf(ONE), "1", "a0");
      const wanted = {
        "SCRIPT EXISTS": NO_SCRIPT,
        "SCRIPT LOAD": NO_SCRIPT,
        EVALSHA: `-ERR ${failureOf(0).text}\r\n`,
      };
      expect([lost, reply]).toEqual([lost, wanted[lost as keyof typeof wanted]]);
      expect(rig.session.owed).toBe(0);
    }
  });

  test("an unknown script is unknown, in Redis's words", async () => {
    const rig = scriptRig(2);
    expect(await rig.reply("EVALSHA", shaOf("other"), "1", "a1")).toBe(NO_SCRIPT);
    expect(rig.asked(1)).toEqual([`EVALSHA ${shaOf("other")} 1 a1`]);
  });

  test("over one server an EVAL after NOSCRIPT is remembered, another is not", async () => {
    const rig = scriptRig(1);
    await rig.reply("EVAL", ONE, "0");
    rig.memories[0]!.scripts.clear();
    expect(await rig.reply("EVALSHA", shaOf(ONE), "0")).toBe(NO_SCRIPT);
    await rig.reply("EVAL", ONE, "0");
    rig.memories[0]!.scripts.clear();
    expect(await rig.reply("EVALSHA", shaOf(ONE), "0")).toBe(":1\r\n");
  });

  test("over several, what one has run is there on all; a call with a wrong number of keys was not run", async () => {
    const rig = scriptRig(2);
    await rig.reply("EVAL", ONE, "1", "a0");
    expect(await rig.reply("EVALSHA", shaOf(ONE), "1", "a1")).toBe(":1\r\n");
    expect(await rig.reply("SCRIPT", "EXISTS", shaOf(ONE), shaOf("x"))).toBe("*2\r\n:1\r\n:0\r\n");
    await rig.reply("EVAL", "return 2", "7", "a0");
    expect(await rig.reply("EVALSHA", shaOf("return 2"), "1", "a1")).toBe(NO_SCRIPT);
  });

  test("SCRIPT EXISTS: what is remembered is there, also on a server that was started anew", async () => {
    const rig = scriptRig(2);
    await rig.reply("SCRIPT", "LOAD", ONE);
    rig.memories[1]!.scripts.clear();
    rig.upstreams[1]!.incarnation++;
    expect(await rig.reply("SCRIPT", "EXISTS", shaOf(ONE))).toBe("*1\r\n:1\r\n");
  });

  test("SCRIPT FLUSH forgets, whatever is still on its way", async () => {
    const rig = scriptRig(2);
    rig.ask("SCRIPT", "LOAD", ONE);
    rig.ask("EVALSHA", shaOf(ONE), "1", "a0");
    rig.ask("SCRIPT", "FLUSH");
    expect(await rig.reply("EVALSHA", shaOf(ONE), "1", "a0")).toBe(
      `${bulk(shaOf(ONE))}:1\r\n+OK\r\n${NO_SCRIPT}`,
    );
    expect(await rig.reply("EVALSHA", shaOf(ONE), "1", "a1")).toBe(NO_SCRIPT);
  });

  test("a FLUSH that is none forgets nothing", async () => {
    const rig = scriptRig(1);
    await rig.reply("SCRIPT", "LOAD", ONE);
    await rig.reply("SCRIPT", "FLUSH", "NOW");
    rig.memories[0]!.scripts.clear();
    expect(await rig.reply("EVALSHA", shaOf(ONE), "0")).toBe(":1\r\n");
  });

  test("SCRIPT LOAD does without a server that is down: it gets the script later", async () => {
    const rig = scriptRig(2);
    rig.connections[1]!.refusal = { kind: "refused", wasSent: false, text: "Connection refused" };
    expect(await rig.reply("SCRIPT", "LOAD", ONE)).toBe(bulk(shaOf(ONE)));
    rig.connections[1]!.refusal = null;
    expect(await rig.reply("EVALSHA", shaOf(ONE), "1", "a1")).toBe(":1\r\n");
    for (const { refusal } of rig.connections) expect(refusal).toBe(null);
    const long = "x".repeat(2 * 1024 * 1024);
    rig.connections[1]!.refusal = { kind: "refused", wasSent: false, text: "Connection refused" };
    expect(await rig.reply("SCRIPT", "LOAD", long)).toBe("-ERR Connection refused\r\n");
  });

  test("an error is passed on, and what has it is not remembered", async () => {
    const rig = scriptRig(2);
    expect(await rig.reply("SCRIPT", "LOAD", "broken")).toBe("-ERR Error compiling script\r\n");
    expect(await rig.reply("EVALSHA", shaOf("broken"), "1", "a1")).toBe(NO_SCRIPT);
    expect(rig.asked(1)).toEqual(["SCRIPT LOAD broken", `EVALSHA ${shaOf("broken")} 1 a1`]);
  });
});

describe("functions", () => {
  const F = "#!lua name=f";
  const G = "#!lua name=g";

  test("a server that lost them gets all of them before the first call", async () => {
    const rig = scriptRig(2);
    expect(await rig.reply("FUNCTION", "LOAD", F)).toBe(bulk("f"));
    expect(await rig.reply("FUNCTION", "LOAD", "REPLACE", G)).toBe(bulk("g"));
    const [first, list, second] = rig.asked(1);
    expect([first, second]).toEqual([`FUNCTION LOAD ${F}`, `FUNCTION LOAD REPLACE ${G}`]);
    expect(list).toBe("FUNCTION LIST WITHCODE");
    expect(await rig.reply("FCALL", "f", "1", "a1")).toBe(":1\r\n");
    expect(rig.asked(1)).toEqual(["FCALL f 1 a1"]);
    rig.memories[1]!.libraries.clear();
    rig.upstreams[1]!.incarnation++;
    rig.ask("FCALL", "F", "1", "a1");
    expect(await rig.reply("FCALL_RO", "g", "1", "a1")).toBe(":1\r\n+OK\r\n");
    const loads = [`FUNCTION LOAD ${F}`, `FUNCTION LOAD ${G}`];
    expect(rig.asked(1)).toEqual([...loads, "FCALL F 1 a1", "FCALL_RO g 1 a1"]);
  });

  test("what a server still has is left as it is", async () => {
    const rig = scriptRig(1);
    await rig.reply("FUNCTION", "LOAD", F);
    rig.upstreams[0]!.incarnation++;
    expect(await rig.reply("FCALL", "f", "0")).toBe(":1\r\n");
    rig.asked(0);
    expect(await rig.reply("FCALL", "f", "0")).toBe(":1\r\n");
    expect(rig.asked(0)).toEqual(["FCALL f 0"]);
  });

  test("lost behind the proxy's back: asked for, loaded, and called again; unknown ones are unknown", async () => {
    const rig = scriptRig(1);
    await rig.reply("FUNCTION", "LOAD", F);
    rig.memories[0]!.libraries.clear();
    expect(await rig.reply("FCALL", "f", "0")).toBe(":1\r\n");
    rig.asked(0);
    expect(await rig.reply("FCALL", "h", "0")).toBe(NO_FUNCTION);
    expect(rig.asked(0)).toEqual(["FCALL h 0"]);
  });

  test("DELETE forgets one, FLUSH all", async () => {
    const rig = scriptRig(2);
    for (const code of [F, G]) await rig.reply("FUNCTION", "LOAD", code);
    expect(await rig.reply("FUNCTION", "DELETE", "f")).toBe("+OK\r\n");
    rig.asked(1);
    expect(await rig.reply("FCALL", "f", "1", "a1")).toBe(NO_FUNCTION);
    expect(await rig.reply("FCALL", "g", "1", "a1")).toBe(":1\r\n");
    expect(rig.asked(1)).toEqual(["FCALL f 1 a1", "FCALL g 1 a1"]);
    rig.memories[1]!.libraries.clear();
    expect(await rig.reply("FCALL", "g", "1", "a1")).toBe(":1\r\n");
    expect(await rig.reply("FUNCTION", "FLUSH", "SYNC")).toBe("+OK\r\n");
    expect(await rig.reply("FCALL", "g", "1", "a1")).toBe(NO_FUNCTION);
  });

  test("RESTORE: what a server says of the dump is remembered, nothing else", async () => {
    const rig = scriptRig(2);
    await rig.reply("FUNCTION", "LOAD", F);
    for (const { libraries } of rig.memories) {
      libraries.clear();
      libraries.set("g", G);
    }
    expect(await rig.reply("FUNCTION", "RESTORE", "dump", "FLUSH")).toBe("+OK\r\n");
    rig.memories[1]!.libraries.clear();
    expect(await rig.reply("FCALL", "g", "1", "a1")).toBe(":1\r\n");
    expect(await rig.reply("FCALL", "f", "1", "a1")).toBe(NO_FUNCTION);
  });
});

describe("workers", () => {
  test("know each other's scripts and functions, and forget them together", async () => {
    const peers = new FakePeers();
    const one = scriptRig(2, peers);
    const two = scriptRig(2, peers);
    await one.reply("SCRIPT", "LOAD", ONE);
    await one.reply("FUNCTION", "LOAD", "#!lua name=f");
    const late = scriptRig(2, peers);
    for (const rig of [two, late]) {
      expect(await rig.reply("EVALSHA", shaOf(ONE), "1", "a1")).toBe(":1\r\n");
      expect(await rig.reply("FCALL", "f", "1", "a1")).toBe(":1\r\n");
    }
    await late.reply("SCRIPT", "FLUSH");
    await late.reply("FUNCTION", "FLUSH");
    for (const rig of [one, two, scriptRig(2, peers)]) {
      for (const { scripts, libraries } of rig.memories) {
        scripts.clear();
        libraries.clear();
      }
      expect(await rig.reply("EVALSHA", shaOf(ONE), "1", "a1")).toBe(NO_SCRIPT);
      expect(await rig.reply("FCALL", "f", "1", "a1")).toBe(NO_FUNCTION);
    }
  });

  test("servers are not asked to forget before all workers have", async () => {
    const peers = new FakePeers();
    const one = scriptRig(1, peers);
    await one.reply("SCRIPT", "LOAD", ONE);
    const silent = peers.add();
    silent.isAlive = false;
    one.asked(0);
    expect(await one.reply("SCRIPT", "FLUSH")).toBe("");
    expect(one.asked(0)).toEqual([]);
    peers.relay.onGone(silent);
    await one.settle();
    expect(one.asked(0)).toEqual(["SCRIPT FLUSH"]);
  });

  test("EVAL bodies are told when they are seen again", async () => {
    const peers = new FakePeers();
    const one = scriptRig(2, peers);
    await one.reply("EVAL", ONE, "1", "a0");
    expect(peers.relay.retained).toEqual([]);
    await one.reply("EVAL", ONE, "1", "a1");
    expect(peers.relay.retained.map(({ key }) => key)).toEqual([shaOf(ONE)]);
  });

  test("what a supervisor did not keep is told again", async () => {
    const peers = new FakePeers();
    const one = scriptRig(1, peers);
    await one.reply("SCRIPT", "LOAD", ONE);
    await one.reply("FUNCTION", "LOAD", "#!lua name=f");
    const told = ({ relay }: FakePeers): unknown =>
      relay.retained.map(({ topic, key, data }) => ({ topic, key, data }));
    const forgetful = new FakePeers();
    const rig = scriptRig(1, forgetful);
    await rig.reply("SCRIPT", "LOAD", ONE);
    await rig.reply("FUNCTION", "LOAD", "#!lua name=f");
    for (const topic of ["scripts", "functions"]) {
      forgetful.workers[0]!.bus.clear(topic, null);
    }
    expect(forgetful.relay.retained).toEqual([]);
    forgetful.relay.resume(undefined);
    expect(told(forgetful)).toEqual(told(peers));
  });
});
