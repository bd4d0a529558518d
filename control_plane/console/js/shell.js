// What stands around every page: where one can go, how the endpoint is, what today has cost.
import { html, useEffect, useRef } from "../vendor/preact-htm.js";
import { door } from "./api.js";
import { Door } from "./door.js";
import { Icon, Mark } from "./icons.js";
import { isOver, useLive } from "./live.js";
import { Notices } from "./notices.js";
import { EndpointPage } from "./pages/endpoint-page.js";
import { GalleryPage } from "./pages/gallery-page.js";
import { JobPage } from "./pages/job-page.js";
import { JobsPage } from "./pages/jobs-page.js";
import { ModelsPage } from "./pages/models-page.js";
import { MorePage } from "./pages/more-page.js";
import { SpendPage } from "./pages/spend-page.js";
import { TwinsPage } from "./pages/twins-page.js";
import { later } from "./parts/later.js";
import { Pulse } from "./parts/pulse.js";
import { to, useRoute } from "./routes.js";
import { useStore } from "./store.js";

const PAGES = {
  jobs: JobsPage, new: later("new", () => import("./pages/new-page.js")), gallery: GalleryPage, spend: SpendPage, endpoint: EndpointPage,
  models: ModelsPage, twins: TwinsPage, more: MorePage,
  timeline: later("timeline", () => import("./timeline/timeline-page.js")),
};
const PLACES = [
  ["jobs", "Jobs", "jobs"], ["timeline", "Timeline", "timeline"], ["gallery", "Gallery", "gallery"], null,
  ["twins", "Twins", "twin"], ["models", "Models", "models"], ["spend", "Spend", "money"], ["endpoint", "Endpoint", "endpoint"],
];
const TABS = [
  ["jobs", "Jobs", "jobs"], ["gallery", "Gallery", "gallery"], ["new", "New", "plus"], ["timeline", "Timeline", "timeline"],
  ["more", "More", "models"],
];

export function Shell() {
  const route = useRoute();
  const locked = useStore(door, (now) => now.locked);
  const main = useRef(null);
  const first = useRef(true);
  useEffect(() => {
    document.title = `${route.place === "jobs" && route.id ? "Job" : titles[route.place] ?? "Rushes"} · Rushes`;
    if (!first.current) {
      scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [route.place, route.id]);
  if (locked) return html`<${Door} />`;
  const Page = route.place === "jobs" && route.id ? JobPage : PAGES[route.place] ?? JobsPage;
  return html`
    <a class="skip button" href="#main" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>Skip to the page</a>
    <div class="shell">
      <${Rail} place=${route.place} />
      <main id="main" tabindex="-1" ref=${main}>
        <${Lost} />
        <${Page} key=${`${route.place} ${route.id} ${route.query}`} id=${route.id} query=${route.query} />
      </main>
      <nav class="tabs" aria-label="Pages">${TABS.map((tab) => html`<${Place} tab=${tab} now=${route.place} />`)}</nav>
    </div>
    <${Notices} />`;
}

const titles = Object.fromEntries([...PLACES, ...TABS].filter(Boolean).map(([place, name]) => [place, name]));

function Rail({ place }) {
  const active = useLive(({ jobs }) => [...jobs.values()].filter((job) => !isOver(job)).length);
  return html`<nav class="rail" aria-label="Pages">
    <a class="brand" href=${to.jobs()}><${Mark} />Rushes</a>
    <a class="button main" href=${to.create()}><${Icon} name="plus" />New</a>
    ${PLACES.map((tab, n) => tab
      ? html`<${Place} key=${tab[0]} tab=${tab} now=${place} count=${tab[0] === "jobs" ? active : 0} look="place" />`
      : html`<hr key=${n} />`)}
    <div class="foot"><${Pulse} /></div>
  </nav>`;
}

function Place({ tab: [place, name, icon], now, count, look }) {
  return html`<a class=${look} href=${to.page(place)} aria-current=${now === place ? "page" : undefined}>
    <${Icon} name=${icon} />${name}${count ? html`<span class="count num">${count}<span class="hidden-text"> at work</span></span>` : null}
  </a>`;
}

function Lost() {
  const lost = useLive(({ connection }) => connection === "lost");
  return html`<div role="status">${lost ? html`<p class="lost">The server is out of reach. This page goes on by itself when it is back.</p>` : null}</div>`;
}
