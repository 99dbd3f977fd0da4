/** Levers on the page, in Chromium: who may pull them, that each is said and confirmed, and what came of it. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium, type Page, type Route } from "playwright-core";
import { faultsOfPage } from "../support/page-audit.ts";
import { type PageScenario, startPageScenario } from "../support/page-scenario.ts";
import { statusOf } from "../support/run-command.ts";
import { makeDirectory } from "../support/server-process.ts";
import { smallPng } from "../support/small-png.ts";
import { stopAll } from "../support/upgrade-rig.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(180_000);

const TOKEN = "a-token-that-pulls-levers";
/** Where pictures for the documents go; none are made without. */
const PICTURES = process.env["PAGE_PICTURES"] ?? "";

let browser: Browser;
let scenario: PageScenario;
/** What the pages of a test wrote to the console as errors or warnings. */
const complaints: string[] = [];

beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    // Root has no sandbox, and small machines little shared memory.
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-lcd-text"],
  });
  const file = join(makeDirectory("page-levers"), "token");
  writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
  scenario = await startPageScenario({ slowMs: 5, adminLines: [`levers_token_file: ${file}`] });
});
// A browser tells of each answer that is no success.
afterEach(() => {
  expect(complaints.splice(0).filter((text) => !/status of (409|401)/.test(text))).toEqual([]);
});
afterAll(async () => {
  await browser.close();
  await stopAll();
});

async function open(scheme: "light" | "dark" = "light"): Promise<Page> {
  const page = await browser.newPage({
    ...{ colorScheme: scheme, viewport: { width: 1280, height: 800 } },
  });
  page.setDefaultTimeout(60_000);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  if (PICTURES !== "") await page.route("**/overview*", hidePath);
  await page.goto(scenario.address);
  await page.locator("#clients td").first().waitFor();
  return page;
}

/** Where the test keeps its files is of no interest to readers. */
async function hidePath(route: Route): Promise<void> {
  const text = await (await route.fetch()).text();
  const body = text.replaceAll(scenario.proxy.configFile, "/etc/proxy/proxy.yaml");
  await route.fulfill({ body, contentType: "application/json" });
}

async function unlocked(scheme: "light" | "dark" = "light"): Promise<Page> {
  const page = await open(scheme);
  await page.locator("#lever-token").fill(TOKEN);
  await page.locator("#unlock button").click();
  await page.locator("#lever-form").waitFor();
  return page;
}

async function ask(page: Page, kind: string, pool: string, time: string): Promise<void> {
  await page.locator("#lever-kind").selectOption(kind);
  await page.locator("#lever-pool").selectOption(pool);
  await page.locator("#lever-for").fill(time);
  await page.locator("#lever-form button[type=submit]").click();
  await page.locator("#confirm").waitFor();
}

async function levers(): Promise<string[]> {
  const { levers: held = [] } = await statusOf(scenario.proxy);
  return held.map(({ kind, pool }) => `${kind} ${pool}`);
}

test("without the token for levers the page only looks; with it there are buttons, until it is locked", async () => {
  const page = await open();
  await page.locator("#unlock").waitFor();
  expect(await page.locator("#lever-form").isVisible()).toBe(false);
  expect(await page.locator("#clients td.order").first().isVisible()).toBe(false);
  await page.locator("#lever-token").fill("another-token-of-some-length");
  await page.locator("#unlock button").click();
  await page.locator("#lever-refused", { hasText: "not the token for levers" }).waitFor();
  expect(await page.locator("#lever-form").isVisible()).toBe(false);
  await page.locator("#lever-token").fill(TOKEN);
  await page.locator("#unlock button").click();
  await page.locator("#lever-form").waitFor();
  expect(await page.locator("#unlock").isVisible()).toBe(false);
  expect(await page.locator("#lever-token").inputValue()).toBe("");
  expect(await page.locator("#clients td.order button").first().isVisible()).toBe(true);
  // It stays in the tab.
  await page.reload();
  await page.locator("#lever-form").waitFor();
  await page.locator("#lock").click();
  await page.locator("#unlock").waitFor();
  expect(await page.evaluate("sessionStorage.length")).toBe(0);
  await page.close();
});

test("a lever is said in words, does nothing when it is cancelled, counts down, and is ended", async () => {
  const page = await unlocked();
  await ask(page, "readonly", "sessions", "100s");
  expect(await page.locator("#confirm-title").innerText()).toBe("Make pool sessions read-only?");
  expect(await page.locator("#confirm-meaning").innerText()).toMatch(
    /^What may write is refused in pool sessions \(\d+ clients?\) for 100s\.$/,
  );
  expect(await page.evaluate("document.activeElement.id")).toBe("confirm-cancel");
  await page.keyboard.press("Escape");
  await page.locator("#confirm").waitFor({ state: "hidden" });
  expect(await levers()).toEqual([]);
  await ask(page, "readonly", "sessions", "100s");
  await page.locator("#confirm-give").click();
  await page.locator("#told", { hasText: "Done: What may write is refused" }).waitFor();
  const row = page.locator("#held tr", { hasText: "readonly sessions" });
  await row.waitFor();
  expect(await levers()).toEqual(["readonly sessions"]);
  expect(await row.innerText()).toContain("admin port, 127.0.0.1:");
  const left = async (): Promise<number> =>
    Number(/in (\d+) s/.exec(await row.innerText())?.[1] ?? 0);
  const first = await left();
  expect(first).toBeGreaterThan(60);
  while ((await left()) >= first) await page.waitForTimeout(100);
  await page.locator("#findings-list li", { hasText: "readonly" }).first().waitFor();
  await row.locator("button").click();
  await page.locator("#confirm-give").click();
  await row.waitFor({ state: "detached" });
  expect(await levers()).toEqual([]);
  await page.close();
});

test("a server is drained, and takes requests again", async () => {
  const page = await unlocked();
  await page.locator("#lever-kind").selectOption("pause");
  expect(await page.locator("#lever-server").isVisible()).toBe(false);
  await page.locator("#lever-kind").selectOption("drain");
  await page.locator("#lever-pool").selectOption("cache");
  const listed = page.locator("#lever-server option");
  expect(await listed.allInnerTexts()).toEqual(["cache-1", "cache-2", "cache-3"]);
  await page.locator("#lever-server").selectOption("cache-3");
  // What is chosen stays chosen when the figures are new.
  await page.waitForResponse((response) => response.url().includes("/overview"));
  await ask(page, "drain", "cache", "100s");
  expect(await page.locator("#confirm-title").innerText()).toBe("Drain server cache-3?");
  expect(await page.locator("#confirm-meaning").innerText()).toMatch(/cache-3 .*pool cache.*100s/);
  await page.locator("#confirm-give").click();
  const row = page.locator("#held tr", { hasText: "drain cache" });
  await row.waitFor();
  expect(await levers()).toEqual(["drain cache"]);
  expect(await row.innerText()).toContain("cache-3");
  await row.locator("button").click();
  await page.locator("#confirm-give").click();
  await row.waitFor({ state: "detached" });
  expect(await levers()).toEqual([]);
  await page.close();
});

test("what cannot be done is said where it was asked for, and can be tried again", async () => {
  const page = await unlocked();
  await ask(page, "pause", "cache", "5m");
  await page.locator("#confirm-give").click();
  await page.locator("#confirm-fault", { hasText: "too long" }).waitFor();
  expect(await page.locator("#confirm-give").isEnabled()).toBe(true);
  await page.locator("#confirm-cancel").click();
  await page.locator("#lever-kind").selectOption("set");
  await page.locator("#lever-option").selectOption("pools.sessions.timeout");
  expect(await page.locator("#lever-value").inputValue()).toBe("300ms");
  await page.locator("#lever-value").fill("soon");
  await page.locator("#lever-form button[type=submit]").click();
  await page.locator("#confirm-give").click();
  await page.locator("#confirm-fault", { hasText: "Not done" }).waitFor();
  await page.locator("#confirm-cancel").click();
  await page.locator("#lever-value").fill("900ms");
  await page.locator("#lever-form button[type=submit]").click();
  expect(await page.locator("#confirm-meaning").innerText()).toStartWith(
    "pools.sessions.timeout: 300ms becomes 900ms in all workers, for 10m",
  );
  await page.locator("#confirm-give").click();
  await page.locator("#held tr", { hasText: "pools.sessions.timeout" }).waitFor();
  await page.locator("#config summary", { hasText: "Against the file" }).click();
  await page.locator("#config pre", { hasText: "timeout: 300ms → 900ms" }).waitFor();
  // What reaches no proxy is told as what is not known.
  await page.route("**/config/unset", (route) => route.abort());
  const held = page.locator("#held tr", { hasText: "pools.sessions.timeout" });
  await held.locator("button").click();
  await page.locator("#confirm-give").click();
  await page.locator("#confirm-fault", { hasText: "see whether it holds" }).waitFor();
  complaints.splice(0);
  await page.unroute("**/config/unset");
  await page.locator("#confirm-give").click();
  await held.waitFor({ state: "detached" });
  await page.close();
});

test("a client is disconnected by its own button", async () => {
  const page = await unlocked();
  const row = page.locator("#clients tr", { hasText: "login" });
  const address = (await row.locator("td").first().innerText()).trim();
  await row.locator("button").click();
  expect(await page.locator("#confirm-meaning").innerText()).toContain(`client ${address} (login)`);
  await page.locator("#confirm-give").click();
  await page.locator("#told", { hasText: "is disconnected at once" }).waitFor();
  await page.locator("#clients td", { hasText: address }).waitFor({ state: "detached" });
  await page.close();
});

test("all of it is named for screen readers, readable in both schemes, and done with a keyboard", async () => {
  for (const scheme of ["light", "dark"] as const) {
    const page = await unlocked(scheme);
    await page.locator("#lever-kind").selectOption("block");
    await page.locator("#lever-pattern").fill("DEL user:*");
    await ask(page, "block", "", "10m");
    expect([scheme, await faultsOfPage(page)]).toEqual([scheme, []]);
    await page.close();
  }
  const page = await unlocked();
  await page.locator("#lever-kind").focus();
  await page.locator("#lever-kind").selectOption("block");
  await page.keyboard.press("Tab");
  await page.keyboard.type("DEL user:*");
  for (let n = 0; n < 3; n++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.locator("#confirm").waitFor();
  expect(await page.locator("#confirm-meaning").innerText()).toContain("DEL user:* is refused in");
  expect(await faultsOfPage(page)).toEqual([]);
  if (PICTURES !== "") {
    mkdirSync(PICTURES, { recursive: true });
    await page.locator("#levers").scrollIntoViewIfNeeded();
    writeFileSync(join(PICTURES, "page-levers.png"), smallPng(await page.screenshot()));
  }
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.locator("#held tr", { hasText: "block" }).waitFor();
  // Back where it was asked for.
  expect(await page.evaluate("document.activeElement.closest('form')?.id")).toBe("lever-form");
  await page.locator("#held tr button").first().focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.locator("#held tr", { hasText: "block" }).waitFor({ state: "detached" });
  await page.close();
});
