// Where the page is: `#/jobs/<id>?from=…`. Hashes, so that the server has one page to serve.
import { useEffect, useState } from "../vendor/preact-htm.js";

export function here() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  return { place: parts[0] ?? "jobs", id: parts[1] ?? null, query: new URLSearchParams(query ?? "") };
}

export function useRoute() {
  const [route, setRoute] = useState(here);
  useEffect(() => {
    const moved = () => setRoute(here());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return route;
}

export const to = {
  jobs: () => "#/jobs",
  job: (id) => `#/jobs/${encodeURIComponent(id)}`,
  create: (type, from) => `#/new${type ? `/${type}` : ""}${from ? `?from=${encodeURIComponent(from)}` : ""}`,
  timeline: (from) => `#/timeline${from ? `?from=${encodeURIComponent(from)}` : ""}`,
  page: (name) => `#/${name}`,
};

export function go(address) {
  location.hash = address.replace(/^#/, "");
}
