/** Files that the real nutcracker 0.5.0 accepts load here; what it refuses for a good reason is refused here. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../support/load-config.ts";

const NUTCRACKER = Bun.which("nutcracker");
const SERVERS = "  servers:\n   - 127.0.0.1:6379:1\n";

function pool(lines: string, servers: string = SERVERS): string {
  return `alpha:\n  listen: 127.0.0.1:22121\n${lines}${servers}`;
}

function list(...servers: string[]): string {
  return `  servers:\n${servers.map((server) => `   - ${server}\n`).join("")}`;
}

const HASHES =
  "one_at_a_time md5 crc16 crc32 crc32a fnv1_64 fnv1a_64 fnv1_32 fnv1a_32 hsieh murmur jenkins";

const ACCEPTED: Readonly<Record<string, string>> = {
  "the sample": readFileSync(new URL("../../../contrib/nutcracker.yml", import.meta.url), "utf8"),
  minimal: pool(""),
  "every key": pool(
    '  hash: murmur\n  hash_tag: "{}"\n  distribution: modula\n  timeout: 400\n  backlog: 1024\n  client_connections: 100\n  redis: true\n  redis_auth: pass\n  redis_db: 2\n  preconnect: true\n  tcpkeepalive: true\n  auto_eject_hosts: true\n  server_connections: 3\n  server_retry_timeout: 2000\n  server_failure_limit: 3\n',
  ),
  ...Object.fromEntries(HASHES.split(" ").map((hash) => [hash, pool(`  hash: ${hash}\n`)])),
  random: pool("  distribution: random\n"),
  "timeout 0": pool("  timeout: 0\n"),
  "largest number": pool("  timeout: 2147483647\n"),
  "leading zeros": pool("  backlog: 0512\n"),
  "zeros that are allowed": pool(
    "  backlog: 0\n  server_failure_limit: 0\n  server_retry_timeout: 0\n",
  ),
  quoted: pool('  redis: "true"\n  timeout: "400"\n  hash: \'md5\'\n'),
  comments: `# c\n${pool("  redis: true # c\n\n")}# c\n`,
  "letters as a hash tag": pool("  hash_tag: ab\n"),
  "a password of tilde": pool("  redis: true\n  redis_auth: ~\n"),
  "unix sockets": `alpha:\n  listen: /tmp/x.sock 0666\n${list("/tmp/y:1", "/tmp/z:2 zz")}`,
  "unix without mode": `alpha:\n  listen: /tmp/x.sock\n${SERVERS}`,
  "mode without zero": `alpha:\n  listen: /tmp/x.sock 777\n${SERVERS}`,
  "all addresses": `alpha:\n  listen: '*:22121'\n${SERVERS}`,
  "IPv6 listen": `alpha:\n  listen: ::1:22121\n${SERVERS}`,
  "IPv6 servers": pool("", list("::1:6379:1", '"[::1]:6380:1"')),
  names: pool("", list("127.0.0.1:6379:1 a", "127.0.0.1:6379:1 b", "127.0.0.1:11211:3 c:d")),
  "huge weight": pool("", list("127.0.0.1:6379:2147483647", "127.0.0.1:6380:1")),
  "a host that does not resolve": pool("", list("nosuch.invalid:6379:1")),
  "two pools": `${pool("")}beta:\n  listen: 127.0.0.1:22122\n${SERVERS}`,
  "a number as a pool": `1:\n  listen: 127.0.0.1:22121\n${SERVERS}`,
  "a space in a pool's name": `my pool:\n  listen: 127.0.0.1:22121\n${SERVERS}`,
  "pools called like our options": `pools:\n  listen: 127.0.0.1:22121\n${SERVERS}log:\n  listen: 127.0.0.1:22122\n${SERVERS}`,
};

const REFUSED: Readonly<Record<string, string>> = {
  "unknown key": pool("  tiemout: 1\n"),
  "unknown hash": pool("  hash: MD5\n"),
  "unknown distribution": pool("  distribution: ketma\n"),
  "negative timeout": pool("  timeout: -1\n"),
  "number too large": pool("  timeout: 2147483648\n"),
  yes: pool("  redis: yes\n"),
  "server_connections 0": pool("  server_connections: 0\n"),
  "a password without redis": pool("  redis_auth: x\n"),
  "an empty password": pool('  redis: true\n  redis_auth: ""\n'),
  "a tag of three": pool("  hash_tag: abc\n"),
  "no listen": `alpha:\n${SERVERS}`,
  "no servers": "alpha:\n  listen: 127.0.0.1:22121\n  hash: md5\n",
  "servers as text": pool("", "  servers: 127.0.0.1:6379:1\n"),
  "port 0": `alpha:\n  listen: 127.0.0.1:0\n${SERVERS}`,
  "no host": `alpha:\n  listen: :22121\n${SERVERS}`,
  "mode above 0777": `alpha:\n  listen: /tmp/x 1777\n${SERVERS}`,
  "weight 0": pool("", list("127.0.0.1:6379:0")),
  "no weight": pool("", list("127.0.0.1:6379")),
  "one server twice": pool("", list("127.0.0.1:6379:1", "127.0.0.1:6379:2")),
  "one name twice": pool("", list("127.0.0.1:6379:1 a", "127.0.0.1:6380:1 a")),
  "one key twice": pool("  timeout: 1\n  timeout: 2\n"),
  "one pool twice": `${pool("")}${pool("").replace("22121", "22122")}`,
  "one address twice": `${pool("")}${pool("").replace("alpha", "beta")}`,
  "two documents": `${pool("")}---\n${pool("")}`,
  empty: "",
};

describe.skipIf(NUTCRACKER === null)("nutcracker -t (needs nutcracker 0.5.0 installed)", () => {
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "nutcracker-agreement-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** Its verdict, read from the line that it prints. */
  function accepts(text: string): boolean {
    const file = join(directory, "n.yml");
    writeFileSync(file, text);
    const { stderr } = Bun.spawnSync([NUTCRACKER!, "-t", "-c", file], { stderr: "pipe" });
    const verdict = /syntax is (ok|invalid)/.exec(stderr.toString())?.[1];
    expect(verdict).toBeDefined();
    return verdict === "ok";
  }

  for (const [name, text] of Object.entries(ACCEPTED)) {
    test(`both accept: ${name}`, () => {
      const { config, problems } = loadConfig(text, "n.yml");
      expect(problems.filter((problem) => problem.severity === "error")).toEqual([]);
      expect([accepts(text), config?.form]).toEqual([true, "twemproxy"]);
    });
  }
  for (const [name, text] of Object.entries(REFUSED)) {
    test(`both refuse: ${name}`, () => {
      expect([accepts(text), loadConfig(text, "n.yml").config]).toEqual([false, null]);
    });
  }
});
