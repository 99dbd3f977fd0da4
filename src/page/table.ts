/** A table whose rows stay where they are while their cells change, and that is sorted by a press on a heading. */
import { element, setClass, setText } from "./dom.ts";

export interface Column<Row> {
  readonly label: string;
  /** What the heading means, as its tooltip. */
  readonly title?: string;
  /** A text, or what draws into the cell. */
  readonly show: (row: Row) => string | ((cell: HTMLTableCellElement) => void);
  /** Absent: the table cannot be sorted by it. */
  readonly by?: (row: Row) => number | string;
  /**
   * `name`: it takes as much room as it needs, up to a bound; `text`: what there is, see `width`; `order`: a button, and only for readers
   * who may give orders.
   */
  readonly kind?: "number" | "name" | "text" | "order";
  /** Of the table's width, in percent: for texts, which would take none beyond their column's heading. */
  readonly width?: number;
  /** Left out on small screens. */
  readonly isExtra?: boolean;
}

export interface TableOptions<Row> {
  readonly columns: readonly Column<Row>[];
  readonly keyOf: (row: Row) => string;
  /** "bad", "warn" or "". */
  readonly classOf?: (row: Row) => string;
  /** What is said when there are no rows. */
  readonly empty: string;
}

export class Table<Row> {
  readonly #options: TableOptions<Row>;
  readonly #scroll: HTMLDivElement;
  readonly #table: HTMLTableElement;
  readonly #body: HTMLTableSectionElement = element("tbody");
  readonly #empty: HTMLParagraphElement;
  readonly #aside: HTMLSpanElement = element("span", "aside");
  #lines: Map<string, HTMLTableRowElement> = new Map();
  #rows: readonly Row[] = [];
  #sort: { readonly column: number; readonly isDown: boolean } | null = null;
  readonly #headings: HTMLTableCellElement[] = [];

  /** @param panel a section with a heading, to which the table is added */
  constructor(panel: HTMLElement, options: TableOptions<Row>) {
    this.#options = options;
    this.#empty = element("p", "empty", options.empty);
    this.#table = element("table", "", this.#makeHead(), this.#body);
    this.#scroll = element("div", "scroll", this.#table);
    const title = panel.querySelector("h2");
    const name = title?.textContent ?? panel.getAttribute("aria-label") ?? panel.id;
    this.#scroll.tabIndex = 0;
    this.#scroll.setAttribute("role", "region");
    this.#scroll.setAttribute("aria-label", name);
    this.#table.setAttribute("aria-label", name);
    title?.append(this.#aside);
    panel.append(this.#scroll, this.#empty);
    this.show([]);
  }

  /** @param aside a remark beside the heading */
  show(rows: readonly Row[], aside = ""): void {
    this.#rows = rows;
    setText(this.#aside, aside);
    this.#empty.hidden = rows.length > 0;
    this.#scroll.hidden = rows.length === 0;
    this.#render();
  }

  #makeHead(): HTMLTableSectionElement {
    const line = element("tr");
    for (const [index, column] of this.#options.columns.entries()) {
      const { label, title, by, kind, width, isExtra } = column;
      const heading = element("th", classOf(kind, isExtra === true));
      heading.scope = "col";
      if (title !== undefined) heading.title = title;
      if (width !== undefined) heading.style.width = `${width}%`;
      if (by === undefined) heading.append(label);
      else {
        const button = element("button", "", label);
        button.type = "button";
        button.addEventListener("click", () => this.#sortBy(index));
        heading.append(button);
      }
      this.#headings.push(heading);
      line.append(heading);
    }
    return element("thead", "", line);
  }

  /** The most first; a second press turns it round, and a third has the rows as they come. */
  #sortBy(column: number): void {
    const isSame = this.#sort?.column === column;
    if (!isSame) this.#sort = { column, isDown: true };
    else this.#sort = this.#sort?.isDown === true ? { column, isDown: false } : null;
    for (const [index, heading] of this.#headings.entries()) {
      if (this.#sort?.column !== index) heading.removeAttribute("aria-sort");
      else heading.setAttribute("aria-sort", this.#sort.isDown ? "descending" : "ascending");
    }
    this.#render();
  }

  #render(): void {
    const { keyOf, classOf: lineClass, columns } = this.#options;
    const old = this.#lines;
    this.#lines = new Map();
    let at: Element | null = this.#body.firstElementChild;
    for (const row of this.#sorted()) {
      const key = keyOf(row);
      const line = old.get(key) ?? makeLine(columns);
      old.delete(key);
      this.#lines.set(key, line);
      setClass(line, lineClass?.(row) ?? "");
      for (const [index, column] of columns.entries()) fill(line.cells[index]!, column.show(row));
      if (at === line) at = at.nextElementSibling;
      else this.#body.insertBefore(line, at);
    }
    for (const line of old.values()) line.remove();
  }

  #sorted(): readonly Row[] {
    const by = this.#sort === null ? undefined : this.#options.columns[this.#sort.column]?.by;
    if (by === undefined) return this.#rows;
    const sign = this.#sort?.isDown === true ? -1 : 1;
    return this.#rows.toSorted((a, b) => {
      const [x, y] = [by(a), by(b)];
      return sign * (x < y ? -1 : x > y ? 1 : 0);
    });
  }
}

function classOf(kind: string | undefined, isExtra: boolean): string {
  return [kind ?? "", isExtra ? "extra" : ""].filter((name) => name !== "").join(" ");
}

function makeLine<Row>(columns: readonly Column<Row>[]): HTMLTableRowElement {
  const line = element("tr");
  for (const { kind, isExtra } of columns) {
    line.append(element("td", classOf(kind, isExtra === true)));
  }
  return line;
}

function fill(
  cell: HTMLTableCellElement,
  shown: string | ((cell: HTMLTableCellElement) => void),
): void {
  if (typeof shown !== "string") {
    shown(cell);
    return;
  }
  setText(cell, shown);
  if ((cell.classList.contains("text") || cell.classList.contains("name")) && cell.title !== shown)
    cell.title = shown;
}
