/** What makes a page hard to use for people who do not see it, or see little: roles, names and contrast. */
import type { Page } from "playwright-core";

/** By WCAG 2 AA, for text of usual size. */
const CONTRAST_MIN = 4.5;

/** One line for each fault in what is visible now. */
export async function faultsOfPage(page: Page): Promise<string[]> {
  return (await page.evaluate(`(${AUDIT})(${CONTRAST_MIN})`)) as string[];
}

/** It runs in the page, where the tests' own types do not hold. */
const AUDIT = `(contrastMin) => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const isVisible = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const show = (node) => node.outerHTML.substring(0, 120);
  const textOf = (ids) =>
    (ids ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ").trim();
  const nameOf = (node) =>
    (node.getAttribute("aria-label") ?? "").trim() || textOf(node.getAttribute("aria-labelledby")) ||
    [...(node.labels ?? [])].map((label) => label.textContent).join(" ").trim() ||
    (node.matches("button, summary, a") ? node.textContent.trim() : "");
  if (!document.documentElement.lang) faults.push("the page has no language");
  if (document.title === "") faults.push("the page has no title");
  if (all("h1").filter(isVisible).length !== 1) faults.push("there is not one h1");
  if (all("main").filter(isVisible).length !== 1) faults.push("there is not one main");
  const ids = all("[id]").map(({ id }) => id);
  for (const id of new Set(ids.filter((id, index) => ids.indexOf(id) !== index))) {
    faults.push("the id " + id + " is there twice");
  }
  const named = "button, select, input, a, summary, [role=img], [role=region], main section, table";
  for (const node of all(named).filter(isVisible)) {
    if (nameOf(node) === "") faults.push("no name: " + show(node));
  }
  for (const node of all("[aria-labelledby]")) {
    if (textOf(node.getAttribute("aria-labelledby")) === "") faults.push("named by nothing: " + show(node));
  }
  for (const node of all("th")) if (node.scope === "") faults.push("no scope: " + show(node));
  for (const node of all("[tabindex]")) if (node.tabIndex > 0) faults.push("tabindex: " + show(node));
  for (const node of all("svg, .meter")) {
    if (node.closest("[aria-hidden=true]") === null) faults.push("drawn, and not hidden: " + show(node));
  }
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const groundOf = (node) => {
    for (let at = node; at !== null; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() === "" || seen.has(node) || !isVisible(node)) continue;
    if (node.matches("script, style, option")) continue;
    seen.add(node);
    const [a, b] = [luminance(parse(getComputedStyle(node).color)), luminance(groundOf(node))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < contrastMin) faults.push("contrast " + contrast.toFixed(2) + ": " + show(node));
  }
  return faults;
}`;
