/** The page as people see it: in Chromium, with a proxy in trouble of every kind. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { faultsOfPage } from "../support/page-audit.ts";
import { HOSTILE_NAME, type PageScenario, startPageScenario } from "../support/page-scenario.ts";
import { mustRun } from "../support/run-command.ts";
import { makeDirectory } from "../support/server-process.ts";
import { smallPng } from "../support/small-png.ts";
import { stopAll, stops } from "../support/upgrade-rig.ts";

// Many processes on a machine that may be busy.
setDefaultTimeout(180_000);

const SLOW_MS = 40;
const TOKEN = "a-token-of-some-length";
/** Where pictures for the documents go; none are made without. */
const PICTURES = process.env["PAGE_PICTURES"] ?? "";
const PICTURE_BYTES_MAX = 150_000;
/** The history that is to be seen in them. */
const PICTURE_HISTORY_MS = 64_000;

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
  scenario = await startPageScenario({ slowMs: SLOW_MS });
});
afterEach(() => expect(complaints.splice(0)).toEqual([]));
afterAll(async () => {
  await browser.close();
  await stopAll();
});

interface View {
  readonly scheme?: "light" | "dark";
  readonly width?: number;
  readonly height?: number;
}

async function open(address: string, view: View = {}): Promise<Page> {
  const { scheme = "light", width = 1280, height = 800 } = view;
  const page = await browser.newPage({ colorScheme: scheme, viewport: { width, height } });
  page.setDefaultTimeout(60_000);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(address);
  return page;
}

function findings(page: Page): Promise<string[]> {
  return page.locator("#findings-list li").allInnerTexts();
}

/** Until one of the findings has the text. */
async function finds(page: Page, text: string): Promise<void> {
  await page.locator("#findings-list li", { hasText: text }).first().waitFor();
}

test("it tells the slow server, the one that is gone, the noisy client and the hot key", async () => {
  const page = await open(scenario.address);
  await finds(page, "cache: server cache-3 is slow");
  await finds(page, "sessions: server sessions-2 is in trouble");
  await finds(page, "(nightly-import) sends");
  await finds(page, "key front-page is hot");
  expect((await findings(page))[0]).toContain("Bad");
  const row = page.locator("#servers tr", { hasText: "cache-3" });
  expect(await row.getAttribute("class")).toBe("warn");
  expect(await row.innerText()).toContain("slow");
  await page.locator("#slow td", { hasText: "cache-3" }).first().waitFor();
  await page.locator("#hotkeys td", { hasText: "front-page" }).first().waitFor();
  await page.locator("#clients td", { hasText: "nightly-import" }).first().waitFor();
  expect(await page.locator("#rate-chart canvas").count()).toBe(1);
  expect(await page.locator("#events td", { hasText: "ready version" }).count()).toBe(1);
  await page.close();
});

test("what clients choose is text, whatever stands in it", async () => {
  const page = await open(scenario.address);
  await page.locator("#clients td", { hasText: HOSTILE_NAME }).first().waitFor();
  expect(await page.locator("main img, main script, main iframe").count()).toBe(0);
  expect(await page.evaluate("typeof alerted")).toBe("undefined");
  await page.close();
});

test("hostile pools, servers and keys in an answer are text, too", async () => {
  const address = `${scenario.address}/page`;
  const bad = `<img src=x onerror="globalThis.alerted=1"></script><script>alerted=1</script>`;
  const page = await open("about:blank");
  await page.route("**/overview*", async (route) => {
    const answer = (await (await route.fetch()).json()) as Record<string, unknown>;
    const text = JSON.stringify(answer)
      .replaceAll("cache-3", JSON.stringify(bad).slice(1, -1))
      .replaceAll('"cache"', JSON.stringify(bad))
      .replaceAll('"sessions"', '"__proto__"');
    await route.fulfill({ body: text, contentType: "application/json" });
  });
  await page.goto(address);
  await page.locator("#servers td", { hasText: "onerror" }).first().waitFor();
  await page.locator("#pool").selectOption(bad);
  await page.locator("#pool").selectOption("__proto__");
  await page.locator("#servers td", { hasText: "__proto__" }).first().waitFor();
  expect(await page.locator("main img, main script, main iframe, header img").count()).toBe(0);
  expect(await page.evaluate("typeof alerted")).toBe("undefined");
  // An answer that its handler still changes would be lost when the page closes.
  await page.unrouteAll({ behavior: "wait" });
  await page.close();
});

test("a pool, a window and an order are chosen; a pause keeps what is shown", async () => {
  const page = await open(scenario.address);
  await page.locator("#servers td", { hasText: "cache-3" }).first().waitFor();
  await page.locator("#pool").selectOption("sessions");
  await page.locator("#servers tr", { hasText: "cache-3" }).waitFor({ state: "detached" });
  await page.locator("#pool").selectOption("");
  await page.locator("#window").selectOption("60");
  await page.locator("#servers th button", { hasText: "p99" }).first().click();
  await page.locator('#servers th[aria-sort="descending"]').waitFor();
  await page.locator("#servers tbody tr:first-child", { hasText: "cache-3" }).waitFor();
  await page.locator("#pause").click();
  expect(await page.locator("#pause").getAttribute("aria-pressed")).toBe("true");
  let asked = 0;
  page.on("request", () => {
    asked += 1;
  });
  await Bun.sleep(2500);
  expect(asked).toBeLessThanOrEqual(1);
  await page.locator("#pause").click();
  await page.waitForRequest("**/overview*");
  await page.locator("#config summary", { hasText: "JSON" }).click();
  await page.locator("#config pre", { hasText: '"pools"' }).waitFor();
  await page.close();
});

test("it is usable with a keyboard, named for screen readers, and readable in both schemes", async () => {
  for (const scheme of ["light", "dark"] as const) {
    for (const width of [1280, 390]) {
      const page = await open(scenario.address, { scheme, width });
      await finds(page, "cache-3 is slow");
      await page.locator("#clients td").first().waitFor();
      expect([scheme, width, await faultsOfPage(page)]).toEqual([scheme, width, []]);
      await page.close();
    }
  }
  const page = await open(scenario.address);
  await page.locator("#servers th button").first().waitFor();
  const reached: string[] = [];
  for (let n = 0; n < 60; n++) {
    await page.keyboard.press("Tab");
    reached.push(
      (await page.evaluate(
        "document.activeElement.id || document.activeElement.textContent",
      )) as string,
    );
  }
  for (const name of ["Skip to what stands out", "pool", "window", "pause", "p99"]) {
    expect(reached).toContain(name);
  }
  await page.close();
});

test("with a token it asks for it, keeps it in the tab, and says when it is wrong", async () => {
  const file = join(makeDirectory("page-token"), "token");
  writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
  const before = stops.length;
  const locked = await startPageScenario({ slowMs: 1, adminLines: [`token_file: ${file}`] });
  const page = await open(locked.address);
  await page.locator("#login").waitFor();
  expect(await page.locator("#main").isVisible()).toBe(false);
  await page.locator("#token").fill("another-token-of-some-length");
  await page.locator("#login button").click();
  await page.locator("#refused", { hasText: "not the right one" }).waitFor();
  await page.locator("#token").fill(TOKEN);
  await page.locator("#login button").click();
  await page.locator("#servers td", { hasText: "cache-1" }).first().waitFor();
  await page.reload();
  await page.locator("#servers td", { hasText: "cache-1" }).first().waitFor();
  await page.close();
  const other = await open(`${locked.address}/#token=${TOKEN}`);
  await other.locator("#servers td", { hasText: "cache-1" }).first().waitFor();
  expect(other.url()).toBe(`${locked.address}/`);
  await other.close();
  // A browser tells of each answer that is no success.
  const refusals = complaints.splice(0);
  expect(refusals.filter((text) => !text.includes("401"))).toEqual([]);
  for (const stop of stops.splice(before).reverse()) await stop();
});

test("over a change of the admin process it goes on, and says so while there is no answer", async () => {
  const page = await open(scenario.address);
  await finds(page, "cache-3 is slow");
  await page.route("**/overview*", (route) => route.abort());
  await page.locator("#trouble", { hasText: "has not answered" }).waitFor();
  await page.unroute("**/overview*");
  await page.locator("#trouble").waitFor({ state: "hidden" });
  const { configFile } = scenario.proxy;
  writeFileSync(configFile, `${readFileSync(configFile, "utf8")}    preconnect: true\n`);
  await mustRun(scenario.proxy, "reload");
  await page.locator("#events td", { hasText: "reload done" }).first().waitFor();
  await page.close();
  const failures = complaints.splice(0);
  expect(failures.filter((text) => !text.includes("Failed to load resource"))).toEqual([]);
});

test("nothing is wider than the screen of a phone; pictures for the documents are small", async () => {
  const page = await open(scenario.address, { width: 390, height: 844 });
  await finds(page, "cache-3 is slow");
  await page.locator("#clients td").first().waitFor();
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(390);
  await page.close();
  if (PICTURES === "") return;
  mkdirSync(PICTURES, { recursive: true });
  await Bun.sleep(PICTURE_HISTORY_MS / 2);
  const { configFile } = scenario.proxy;
  writeFileSync(configFile, `${readFileSync(configFile, "utf8")}    tcpkeepalive: true\n`);
  await mustRun(scenario.proxy, "reload");
  await Bun.sleep(PICTURE_HISTORY_MS / 4);
  process.kill(scenario.proxy.workerPids()[0]!, "SIGKILL");
  await Bun.sleep(PICTURE_HISTORY_MS / 4);
  const views = [
    ["page-light", { scheme: "light" }],
    ["page-dark", { scheme: "dark" }],
    ["page-phone", { scheme: "dark", width: 390, height: 844 }],
  ] as const;
  for (const [name, view] of views) {
    const shown = await open("about:blank", view);
    // Where the test keeps its files is of no interest to readers.
    await shown.route("**/overview*", async (route) => {
      const text = await (await route.fetch()).text();
      const body = text.replaceAll(configFile, "/etc/proxy/proxy.yaml");
      await route.fulfill({ body, contentType: "application/json" });
    });
    await shown.goto(scenario.address);
    await finds(shown, "cache-3 is slow");
    await shown.locator("#clients td").first().waitFor();
    await Bun.sleep(6000);
    const picture = smallPng(await shown.screenshot());
    expect(picture.length).toBeLessThan(PICTURE_BYTES_MAX);
    writeFileSync(join(PICTURES, `${name}.png`), picture);
    await shown.close();
  }
});
