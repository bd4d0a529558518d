import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, chromium } from "playwright-core";

const PROGRAMS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const PROGRAM = process.env.CHROMIUM ?? PROGRAMS.find(existsSync);

/** Why tests in a page are skipped here; undefined where they run. */
export const noChromium = PROGRAM ? undefined : "there is no Chromium here: name one in CHROMIUM";

export function launchChromium(): Promise<Browser> {
  const args = ["--disable-gpu", "--mute-audio"];
  // Chromium's own sandbox does not start as root.
  if (process.getuid?.() === 0) args.push("--no-sandbox");
  return chromium.launch({ ...(PROGRAM ? { executablePath: PROGRAM } : {}), args });
}

export interface Site {
  readonly url: string;
  close(): Promise<void>;
}

/** Answers each GET with what `respond` says, on a free port of loopback. */
export async function serveSite(respond: (path: string) => Response | Promise<Response>): Promise<Site> {
  const server = createServer(async (request, reply) => {
    const answer = await respond(request.url ?? "/");
    reply.writeHead(answer.status, Object.fromEntries(answer.headers));
    reply.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
