import { readFile } from "node:fs/promises";
import { join } from "node:path";

const FILES: Record<string, [name: string, type: string]> = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/renderer.js": ["renderer.js", "text/javascript; charset=utf-8"],
  "/style.css": ["style.css", "text/css; charset=utf-8"],
};

/** The page's files, and nothing else, with the policy that holds for it. */
export async function pageFile(url: string, folder: string, baseUrl: string | undefined): Promise<Response> {
  const [name, type] = FILES[new URL(url).pathname] ?? [];
  if (name === undefined || type === undefined) return new Response(null, { status: 404 });
  const headers = {
    "Content-Type": type,
    "Content-Security-Policy": policy(baseUrl),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
  };
  return new Response(new Uint8Array(await readFile(join(folder, name))), { headers });
}

/** Nothing but this app's own code runs, and it speaks with the server and, over https, with the bucket it names. */
function policy(baseUrl: string | undefined): string {
  const server = `${baseUrl ? new URL(baseUrl).origin : ""} https:`;
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `connect-src ${server}`,
    `img-src ${server}`,
    `media-src ${server}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
}
