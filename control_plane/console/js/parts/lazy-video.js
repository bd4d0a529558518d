// A still of a video, fetched when it comes near the view: a page full of players would use up the connections.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";

export function LazyVideo({ source, poster, loop }) {
  const element = useRef(null);
  const [near, setNear] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver(([entry]) => entry.isIntersecting && setNear(true), { rootMargin: "200px" });
    watch.observe(element.current);
    return () => watch.disconnect();
  }, []);
  return html`<video ref=${element} src=${near ? `${source}#t=0.4` : undefined} poster=${poster} preload="metadata" muted loop=${loop} playsinline
    tabindex="-1" aria-hidden="true"></video>`;
}
