/** Certificates for a test: of an authority, and of a server on 127.0.0.1 that may be a client, too. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { EtcdTls } from "./etcd-server.ts";
import { makeDirectory } from "./server-process.ts";

export interface Certificates extends EtcdTls {
  remove(): void;
}

export async function makeCertificates(): Promise<Certificates> {
  const directory = makeDirectory("certificates");
  const at = (name: string): string => join(directory, name);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const ca = [
    "-x509",
    "-subj",
    "/CN=test authority",
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.pem"),
  ];
  await openssl("req", ...key, ...ca);
  const signed = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-addext"];
  const own = ["-subj", "/CN=test", "-keyout", at("own.key"), "-out", at("own.pem")];
  await openssl("req", "-x509", ...key, ...signed, "subjectAltName=IP:127.0.0.1", ...own);
  return {
    ...{ caFile: at("ca.pem"), certFile: at("own.pem"), keyFile: at("own.key") },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

async function openssl(...words: readonly string[]): Promise<void> {
  const child = Bun.spawn(["openssl", ...words], { stdout: "ignore", stderr: "pipe" });
  const errors = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`openssl ${words.join(" ")}: ${errors}`);
}
