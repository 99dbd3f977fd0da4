/** What the admin process answers over HTTP, by path. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Config } from "../api/config.ts";
import type { AdminStatus } from "../api/control.ts";
import type { MetricRow } from "../api/metrics.ts";
import type { PoolFigures, SetFigures, StatsLayout } from "../api/stats.ts";
import { ADMIN_RENDER_MS } from "../base/limits.ts";
import { directoryBlocks } from "../metrics/directory.ts";
import { nameOfShare, percentile, SHOWN_SHARES } from "../metrics/percentiles.ts";
import { readCounters, readSets } from "../metrics/read-counters.ts";
import {
  type MetricFamily,
  OPENMETRICS_TYPE,
  PROMETHEUS_TYPE,
  renderMetrics,
} from "./exposition.ts";
import type { HttpAnswer } from "./http-port.ts";
import type { HttpRequest } from "./http-request.ts";
import { type AskLook, answerLook, LOOKS } from "./looks.ts";
import { countedFamilies } from "./metric-families.ts";
import { processFamilies } from "./process-figures.ts";

export interface AdminSource {
  readonly config: Config;
  readonly version: string;
  readonly startedAtMs: number;
}

export interface AdminPagesOptions {
  readonly source: AdminSource;
  /** "": no token is asked for; null: there should be one, and it could not be read, so none is right. */
  readonly token: string | null;
  /** What the supervisor says; null: it does not answer. */
  readonly ask: () => Promise<AdminStatus | null>;
  /** Has workers asked. */
  readonly look: AskLook;
  /** The statistics memory as it is now. */
  readonly read: () => { readonly layout: StatsLayout; readonly memory: Float64Array };
  /** A monotonic clock. */
  readonly nowMs: () => number;
}

type Page = (request: HttpRequest) => Promise<HttpAnswer>;

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json; charset=utf-8";
const CHALLENGE = 'WWW-Authenticate: Bearer realm="proxy"';
export class AdminPages {
  readonly #options: AdminPagesOptions;
  readonly #pages: ReadonlyMap<string, Page>;
  /** Texts that were made a moment ago, by what they are. */
  readonly #made: Map<string, { readonly text: Promise<string>; readonly atMs: number }> =
    new Map();

  constructor(options: AdminPagesOptions) {
    this.#options = options;
    this.#pages = new Map<string, Page>([
      ["/", async () => text(200, `${[...this.#pages.keys()].join("\n")}\n`)],
      ["/metrics", (request) => this.#metrics(request)],
      ["/stats", async () => json(200, await this.#once("stats", () => this.#stats()))],
      ["/health", () => this.#health()],
      ["/ready", () => this.#ready()],
      ["/config", async () => json(200, shownConfig(options.source.config))],
      ...[...LOOKS].map(([path, read]): [string, Page] => [
        path,
        (request) => answerLook(read(request.query), options.look),
      ]),
    ]);
  }

  async answer(request: HttpRequest): Promise<HttpAnswer> {
    if (!this.#isAllowed(request.header("authorization"))) {
      return { ...text(401, "a bearer token is needed\n"), headers: [CHALLENGE] };
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return {
        ...text(405, "only GET and HEAD are answered here\n"),
        headers: ["Allow: GET, HEAD"],
      };
    }
    const page = this.#pages.get(request.path);
    if (page === undefined)
      return text(404, `there is only ${[...this.#pages.keys()].join(" ")}\n`);
    return await page(request);
  }

  #isAllowed(authorization: string): boolean {
    const { token } = this.#options;
    if (token === "") return true;
    const given = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
    if (token === null || given === undefined) return false;
    // Of equal length whatever is given, so that the time tells nothing.
    const digest = (value: string): Buffer => createHash("sha256").update(value).digest();
    return timingSafeEqual(digest(given), digest(token));
  }

  async #metrics(request: HttpRequest): Promise<HttpAnswer> {
    const isOpenMetrics = request.header("accept").includes("application/openmetrics-text");
    const name = isOpenMetrics ? "openmetrics" : "prometheus";
    const body = await this.#once(name, async () =>
      renderMetrics(await this.#families(), isOpenMetrics),
    );
    return { status: 200, type: isOpenMetrics ? OPENMETRICS_TYPE : PROMETHEUS_TYPE, body };
  }

  async #families(): Promise<MetricFamily[]> {
    const { source, ask } = this.#options;
    const status = await ask();
    const { pools, sets, rows } = this.#figures();
    const families = countedFamilies({ config: source.config, pools, sets, rows });
    return [
      ...proxyFamilies(source, status),
      ...processFamilies(status?.processes ?? []),
      ...families,
    ];
  }

  #figures(): {
    readonly pools: readonly PoolFigures[];
    readonly sets: readonly SetFigures[];
    readonly rows: ReadonlyMap<string, MetricRow>;
  } {
    const { source, read } = this.#options;
    const counted = read();
    const rows = new Map<string, MetricRow>();
    for (const { schema } of directoryBlocks(counted.layout)) {
      for (const row of schema.rows) rows.set(`${schema.set} ${row.name}`, row);
    }
    return { pools: readCounters(source.config, counted), sets: readSets(counted), rows };
  }

  async #stats(): Promise<string> {
    const status = await this.#options.ask();
    const { pools, sets } = this.#figures();
    return JSON.stringify({ status, pools, metrics: sets.map(shownSet) });
  }

  async #health(): Promise<HttpAnswer> {
    const status = await this.#options.ask();
    return status === null ? text(503, "the supervisor does not answer\n") : text(200, "ok\n");
  }

  async #ready(): Promise<HttpAnswer> {
    const status = await this.#options.ask();
    const reasons = reasonsAgainst(status, this.#figures().pools);
    return reasons.length === 0
      ? text(200, "ready\n")
      : text(503, reasons.map((reason) => `${reason}\n`).join(""));
  }

  /** However many ask, it is made once in a while. */
  #once(name: string, make: () => Promise<string>): Promise<string> {
    const nowMs = this.#options.nowMs();
    const made = this.#made.get(name);
    if (made !== undefined && nowMs - made.atMs < ADMIN_RENDER_MS) return made.text;
    const text = make();
    this.#made.set(name, { text, atMs: nowMs });
    return text;
  }
}

/** Why no client should come here now. */
export function reasonsAgainst(
  status: AdminStatus | null,
  pools: readonly PoolFigures[],
): string[] {
  if (status === null) return ["the supervisor does not answer"];
  const workers = status.processes.filter(({ role }) => role === "worker");
  const down = pools.filter(
    ({ servers }) => servers.length > 0 && servers.every(({ trouble }) => trouble != null),
  );
  return [
    ...(status.phase === "serving" ? [] : [`the proxy is ${status.phase}`]),
    ...(workers.some(({ state }) => state === "serving") ? [] : ["no worker serves"]),
    ...down.map(({ name }) => `pool ${name}: all of its servers are in trouble`),
  ];
}

function proxyFamilies(source: AdminSource, status: AdminStatus | null): MetricFamily[] {
  const gauge = (name: string, help: string, value: number): MetricFamily => ({
    ...{ name, help, type: "gauge", samples: [{ labels: {}, value }] },
  });
  const info: MetricFamily = {
    name: "proxy_build_info",
    help: "The running version; always 1.",
    type: "gauge",
    samples: [{ labels: { version: source.version, commit: status?.commit ?? "" }, value: 1 }],
  };
  const started = gauge(
    "proxy_start_time_seconds",
    "When the proxy was started, in seconds since 1970; upgrades do not change it.",
    source.startedAtMs / 1000,
  );
  const up = gauge(
    "proxy_supervisor_up",
    "Whether the supervisor answers the admin process.",
    status === null ? 0 : 1,
  );
  if (status === null) return [info, started, up];
  const serving = status.processes.filter(
    ({ role, state }) => role === "worker" && state === "serving",
  );
  return [
    info,
    started,
    up,
    gauge("proxy_workers", "Workers that serve.", serving.length),
    gauge("proxy_clients", "Client connections that are open now.", status.clients),
    gauge("proxy_generation", "Which generation of workers serves.", status.generation ?? 0),
    gauge("proxy_ready", "Whether the proxy is serving.", status.phase === "serving" ? 1 : 0),
    gauge(
      "proxy_settings_changed",
      "Values of the running proxy that are not the file's.",
      status.settings?.length ?? 0,
    ),
  ];
}

function shownSet({ set, labels, values }: SetFigures): object {
  const shown = Object.entries(values).map(([name, value]) => {
    if (typeof value === "number") return [name, value];
    const shares = SHOWN_SHARES.map((share) => [nameOfShare(share), percentile(value, share)]);
    return [name, { count: value.count, sum: value.sum, ...Object.fromEntries(shares) }];
  });
  return { set, labels, values: Object.fromEntries(shown) };
}

/** Without secrets, see OptionSettings, and without the code of modules. */
function shownConfig(config: Config): string {
  return JSON.stringify(
    config,
    (name, value: unknown) => {
      if (name === "code") return undefined;
      return isSecret(value) ? { ...value, value: "(set)" } : value;
    },
    2,
  );
}

function isSecret(value: unknown): value is { readonly value: unknown; readonly text: null } {
  if (typeof value !== "object" || value === null || !("value" in value)) return false;
  return "text" in value && value.text === null && value.value !== null;
}

function text(status: number, body: string): HttpAnswer {
  return { status, type: TEXT, body };
}

function json(status: number, body: string): HttpAnswer {
  return { status, type: JSON_TYPE, body: `${body}\n` };
}
