/** What the admin process answers over HTTP, by path. */
import type { Config } from "../api/config.ts";
import type { AdminStatus } from "../api/control.ts";
import type { AdminOrder, ControlResult, ProxyEvent } from "../api/control-socket.ts";
import type { MetricRow } from "../api/metrics.ts";
import type { PoolFigures, SetFigures, StatsLayout } from "../api/stats.ts";
import { ADMIN_RENDER_MS } from "../base/limits.ts";
import { CONFIG_LOOK_MS } from "../base/page-limits.ts";
import { directoryBlocks } from "../metrics/directory.ts";
import { nameOfShare, percentile, SHOWN_SHARES } from "../metrics/percentiles.ts";
import { readCounters, readSets } from "../metrics/read-counters.ts";
import { type Access, accessOf, isOfThisPage, isOwnName, type Tokens } from "./access.ts";
import { EventStreams } from "./event-streams.ts";
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
import { answerOrder, answerResult, type GiveOrder, ORDERS } from "./orders.ts";
import { answerOverviewPage } from "./page.ts";
import { processFamilies } from "./process-figures.ts";
import { proxyFamilies } from "./proxy-families.ts";
import { reasonsAgainst } from "./readiness.ts";

export interface AdminSource {
  readonly config: Config;
  readonly version: string;
  readonly startedAtMs: number;
}

export interface AdminPagesOptions {
  readonly source: AdminSource;
  readonly tokens: Tokens;
  /** What the supervisor says; null: it does not answer. */
  readonly ask: () => Promise<AdminStatus | null>;
  /** Has workers asked. */
  readonly look: AskLook;
  readonly order: GiveOrder;
  /** What happened lately, as far as the supervisor's answers told it; the latest last. */
  readonly events: () => readonly ProxyEvent[];
  /** What the page shows, see api/overview.ts; with all points that are kept, or the last few. */
  readonly overview: (isWhole: boolean) => Promise<Buffer>;
  /** The statistics memory as it is now. */
  readonly read: () => { readonly layout: StatsLayout; readonly memory: Float64Array };
  /** A monotonic clock. */
  readonly nowMs: () => number;
}

type Page = (request: HttpRequest, access: Access) => Promise<HttpAnswer>;

const TEXT = "text/plain; charset=utf-8";
const EVENT_STREAM = "text/event-stream";
const JSON_TYPE = "application/json; charset=utf-8";
const CHALLENGE = 'WWW-Authenticate: Bearer realm="proxy"';
export class AdminPages {
  readonly #options: AdminPagesOptions;
  readonly #pages: ReadonlyMap<string, Page>;
  /** Texts that were made a moment ago, by what they are. */
  readonly #made: Map<string, { readonly text: Promise<string>; readonly atMs: number }> =
    new Map();

  readonly #streams: EventStreams;

  constructor(options: AdminPagesOptions) {
    this.#options = options;
    this.#streams = new EventStreams(options);
    this.#pages = new Map<string, Page>([
      ["/", async () => text(200, `${[...this.#pages.keys()].join("\n")}\n`)],
      ["/page", async () => answerOverviewPage()],
      ["/overview", (request) => this.#overview(request)],
      ["/metrics", (request) => this.#metrics(request)],
      ["/stats", async () => json(200, await this.#once("stats", () => this.#stats()))],
      ["/health", () => this.#health()],
      ["/ready", () => this.#ready()],
      ["/config", async () => this.#shownConfig()],
      ["/config/get", () => this.#config("config_get")],
      ["/config/diff", () => this.#config("config_diff")],
      ["/access", async (_, access) => json(200, this.#access(access))],
      ["/events", (request) => this.#events(request)],
      ...[...LOOKS].map(([path, read]): [string, Page] => [
        path,
        (request) => answerLook(read(request.query), options.look),
      ]),
    ]);
  }

  async answer(request: HttpRequest): Promise<HttpAnswer> {
    // It tells nothing of this proxy, and a browser cannot give a token with the first request.
    if (isForPage(request)) return answerOverviewPage();
    const access = accessOf(this.#options.tokens, request);
    if (!access.mayLook) {
      return { ...text(401, "a bearer token is needed\n"), headers: [CHALLENGE] };
    }
    if (!access.isByToken && !this.#isOwn(request.header("host"))) {
      return text(
        403,
        "without a token (admin: token_file) only addresses and localhost are answered, not this name\n",
      );
    }
    const order = ORDERS.get(request.path);
    if (order !== undefined) return await this.#order(request, access, order);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return {
        ...text(405, "only GET and HEAD are answered here\n"),
        headers: ["Allow: GET, HEAD"],
      };
    }
    const page = this.#pages.get(request.path);
    if (page === undefined) {
      const orders = [...ORDERS.keys()].join(" ");
      return text(404, `there is only ${[...this.#pages.keys()].join(" ")}; POST ${orders}\n`);
    }
    return await page(request, access);
  }

  /** Browsers reach no unix socket. */
  #isOwn(host: string): boolean {
    return this.#options.source.config.admin?.listen?.kind === "unix" || isOwnName(host);
  }

  async #order(
    request: HttpRequest,
    { mayOrder }: Access,
    order: NonNullable<ReturnType<typeof ORDERS.get>>,
  ): Promise<HttpAnswer> {
    if (request.method !== "POST") {
      return { ...text(405, "only POST is answered here\n"), headers: ["Allow: POST"] };
    }
    if (this.#options.tokens.levers === "") {
      return refusal(403, "this port takes no orders (admin: levers_token_file)");
    }
    if (!mayOrder) return refusal(403, "orders need the token of admin: levers_token_file");
    if (!isOfThisPage(request)) return refusal(403, "a page of another address has sent this");
    if (!/^application\/json\b/i.test(request.header("content-type"))) {
      return refusal(415, "an order is JSON (Content-Type: application/json)");
    }
    const answered = await answerOrder(request.body, order, (it) =>
      this.#options.order(it, request.peer),
    );
    // Who asks now is not to see what was before.
    for (const verb of ["config_get", "config_diff"]) this.#made.delete(verb);
    return answered;
  }

  /** What this request's token is good for. */
  #access({ mayOrder }: Access): string {
    const hasOrders = this.#options.tokens.levers !== "";
    return JSON.stringify({ ok: true, levers: !hasOrders ? "off" : mayOrder ? "on" : "locked" });
  }

  /** For it the supervisor has the file read and checked, by another process: once in a while, however many ask. */
  async #config(verb: "config_get" | "config_diff"): Promise<HttpAnswer> {
    const order: AdminOrder = verb === "config_get" ? { verb, path: null } : { verb };
    const asked = async (): Promise<string> =>
      JSON.stringify(await this.#options.order(order, "a look"));
    const text = await this.#once(verb, asked, CONFIG_LOOK_MS);
    return answerResult(JSON.parse(text) as ControlResult | null);
  }

  async #overview({ query }: HttpRequest): Promise<HttpAnswer> {
    const body = await this.#options.overview(query.has("history"));
    return { status: 200, type: JSON_TYPE, body };
  }

  async #shownConfig(): Promise<HttpAnswer> {
    const make = async (): Promise<string> => shownConfig(this.#options.source.config);
    // It is that of these pages for ever: another configuration has pages of its own.
    return json(200, await this.#once("config", make, Number.POSITIVE_INFINITY));
  }

  async #events({ header }: HttpRequest): Promise<HttpAnswer> {
    if (header("accept").includes(EVENT_STREAM)) return this.#follow(header("last-event-id"));
    const said = await this.#once("events", async () => {
      const status = await this.#options.ask();
      const events = this.#options.events();
      return status === null ? "" : JSON.stringify({ ok: true, verb: "events", events });
    });
    return said === "" ? refusal(503, "the supervisor does not answer") : json(200, said);
  }

  /** @param last the number of the event that a browser heard last; else all that are kept come first */
  #follow(last: string): HttpAnswer {
    const streams = this.#streams;
    if (streams.isFull) return text(503, "too many follow the events already\n");
    const after = /^\d{1,15}$/.test(last) ? Number(last) : 0;
    const follow = (send: (text: string) => void): (() => void) => streams.follow(after, send);
    return { status: 200, type: EVENT_STREAM, body: "retry: 1000\n\n", follow };
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
    const said = await this.#once("ready", async () => {
      const status = await this.#options.ask();
      const reasons = reasonsAgainst(status, this.#figures().pools);
      return reasons.map((reason) => `${reason}\n`).join("");
    });
    return said === "" ? text(200, "ready\n") : text(503, said);
  }

  /** However many ask, it is made once in a while. */
  #once(name: string, make: () => Promise<string>, keptMs = ADMIN_RENDER_MS): Promise<string> {
    const nowMs = this.#options.nowMs();
    const made = this.#made.get(name);
    if (made !== undefined && nowMs - made.atMs < keptMs) return made.text;
    const text = make();
    this.#made.set(name, { text, atMs: nowMs });
    return text;
  }
}

/** A browser that opens the address gets the page; programs get the list of what there is. */
function isForPage({ method, path, header }: HttpRequest): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  return path === "/page" || (path === "/" && header("accept").includes("text/html"));
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

function refusal(status: number, problem: string): HttpAnswer {
  return json(status, JSON.stringify({ ok: false, problems: [problem] }));
}

function text(status: number, body: string): HttpAnswer {
  return { status, type: TEXT, body };
}

function json(status: number, body: string): HttpAnswer {
  return { status, type: JSON_TYPE, body: `${body}\n` };
}
