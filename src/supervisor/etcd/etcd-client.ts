/**
 * Asks etcd over its JSON gateway (etcd 3.4 and later). Each address is tried in turn, beginning with the one that answered last, and every exchange
 * has its time. What was sent to an address that did not answer may have been done all the same.
 */
import type { EtcdConfig } from "../../api/config.ts";
import { ETCD_ANSWER_BYTES_MAX, ETCD_ATTEMPT_MS } from "../../base/agreement-limits.ts";
import { type ReadLimits, readText } from "../../os/read-text.ts";

/** It was not done, or it is not known whether it was. */
export class EtcdError extends Error {}

type Json = Readonly<Record<string, unknown>>;

export interface EtcdKey {
  readonly key: string;
  readonly value: string;
  readonly modRevision: number;
}

/** Of gRPC. */
const UNAUTHENTICATED = 16;
const TOKEN_FAULT = /invalid auth token|revision in header is old|user name is empty/;
const FILE_LIMITS: ReadLimits = { bytesMax: 1024 * 1024, timeoutMs: ETCD_ATTEMPT_MS };

interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export class EtcdClient {
  readonly #config: EtcdConfig;
  /** Null: they are read with the next exchange, as after each that failed. */
  #tls: TlsFiles | null = null;
  #at = 0;
  #token: string | null = null;

  constructor(config: EtcdConfig) {
    this.#config = config;
  }

  /** All of these keys, and all that begin with the others, at one moment. @throws EtcdError */
  async read(keys: readonly string[], prefixes: readonly string[]): Promise<EtcdKey[]> {
    const ranges = [
      ...keys.map((key) => ({ request_range: { key: encode(key) } })),
      ...prefixes.map((prefix) => ({
        request_range: { key: encode(prefix), range_end: encode(behind(prefix)) },
      })),
    ];
    const { responses = [] } = (await this.#call("kv/txn", { success: ranges })) as {
      responses?: readonly { response_range?: { kvs?: readonly Json[] } }[];
    };
    return responses.flatMap(({ response_range }) => (response_range?.kvs ?? []).map(keyOf));
  }

  /**
   * Writes if the key's revision is this one; 0: the key is not there.
   * @returns the new revision; null: it is another one. @throws EtcdError: it may have been written
   */
  async replace(key: string, value: string, revision: number): Promise<number | null> {
    const compare = [
      { key: encode(key), target: "MOD", result: "EQUAL", mod_revision: `${revision}` },
    ];
    const success = [{ request_put: { key: encode(key), value: encode(value) } }];
    const answer = (await this.#call("kv/txn", { compare, success })) as {
      succeeded?: boolean;
      header?: { revision?: string };
    };
    return answer.succeeded === true ? numberOf(answer.header?.revision) : null;
  }

  /** @throws EtcdError */
  async put(key: string, value: string, lease: string): Promise<void> {
    await this.#call("kv/put", { key: encode(key), value: encode(value), lease });
  }

  /** What is written with the lease goes `seconds` after it was kept up last. @throws EtcdError */
  async grant(seconds: number): Promise<string> {
    const { ID } = (await this.#call("lease/grant", { TTL: `${seconds}` })) as { ID?: string };
    if (ID === undefined) throw new EtcdError("etcd grants no lease");
    return ID;
  }

  /** @returns false: it has ended. @throws EtcdError */
  async keepUp(lease: string): Promise<boolean> {
    const answer = (await this.#call("lease/keepalive", { ID: lease })) as {
      result?: { TTL?: string };
    };
    return numberOf(answer.result?.TTL) > 0;
  }

  /** @throws EtcdError */
  async revoke(lease: string): Promise<void> {
    await this.#call("lease/revoke", { ID: lease });
  }

  async #call(path: string, body: Json): Promise<Json> {
    const { urls } = this.#config;
    const problems: string[] = [];
    for (let turn = 0; turn < urls.length; turn++) {
      const at = (this.#at + turn) % urls.length;
      try {
        const answer = await this.#callAt(urls[at]!, path, body);
        this.#at = at;
        return answer;
      } catch (error) {
        problems.push(`${urls[at]}: ${wordsOf(error)}`);
        this.#tls = null;
      }
    }
    throw new EtcdError(problems.join("; "));
  }

  async #callAt(url: string, path: string, body: Json): Promise<Json> {
    if (this.#config.user !== null) this.#token ??= await this.#authenticate(url);
    const answer = await this.#post(url, path, body);
    if (!isTokenFault(answer) || this.#config.user === null) return whenGood(answer);
    // A token lives for some minutes, and until the rights of users change.
    this.#token = await this.#authenticate(url);
    return whenGood(await this.#post(url, path, body));
  }

  async #authenticate(url: string): Promise<string> {
    this.#token = null;
    const { user, passwordFile } = this.#config;
    // Read anew each time, so that it may change.
    const text = passwordFile === null ? "" : await textOf("etcd_password_file", passwordFile);
    const order = { name: user, password: text.replace(/\r?\n$/, "") };
    const { token } = whenGood(await this.#post(url, "auth/authenticate", order));
    if (typeof token !== "string") throw new EtcdError("etcd gives no token");
    return token;
  }

  async #readTls(): Promise<TlsFiles> {
    const { caFile, certFile, keyFile } = this.#config;
    return {
      ...(caFile === null ? {} : { ca: await textOf("etcd_ca_file", caFile) }),
      ...(certFile === null ? {} : { cert: await textOf("etcd_cert_file", certFile) }),
      ...(keyFile === null ? {} : { key: await textOf("etcd_key_file", keyFile) }),
    };
  }

  async #post(url: string, path: string, body: Json): Promise<Json> {
    const isTls = url.startsWith("https:");
    if (isTls) this.#tls ??= await this.#readTls();
    const response = await fetch(`${url}/v3/${path}`, {
      ...{ method: "POST", body: JSON.stringify(body), redirect: "error" },
      headers: {
        "content-type": "application/json",
        ...(this.#token === null ? {} : { authorization: this.#token }),
      },
      signal: AbortSignal.timeout(ETCD_ATTEMPT_MS),
      ...(isTls ? { tls: this.#tls ?? {} } : {}),
    });
    const text = await bodyOf(response);
    // What etcd streams is a line each; of one request there is one.
    const [line = ""] = text.split("\n", 1);
    try {
      return JSON.parse(line) as Json;
    } catch {
      const shown = line.substring(0, 80);
      throw new EtcdError(
        `it does not answer like etcd 3.4 or later (${response.status}): ${shown}`,
      );
    }
  }
}

function isTokenFault(answer: Json): boolean {
  return answer["code"] === UNAUTHENTICATED || TOKEN_FAULT.test(`${faultOf(answer)}`);
}

function faultOf({ error }: Json): string | null {
  if (error === undefined) return null;
  return typeof error === "object" ? JSON.stringify(error) : `${error}`;
}

/** @throws EtcdError: etcd says no */
function whenGood(answer: Json): Json {
  const fault = faultOf(answer);
  if (fault !== null) throw new EtcdError(fault);
  return answer;
}

function keyOf({ key, value, mod_revision }: Json): EtcdKey {
  return {
    key: decode(`${key}`),
    value: value === undefined ? "" : decode(`${value}`),
    modRevision: numberOf(mod_revision),
  };
}

async function bodyOf({ body }: Response): Promise<string> {
  if (body === null) return "";
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > ETCD_ANSWER_BYTES_MAX) throw new EtcdError("its answer is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return `${error}`;
  return error.name === "TimeoutError" ? `no answer within ${ETCD_ATTEMPT_MS} ms` : error.message;
}

async function textOf(option: string, path: string): Promise<string> {
  try {
    return await readText(path, FILE_LIMITS);
  } catch (error) {
    throw new EtcdError(`${option}: ${path} cannot be read: ${(error as Error).message}`);
  }
}

/** 64-bit numbers are texts in JSON; absent is 0. */
function numberOf(value: unknown): number {
  return value === undefined ? 0 : Number(value);
}

const encode = (text: string): string => Buffer.from(text, "utf8").toString("base64");
const decode = (text: string): string => Buffer.from(text, "base64").toString("utf8");

/** The first key behind all that begin with `prefix`, which ends with a character of one byte. */
function behind(prefix: string): string {
  const last = prefix.length - 1;
  return prefix.substring(0, last) + String.fromCharCode(prefix.charCodeAt(last) + 1);
}
