import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const PAGE = fileURLToPath(new URL("page.tsx", import.meta.url));
const HTML =
  '<!doctype html><html lang="en"><title>Test</title><div id="root"></div><script src="/page.js"></script></html>';

/** The test page with this version of React, as a site's files. */
export async function bundledPage(react: 18 | 19): Promise<(path: string) => Response> {
  const alias: Record<string, string> =
    react === 18 ? { react: "react-18", "react-dom": "react-dom-18" } : {};
  const { outputFiles } = await build({
    entryPoints: [PAGE],
    bundle: true,
    write: false,
    jsx: "automatic",
    alias,
    define: { "process.env.NODE_ENV": '"development"' }, // StrictMode does everything twice only there
  });
  const script = outputFiles[0]?.text ?? "";
  return (path) =>
    path.startsWith("/page.js")
      ? new Response(script, { headers: { "Content-Type": "text/javascript; charset=utf-8" } })
      : new Response(HTML, { headers: { "Content-Type": "text/html; charset=utf-8" } });
}
