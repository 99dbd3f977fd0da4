/** Who may do what over HTTP: tokens, and where a browser's request comes from. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { HttpRequest } from "./http-request.ts";

/** "": no such token is asked for; null: there should be one, and it could not be read, so none is right. */
type Token = string | null;

export interface Tokens {
  /** With it one may look. */
  readonly look: Token;
  /** With it one may look and order. "": there are no orders over HTTP. */
  readonly levers: Token;
}

export interface Access {
  readonly mayLook: boolean;
  readonly mayOrder: boolean;
  /** With one of the tokens. */
  readonly isByToken: boolean;
}

export function accessOf({ look, levers }: Tokens, request: HttpRequest): Access {
  const given = /^Bearer +(\S+)$/i.exec(request.header("authorization"))?.[1] ?? "";
  // Both are compared in any case, so that the time tells nothing.
  const [isLook, mayOrder] = [isSame(given, look), isSame(given, levers)];
  const isByToken = isLook || mayOrder;
  return { mayLook: look === "" || isByToken, mayOrder, isByToken };
}

function isSame(given: string, token: Token): boolean {
  if (given === "" || token === "" || token === null) return false;
  // Of equal length whatever is given, so that the time tells nothing.
  const digest = (value: string): Buffer => createHash("sha256").update(value).digest();
  return timingSafeEqual(digest(given), digest(token));
}

/**
 * A page of any site can have a browser ask this port, under the site's own name if that is made to lead here (DNS rebinding). Then the browser
 * lets the page read the answer. An address, or `localhost`, no site can have as its name.
 */
export function isOwnName(host: string): boolean {
  const name = host.replace(/:\d+$/, "");
  return name === "" || name === "localhost" || name.startsWith("[") || /^[\d.]+$/.test(name);
}

/** False: a browser says that a page of another address sent it. Orders need a token in any case, which no such page has. */
export function isOfThisPage({ header }: HttpRequest): boolean {
  const [origin, site] = [header("origin"), header("sec-fetch-site")];
  if (site !== "" && site !== "same-origin" && site !== "none") return false;
  if (origin === "") return true;
  return URL.canParse(origin) && new URL(origin).host === header("host").toLowerCase();
}
