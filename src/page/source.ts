/** Asks for what the page shows, once a second while it is seen. */
import type { Overview } from "../api/overview.ts";

export interface SourceEvents {
  onOverview(overview: Overview): void;
  /** There is no answer. `reason`: in words for the reader. */
  onSilence(reason: string): void;
  /** A token is needed. `wasWrong`: the one that was given is not right. */
  onLocked(wasWrong: boolean): void;
  /** What the token is good for besides looking: "on", "locked" or "off", as `/access` says it. */
  onAccess(levers: string): void;
}

const EACH_MS = 1_000;
const TIMEOUT_MS = 5_000;
/** Of an order: it is answered when all workers follow it. */
const ORDER_TIMEOUT_MS = 40_000;
/** After a break of so long, the seconds that were missed are asked for, too. */
const MISSED_MS = 10_000;
const TOKEN_KEY = "proxy-token";

export class Source {
  readonly #events: SourceEvents;
  #token: string;
  /** What it was before the one for levers. */
  #tokenForLooks = "";
  /** The generation whose access is known: another configuration may have other tokens. */
  #knownGeneration: number | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #heardMs = Number.NEGATIVE_INFINITY;
  #isPaused = false;
  #isAsking = false;
  #isLocked = false;

  constructor(events: SourceEvents) {
    this.#events = events;
    this.#token = tokenOfAddress() ?? sessionStorage.getItem(TOKEN_KEY) ?? "";
    document.addEventListener("visibilitychange", () => this.ask());
  }

  set token(token: string) {
    this.#token = token;
    this.#isLocked = false;
    this.#knownGeneration = null;
    this.ask();
  }

  /** @returns whether it is the token for levers; then it is this page's from now on. @throws Error with the reason in words */
  async unlock(token: string): Promise<boolean> {
    const response = await this.#fetch("access", token);
    if (!response.ok) return false;
    const { levers } = (await response.json()) as { readonly levers: string };
    if (levers !== "on") return false;
    this.#tokenForLooks = this.#token;
    this.token = token;
    return true;
  }

  /** Forgets the token for levers. */
  lock(): void {
    sessionStorage.removeItem(TOKEN_KEY);
    this.token = this.#tokenForLooks;
  }

  /** Has the proxy do something. @returns what it says. @throws Error: there is no answer, in words */
  async order(path: string, words: object): Promise<unknown> {
    const response = await this.#fetch(path, this.#token, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(words),
      signal: AbortSignal.timeout(ORDER_TIMEOUT_MS),
    });
    if (response.status === 401) this.#lock();
    const text = await response.text();
    if (!text.startsWith("{")) throw new Error(`${response.status}: ${text.trim()}`);
    return JSON.parse(text);
  }

  set isPaused(isPaused: boolean) {
    this.#isPaused = isPaused;
    this.ask();
  }

  /** Now, and from then on each second. */
  ask(): void {
    clearTimeout(this.#timer);
    if (this.#isAsking || this.#isPaused || this.#isLocked || document.hidden) return;
    void this.#ask();
  }

  /** Another path's text, as it is now. @throws Error with the reason in words */
  async text(path: string): Promise<string> {
    const response = await this.#fetch(path);
    const text = await response.text();
    if (!response.ok) throw new Error(`${response.status}: ${text.trim()}`);
    return text;
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    const startedMs = performance.now();
    const isLate = startedMs - this.#heardMs > MISSED_MS;
    try {
      const response = await this.#fetch(isLate ? "overview?history" : "overview");
      if (response.status === 401) this.#lock();
      else if (!response.ok) this.#events.onSilence(`it answers ${response.status}`);
      else {
        const overview = (await response.json()) as Overview;
        this.#heardMs = startedMs;
        if (this.#token !== "") sessionStorage.setItem(TOKEN_KEY, this.#token);
        this.#events.onOverview(overview);
        await this.#askAccess(overview.status?.generation ?? 0);
      }
    } catch (error) {
      this.#events.onSilence((error as Error).message);
    }
    this.#isAsking = false;
    clearTimeout(this.#timer);
    const restMs = EACH_MS - (performance.now() - startedMs);
    this.#timer = setTimeout(() => this.ask(), Math.max(EACH_MS / 5, restMs));
  }

  async #askAccess(generation: number): Promise<void> {
    if (generation === this.#knownGeneration) return;
    const response = await this.#fetch("access");
    // A proxy that is older than orders has no such path.
    const { levers } = response.ok
      ? ((await response.json()) as { readonly levers: string })
      : { levers: "off" };
    this.#knownGeneration = generation;
    this.#events.onAccess(levers);
  }

  #lock(): void {
    this.#isLocked = true;
    sessionStorage.removeItem(TOKEN_KEY);
    this.#events.onLocked(this.#token !== "");
  }

  #fetch(path: string, token: string = this.#token, init: RequestInit = {}): Promise<Response> {
    const { headers = {}, ...rest } = init;
    const authorization = token === "" ? {} : { Authorization: `Bearer ${token}` };
    return fetch(`/${path}`, {
      ...{ cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(TIMEOUT_MS) },
      ...{ ...rest, headers: { ...headers, ...authorization } },
    });
  }
}

/** `#token=…`: browsers do not send what stands there. It is taken out of the address, so that it is in no history. */
function tokenOfAddress(): string | null {
  const token = new URLSearchParams(location.hash.substring(1)).get("token");
  if (token !== null) history.replaceState(null, "", location.pathname);
  return token;
}
