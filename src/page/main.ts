/** The page of the admin process: is the proxy well, and if not, what is it that is not? */
import type { Overview } from "../api/overview.ts";
import { Charts } from "./charts.ts";
import { byId, element, setText } from "./dom.ts";
import { ConfigPanel, EventPanel } from "./event-panels.ts";
import { formatAge } from "./format.ts";
import { showFigures, showFindings, showTitle } from "./head.ts";
import { BigKeyPanel, HotKeyPanel } from "./key-panel.ts";
import { LeverPanel } from "./lever-panel.ts";
import { Orders } from "./orders.ts";
import { Points } from "./points.ts";
import { ProcessPanel } from "./process-panel.ts";
import { ClientPanel, PoolPanel, SlowPanel } from "./request-panels.ts";
import { ServerPanel } from "./server-panel.ts";
import { Source } from "./source.ts";

const main = byId("main");
const trouble = byId("trouble");
const login = byId<HTMLFormElement>("login");
const poolChoice = byId<HTMLSelectElement>("pool");
const windowChoice = byId<HTMLSelectElement>("window");
const pause = byId<HTMLButtonElement>("pause");

const points = new Points();
let shown: Overview | null = null;
let heardMs = 0;

const source = new Source({
  onOverview(overview) {
    shown = overview;
    heardMs = Date.now();
    points.add(overview.points);
    trouble.hidden = true;
    login.hidden = true;
    main.hidden = false;
    main.classList.remove("old");
    showPools(overview);
    render();
  },
  onSilence(reason) {
    const since = heardMs === 0 ? "" : ` for ${formatAge(Date.now() - heardMs)}`;
    setText(trouble, `The admin process has not answered${since} (${reason}); it is asked again.`);
    trouble.hidden = false;
    main.classList.add("old");
  },
  onLocked(wasWrong) {
    main.hidden = true;
    login.hidden = false;
    setText(byId("refused"), wasWrong ? "This token is not the right one." : "");
    byId("token").focus();
  },
  onAccess: (access) => levers.showAccess(access),
});

const charts = new Charts();
const servers = new ServerPanel();
const processes = new ProcessPanel();
const slow = new SlowPanel();
const orders = new Orders(source);
const clients = new ClientPanel(orders);
const hotKeys = new HotKeyPanel();
const bigKeys = new BigKeyPanel();
const pools = new PoolPanel();
const events = new EventPanel();
const levers = new LeverPanel(source, orders);
const config = new ConfigPanel((path) => source.text(path));

function render(): void {
  if (shown === null) return;
  const pool = poolChoice.value;
  const seconds = Number(windowChoice.value);
  showTitle(shown);
  showFindings(shown.findings);
  showFigures(shown, pool);
  charts.show(points, pool, seconds, shown.events);
  servers.show(shown, points.within(60), pool);
  processes.show(shown);
  slow.show(shown, pool);
  clients.show(shown, pool);
  hotKeys.show(shown, pool);
  bigKeys.show(shown, pool);
  pools.show(shown, pool);
  events.show(shown);
  levers.show(shown);
  config.show(shown);
}

/** The list of pools changes with a reload; what was chosen stays while there is such a pool. */
function showPools({ pools: rows }: Overview): void {
  const names = rows.map(({ pool }) => pool);
  const listed = [...poolChoice.options].map(({ value }) => value).filter((name) => name !== "");
  if (names.join("\n") === listed.join("\n")) return;
  const chosen = poolChoice.value;
  const [all] = poolChoice.options;
  poolChoice.replaceChildren(
    ...(all === undefined ? [] : [all]),
    ...names.map((name) => {
      const option = element("option", "", name);
      option.value = name;
      return option;
    }),
  );
  poolChoice.value = names.includes(chosen) ? chosen : "";
}

poolChoice.addEventListener("change", render);
windowChoice.addEventListener("change", render);
pause.addEventListener("click", () => {
  const isPaused = pause.getAttribute("aria-pressed") !== "true";
  pause.setAttribute("aria-pressed", `${isPaused}`);
  source.isPaused = isPaused;
});
login.addEventListener("submit", (event) => {
  event.preventDefault();
  source.token = byId<HTMLInputElement>("token").value;
});
source.ask();
