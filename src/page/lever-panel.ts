/** What holds besides the configuration file, until when, and how to end it; and the form by which readers with a token have more of it. */
import type { ConfigOption, LeverStatus, SettingStatus } from "../api/control-socket.ts";
import type { Overview } from "../api/overview.ts";
import { orderButton } from "./cells.ts";
import { byId, element, setText } from "./dom.ts";
import { formatAge, formatTime } from "./format.ts";
import type { Order, Orders } from "./orders.ts";
import type { Source } from "./source.ts";
import { Table } from "./table.ts";

interface Held {
  readonly what: string;
  readonly value: string;
  readonly untilMs: number | null;
  readonly by: string;
  readonly atMs: number;
  readonly end: Order;
}

/** What can be done, and which fields of the form say more about it. */
const KINDS: Readonly<
  Record<string, { readonly fields: readonly string[]; readonly time: string }>
> = {
  pause: { fields: ["pool"], time: "5s" },
  readonly: { fields: ["pool"], time: "10m" },
  block: { fields: ["pattern", "pool"], time: "10m" },
  drain: { fields: ["pool", "server"], time: "10m" },
  "log-level": { fields: ["level"], time: "10m" },
  set: { fields: ["option", "value"], time: "10m" },
};
const FIELDS = ["pool", "server", "pattern", "level", "option", "value"];

export class LeverPanel {
  readonly #source: Source;
  readonly #table: Table<Held>;
  readonly #form: HTMLFormElement = byId<HTMLFormElement>("lever-form");
  readonly #unlock: HTMLFormElement = byId<HTMLFormElement>("unlock");
  readonly #kind: HTMLSelectElement = byId<HTMLSelectElement>("lever-kind");
  readonly #pool: HTMLSelectElement = byId<HTMLSelectElement>("lever-pool");
  readonly #server: HTMLSelectElement = byId<HTMLSelectElement>("lever-server");
  readonly #option: HTMLSelectElement = byId<HTMLSelectElement>("lever-option");
  #options: readonly ConfigOption[] = [];
  #clients: ReadonlyMap<string, number> = new Map();
  #nowMs = 0;
  #servers: readonly { readonly pool: string; readonly server: string }[] = [];

  constructor(source: Source, orders: Orders) {
    this.#source = source;
    this.#table = new Table<Held>(byId("held"), {
      columns: [
        { label: "what holds", show: ({ what }) => what },
        { ...{ label: "value", kind: "text", width: 34 }, show: ({ value }) => value },
        { label: "ends", show: ({ untilMs }) => this.#endOf(untilMs) },
        { ...{ label: "by", kind: "name" }, show: ({ by }) => by, isExtra: true },
        { label: "since", show: ({ atMs }) => formatTime(atMs), isExtra: true },
        {
          ...{ label: "end it", kind: "order" },
          show: ({ what, end }) => orderButton("End", `End ${what}`, () => orders.ask(end)),
        },
      ],
      keyOf: ({ what, value, atMs }) => `${what}\n${value}\n${atMs}`,
      empty:
        "No lever is pulled, and no value was set: what runs is the file, as it was read last.",
    });
    this.#kind.addEventListener("change", () => this.#onKind());
    this.#pool.addEventListener("change", () => this.#listServers());
    this.#option.addEventListener("change", () => this.#onOption());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      orders.ask(this.#orderOfForm());
    });
    this.#unlock.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#onToken();
    });
    byId("lock").addEventListener("click", () => source.lock());
    this.#onKind();
  }

  show({ status, atMs, pools, servers }: Overview): void {
    if (status === null) return;
    this.#nowMs = atMs;
    const { settings = [], levers = [] } = status;
    this.#table.show([...levers.map(ofLever), ...settings.map(ofSetting)]);
    this.#clients = new Map(pools.map(({ pool, clients }) => [pool, clients]));
    const names = pools.map(({ pool }) => pool);
    const listed = [...this.#pool.options].map(({ value }) => value).filter((name) => name !== "");
    if (names.join("\n") !== listed.join("\n")) this.#listPools(names);
    this.#servers = servers.map(({ pool, server }) => ({ pool, server }));
    this.#listServers();
  }

  /** @param levers what the token is good for: "on"; "locked": another is needed; "off": the port takes no orders */
  showAccess(levers: string): void {
    this.#form.hidden = levers !== "on";
    this.#unlock.hidden = levers !== "locked";
    byId("lock").hidden = levers !== "on";
    byId("main").classList.toggle("ordered", levers === "on");
    setText(
      byId("levers-off"),
      levers === "off"
        ? "Looking only: this port takes no orders (option levers_token_file). Commands do, on the proxy's machine."
        : "",
    );
  }

  #endOf(untilMs: number | null): string {
    return untilMs === null ? "with the next reload" : `in ${formatAge(untilMs - this.#nowMs)}`;
  }

  #listPools(names: readonly string[]): void {
    const chosen = this.#pool.value;
    const [all] = this.#pool.options;
    const options = names.map((name) => optionOf(name));
    this.#pool.replaceChildren(...(all === undefined ? [] : [all]), ...options);
    this.#pool.value = names.includes(chosen) ? chosen : (names[0] ?? "");
  }

  /** Those of the pool that is chosen. */
  #listServers(): void {
    const names = this.#servers
      .filter(({ pool }) => pool === this.#pool.value)
      .map(({ server }) => server);
    const listed = [...this.#server.options].map(({ value }) => value);
    if (names.join("\n") === listed.join("\n")) return;
    const chosen = this.#server.value;
    this.#server.replaceChildren(...names.map((name) => optionOf(name)));
    if (names.includes(chosen)) this.#server.value = chosen;
  }

  #onKind(): void {
    const { fields = [], time = "" } = KINDS[this.#kind.value] ?? {};
    for (const field of FIELDS) byId(`lever-${field}-label`).hidden = !fields.includes(field);
    byId<HTMLInputElement>("lever-pattern").required = fields.includes("pattern");
    byId<HTMLInputElement>("lever-for").value = time;
    const [all] = this.#pool.options;
    // Only a block holds in all pools at once.
    if (all !== undefined) all.disabled = this.#kind.value !== "block";
    if (this.#kind.value !== "block" && this.#pool.value === "") {
      this.#pool.value = [...this.#clients.keys()][0] ?? "";
    }
    if (fields.includes("option")) void this.#loadOptions();
  }

  async #loadOptions(): Promise<void> {
    try {
      const { options } = JSON.parse(await this.#source.text("config/get")) as {
        readonly options: readonly ConfigOption[];
      };
      this.#options = options.filter(({ isLive }) => isLive);
    } catch (error) {
      setText(byId("told"), `The options cannot be shown: ${(error as Error).message}`);
      return;
    }
    const chosen = this.#option.value;
    this.#option.replaceChildren(...this.#options.map(({ path }) => optionOf(path)));
    if (this.#options.some(({ path }) => path === chosen)) this.#option.value = chosen;
    this.#onOption();
  }

  #onOption(): void {
    byId<HTMLInputElement>("lever-value").value = this.#valueOf(this.#option.value);
  }

  #valueOf(path: string): string {
    return this.#options.find((option) => option.path === path)?.text ?? "";
  }

  #orderOfForm(): Order {
    const value = (field: string): string =>
      byId<HTMLInputElement | HTMLSelectElement>(`lever-${field}`).value.trim();
    const [kind, pool, time] = [this.#kind.value, this.#pool.value, value("for")];
    switch (kind) {
      case "pause":
        return {
          ...{ path: "pause", words: { pool, for: time } },
          ...{ question: `Pause pool ${pool}?`, verb: "Pause" },
          meaning: `Requests of pool ${pool} (${this.#clientsOf(pool)}) wait for ${time} at most, and then go on in their order.`,
        };
      case "readonly":
        return {
          ...{ path: "readonly", words: { pool, for: time } },
          ...{ question: `Make pool ${pool} read-only?`, verb: "Refuse writes" },
          meaning: `What may write is refused in pool ${pool} (${this.#clientsOf(pool)}) for ${time}.`,
        };
      case "block": {
        const pattern = value("pattern");
        const where = pool === "" ? "all pools" : `pool ${pool}`;
        return {
          path: "block",
          words: { pattern, for: time, ...(pool === "" ? {} : { pool }) },
          ...{ question: `Block ${pattern}?`, verb: "Block" },
          meaning: `${pattern} is refused in ${where} for ${time}.`,
        };
      }
      case "drain": {
        const server = value("server");
        return {
          ...{ path: "drain", words: { server, pool, for: time } },
          ...{ question: `Drain server ${server}?`, verb: "Drain" },
          meaning: `Server ${server} of pool ${pool} takes no new requests for ${time}: its keys go to the others. What it has is answered.`,
        };
      }
      case "log-level": {
        const level = value("level");
        return {
          ...{ path: "log-level", words: { level, for: time } },
          ...{ question: `Log from ${level} on?`, verb: "Log so" },
          meaning: `All processes log what is ${level} or graver, for ${time}.`,
        };
      }
      default:
        return this.#setting(this.#option.value, value("value"), time);
    }
  }

  #setting(path: string, value: string, time: string): Order {
    return {
      ...{ path: "config/set", words: { path, value, for: time } },
      ...{ question: `Set ${path}?`, verb: "Set" },
      meaning: `${path}: ${this.#valueOf(path)} becomes ${value} in all workers, for ${time}; then what holds now comes back.`,
    };
  }

  #clientsOf(pool: string): string {
    const clients = this.#clients.get(pool) ?? 0;
    return `${clients} ${clients === 1 ? "client" : "clients"}`;
  }

  async #onToken(): Promise<void> {
    const field = byId<HTMLInputElement>("lever-token");
    const refused = byId("lever-refused");
    setText(refused, "");
    try {
      const isRight = await this.#source.unlock(field.value);
      setText(refused, isRight ? "" : "This is not the token for levers.");
      if (isRight) field.value = "";
    } catch (error) {
      setText(refused, `It cannot be tried: ${(error as Error).message}`);
    }
  }
}

function optionOf(name: string): HTMLOptionElement {
  const option = element("option", "", name);
  option.value = name;
  return option;
}

function ofLever(lever: LeverStatus): Held {
  const { id, kind, pool, text, untilMs, atMs } = lever;
  const what = `${kind} ${pool ?? "all pools"}`;
  return {
    ...{ what, value: text, untilMs, atMs, by: authorOf(lever) },
    end: {
      ...{ path: "release", words: { lever: id } },
      ...{ question: `End ${what}?`, verb: "End it" },
      meaning: `${what}${text === "" ? "" : ` (${text})`} ends now.`,
    },
  };
}

function ofSetting(setting: SettingStatus): Held {
  const { path, text, untilMs, atMs } = setting;
  return {
    ...{ what: path, value: text, untilMs, atMs, by: authorOf(setting) },
    end: {
      ...{ path: "config/unset", words: { path } },
      ...{ question: `Take ${path} back?`, verb: "Take it back" },
      meaning: `${path} is what the file says again, in all workers.`,
    },
  };
}

function authorOf({ uid, by }: { readonly uid: number; readonly by?: string }): string {
  return by ?? (uid === -1 ? "a signal" : `user ${uid}`);
}
