/**
 * The replies in which two Redis servers may differ though both are right: all that the differential tests forgive.
 *
 * - order: elements that Redis keeps in a hash table, whose seed is random
 * - number: a time, an idle time, a size in memory, the id of a client: any number for any other above zero
 * - numbers: several of them within the reply (XPENDING, XINFO CONSUMERS)
 * - hello: version, id and names of modules in HELLO's reply
 * - whole: only that it is a reply of the same kind (INFO, ROLE, TIME)
 * - choice: a random key, or none when there is none
 *
 * Besides, a wrong command whose words look like keys of several servers (LMPOP 2 key LEFT) may be refused for that
 * reason, where Redis refuses it for another: `isRefusedAnyway`.
 *
 * While a script takes too long, Redis answers others `-BUSY …` at once. Through the proxy a request that shares the
 * script's connection waits until the script ends; no scenario asks for BUSY.
 *
 * Over several servers a script that only a transaction has run, by EVAL, is not known on the others: in transactions
 * EVAL has scripts that nothing asks for by their hashes.
 *
 * A request of more than a million arguments is a protocol error at once, not when its first argument is wrong.
 *
 * Left out of random scripts, because nothing could be compared: SPOP, SRANDMEMBER, HRANDFIELD and ZRANDMEMBER of
 * fewer members than there are, DUMP, ACL GENPASS, XADD with a time as its id, CLIENT LIST and INFO.
 */

export type Looseness = "order" | "number" | "numbers" | "idle" | "hello" | "whole" | "choice";

const LOOSE: Readonly<Record<Looseness, readonly string[]>> = {
  order: [
    ..."SMEMBERS SINTER SUNION SDIFF HGETALL HKEYS HVALS SORT SORT_RO SPOP SRANDMEMBER HRANDFIELD".split(
      " ",
    ),
    ...["ZRANDMEMBER", "KEYS", "FUNCTION|LIST", "PUBSUB|CHANNELS"],
  ],
  number: ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "MEMORY|USAGE", "CLIENT|ID", "LASTSAVE"],
  // Also 0, which a busy machine makes 1.
  idle: ["OBJECT|IDLETIME"],
  numbers: ["XPENDING", "XINFO|CONSUMERS"],
  hello: ["HELLO"],
  whole: ["INFO", "ROLE", "TIME"],
  choice: ["RANDOMKEY"],
};

const BY_COMMAND = new Map<string, Looseness[]>();
for (const [looseness, names] of Object.entries(LOOSE) as [Looseness, readonly string[]][]) {
  for (const name of names) BY_COMMAND.set(name, [...(BY_COMMAND.get(name) ?? []), looseness]);
}

/** How loosely the reply to a command is compared. */
export function loosenessOf(args: readonly string[]): readonly Looseness[] {
  const name = args[0]?.toUpperCase() ?? "";
  const withSub = `${name}|${args[1]?.toUpperCase() ?? ""}`;
  return BY_COMMAND.get(name) ?? BY_COMMAND.get(withSub) ?? [];
}

/** Whether the reply wanted and the one that came are the same, but for known differences. */
export function isSameReply(want: Buffer, have: Buffer, looseness: readonly Looseness[]): boolean {
  if (want.equals(have)) return true;
  if (looseness.length === 0) return false;
  // Lines are put in order last: what is masked must not decide where a line goes.
  const steps = [...looseness].sort((a, b) => Number(a === "order") - Number(b === "order"));
  const [left, right] = [want, have].map((reply) =>
    steps.reduce(loosened, reply.toString("latin1")),
  );
  return left === right;
}

/** Both refuse a command, the proxy because of its keys' servers. */
export function isRefusedAnyway(want: Buffer, have: Buffer): boolean {
  return want[0] === "-".charCodeAt(0) && isCrossSlot(have);
}

/**
 * A transaction refused a command that would have failed in the end: words were taken for keys. What follows in the
 * script cannot be compared.
 */
export function isRefusedEarlier(name: string, want: Buffer, have: Buffer): boolean {
  return want.equals(QUEUED) && isCrossSlot(have) && MISTAKABLE.has(name.toUpperCase());
}

const QUEUED = Buffer.from("+QUEUED\r\n");

/** Where a wrong number, or a word too many, makes a key of what is none. */
const MISTAKABLE: ReadonlySet<string> = new Set([
  ..."LMPOP BLMPOP ZMPOP BZMPOP SINTERCARD ZINTERCARD ZUNIONSTORE ZINTERSTORE ZDIFFSTORE".split(
    " ",
  ),
  ..."ZUNION ZINTER ZDIFF EVAL EVAL_RO EVALSHA EVALSHA_RO FCALL FCALL_RO XREAD XREADGROUP".split(
    " ",
  ),
  ..."BLPOP BRPOP BZPOPMIN BZPOPMAX".split(" "),
]);

function isCrossSlot(reply: Buffer): boolean {
  return reply.toString("latin1", 0, 11) === "-CROSSSLOT ";
}

function loosened(reply: string, looseness: Looseness): string {
  switch (looseness) {
    case "order":
      return reply.split("\r\n").sort().join("\r\n");
    case "number":
    case "numbers":
      return reply.replace(/^:[1-9]\d*\r$/gm, ":n\r");
    case "idle":
      return reply.replace(/^:\d+\r$/gm, ":n\r");
    case "hello":
      return reply
        .replace(/(\$7\r\nversion\r\n)\$\d+\r\n[^\r]*/g, "$1v")
        .replace(/(\$2\r\nid\r\n):\d+/g, "$1:n");
    case "whole":
      return reply.substring(0, 1);
    case "choice":
      return reply.startsWith("$-1") || reply.startsWith("_") ? reply : reply.substring(0, 1);
  }
}
