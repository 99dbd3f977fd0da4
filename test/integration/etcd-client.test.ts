/** What is asked of a real etcd: plainly, with a password, over TLS, and while it is away. */
import { afterEach, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EtcdConfig } from "../../src/api/config.ts";
import { EtcdClient, EtcdError } from "../../src/supervisor/etcd/etcd-client.ts";
import { type Certificates, makeCertificates } from "../support/certificates.ts";
import { EtcdServer, type EtcdTls } from "../support/etcd-server.ts";
import { freePort } from "../support/free-port.ts";
import { makeDirectory } from "../support/server-process.ts";

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function startEtcd(tls: EtcdTls | null = null): Promise<EtcdServer> {
  const etcd = new EtcdServer(tls);
  ends.push(() => etcd.remove());
  await etcd.start();
  return etcd;
}

function clientOf(urls: readonly string[], more: Partial<EtcdConfig> = {}): EtcdClient {
  return new EtcdClient({
    ...{ urls, prefix: "/proxy", user: null, passwordFile: null },
    ...{ caFile: null, certFile: null, keyFile: null },
    ...more,
  });
}

async function failure(of: Promise<unknown>): Promise<string> {
  try {
    await of;
  } catch (error) {
    expect(error).toBeInstanceOf(EtcdError);
    return (error as Error).message;
  }
  throw new Error("it did not fail");
}

async function expectUse(client: EtcdClient): Promise<void> {
  expect(await client.read(["/proxy/state"], ["/proxy/hosts/"])).toEqual([]);
  const first = await client.replace("/proxy/state", "ä", 0);
  expect(first).toBeGreaterThan(0);
  expect(await client.replace("/proxy/state", "other", 0)).toBeNull();
  const second = await client.replace("/proxy/state", "b", first!);
  expect(second).toBeGreaterThan(first!);
  const lease = await client.grant(10);
  await client.put("/proxy/hosts/one", "x", lease);
  expect(await client.keepUp(lease)).toBe(true);
  const found = await client.read(["/proxy/state"], ["/proxy/hosts/"]);
  expect(found.map(({ key, value }) => [key, value])).toEqual([
    ["/proxy/state", "b"],
    ["/proxy/hosts/one", "x"],
  ]);
  expect(found[0]?.modRevision).toBe(second!);
  await client.revoke(lease);
  expect(await client.keepUp(lease)).toBe(false);
  expect(await client.read([], ["/proxy/hosts/"])).toEqual([]);
}

test("values are read and replaced, and go with their lease", async () => {
  const etcd = await startEtcd();
  await expectUse(clientOf([etcd.url]));
}, 60_000);

test("an address that refuses, or does not answer, is passed over, and told of when there is no other", async () => {
  const etcd = await startEtcd();
  const dead = `http://127.0.0.1:${freePort()}`;
  const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  ends.push(() => silent.stop(true));
  const mute = `http://127.0.0.1:${silent.port}`;
  await expectUse(clientOf([dead, mute, etcd.url]));
  await etcd.stop();
  const words = await failure(clientOf([mute, etcd.url]).read(["a"], []));
  expect(words).toStartWith(`${mute}: no answer within 1000 ms; ${etcd.url}: `);
  const web = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("<html>") });
  ends.push(() => web.stop(true));
  const other = await failure(clientOf([`http://127.0.0.1:${web.port}`]).read(["a"], []));
  expect(other).toContain("does not answer like etcd 3.4 or later (200): <html>");
}, 60_000);

test("with a password, also when the token is no longer known", async () => {
  const etcd = await startEtcd();
  const directory = makeDirectory("etcd-password");
  ends.push(() => rmSync(directory, { recursive: true }));
  const passwordFile = join(directory, "password");
  writeFileSync(passwordFile, "secret\n");
  await etcd.control("user", "add", "root:secret");
  await etcd.control("user", "grant-role", "root", "root");
  await etcd.control("auth", "enable");
  const client = clientOf([etcd.url], { user: "root", passwordFile });
  await expectUse(client);
  // A token is known to the process that gave it.
  await etcd.stop();
  await etcd.start();
  expect(await client.read(["/proxy/state"], [])).toHaveLength(1);
  writeFileSync(passwordFile, "another");
  const fresh = clientOf([etcd.url], { user: "root", passwordFile });
  expect(await failure(fresh.read(["a"], []))).toContain("authentication failed");
  expect(await failure(clientOf([etcd.url]).read(["a"], []))).toContain("user name is empty");
  const lost = clientOf([etcd.url], { user: "root", passwordFile: join(directory, "none") });
  expect(await failure(lost.read(["a"], []))).toContain("etcd_password_file: ");
}, 60_000);

test("over TLS, with a certificate of its own; one that nobody vouches for is refused", async () => {
  const tls: Certificates = await makeCertificates();
  ends.push(() => tls.remove());
  const etcd = await startEtcd(tls);
  const { caFile, certFile, keyFile } = tls;
  await expectUse(clientOf([etcd.url], { caFile, certFile, keyFile }));
  await failure(clientOf([etcd.url], { caFile }).read(["a"], []));
  expect(await failure(clientOf([etcd.url], { certFile, keyFile }).read(["a"], []))).toMatch(
    /certificate/i,
  );
}, 60_000);
