import type { Browser, Page, Request } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { RushesClient } from "../../src";
import { type RunningServer, startServer } from "../server";
import { bundledPage } from "./bundle";
import { launchChromium, noChromium, type Site, serveSite } from "./chromium";

const LONG = { prompt: "A slow walk along the sea", duration: 30, resolution: "1080p" } as const;

describe.skipIf(noChromium)(
  `hooks in a page${noChromium ? `: ${noChromium}` : ""}`,
  () => {
    let browser: Browser;
    let sites: Record<18 | 19, Site>;
    let server: RunningServer;
    let rushes: RushesClient;
    let finished: string[];

    beforeAll(async () => {
      sites = { 18: await serveSite(await bundledPage(18)), 19: await serveSite(await bundledPage(19)) };
      const origins = `${sites[18].url},${sites[19].url}`;
      [browser, server] = await Promise.all([launchChromium(), startServer({ CORS_ORIGINS: origins })]);
      rushes = new RushesClient({ baseUrl: server.url });
      finished = await Promise.all(["One", "Two", "Three"].map(speak));
      await Promise.all(finished.map((id) => rushes.waitForJob(id)));
    });

    afterAll(async () => {
      await browser?.close();
      await Promise.all([server?.stop(), sites?.[18].close(), sites?.[19].close()]);
    });

    async function speak(text: string): Promise<string> {
      return (await rushes.createJob("TTS", { text })).job_id;
    }

    describe.each([18, 19] as const)("of React %i", (react) => {
      let page: Page;
      let requests: Request[];
      let broken: string[];
      let complaints: string[];

      beforeEach(async () => {
        page = await browser.newPage();
        requests = [];
        broken = [];
        complaints = [];
        page.on("request", (request) => requests.push(request));
        page.on("requestfailed", (request) => broken.push(request.url()));
        page.on("pageerror", (error) => complaints.push(String(error)));
        page.on("console", (message) => {
          const isOfNetwork = message.text().startsWith("Failed to load resource");
          if (message.type() === "error" && !isOfNetwork) complaints.push(message.text());
        });
        await page.goto(`${sites[react].url}/?server=${encodeURIComponent(server.url)}`);
        await page.getByRole("heading", { name: `React ${react}.` }).waitFor();
      });

      afterEach(async () => {
        const drawn = await page.evaluate(() => window.drawn);
        await page.close();
        expect(complaints).toEqual([]);
        expect(drawn.filter(({ asked, shown }) => shown !== undefined && shown !== asked)).toEqual([]);
      });

      const watch = (...ids: (string | undefined)[]) => page.getByLabel("Job ids").fill(ids.join(" "));
      const watched = (place = 0) => page.getByRole("region", { name: "Watched" }).nth(place);
      const shows = (words: string, place = 0) => watched(place).getByText(words, { exact: true }).waitFor();
      const connections = () => requests.filter((request) => request.url().includes("/events")).length;

      test("a job is shown from queued to done, one that runs is canceled by its button, the list follows", async () => {
        const running = (await rushes.createJob("RENDER", LONG)).job_id;
        const waiting = await speak("After you");
        await watch(running, waiting);
        await shows("RUNNING", 0);
        await shows("QUEUED", 1);
        await page.getByText(`${running} RUNNING`).waitFor();
        await watched(0).getByRole("button", { name: "Cancel" }).click();
        await shows("CANCELED", 0);
        await shows("SUCCEEDED", 1);
        await page.getByText(`${running} CANCELED`).waitFor();
        await page.getByText(`${waiting} SUCCEEDED`).waitFor();
        expect(await statusesOf(waiting)).toEqual(["QUEUED", "RUNNING", "SUCCEEDED"]);
      });

      test("another id begins anew, and without one nothing is asked", async () => {
        const reads = () => requests.filter((request) => request.url().includes("ids=")).length;
        await watch(finished[0]);
        await shows("SUCCEEDED");
        await watch(finished[1]);
        await expect.poll(async () => (await statusesOf(finished[1])).at(-1)).toBe("SUCCEEDED");
        await watch();
        await watched().getByText("SUCCEEDED").waitFor({ state: "detached" });
        expect(await watched().getAttribute("aria-busy")).toBe("false");
        await watch(finished[0]);
        await shows("SUCCEEDED");
        expect(reads()).toBe(3);
        const drawn = await page.evaluate(() => window.drawn);
        expect(drawn.filter(({ error }) => error)).toEqual([]);
      });

      test("what the server refuses is an error, and a refused cancel stands beside its job", async () => {
        await watch("there-is-none");
        await watched().getByRole("alert").getByText("NOT_FOUND").waitFor();
        await watch(finished[0]);
        await shows("SUCCEEDED");
        await watched().getByRole("button", { name: "Cancel" }).click();
        await watched().getByRole("alert").getByText("ALREADY_FINISHED").waitFor();
        await shows("SUCCEEDED");
      });

      test("components that mount twice share one connection, which ends with the last of them", async () => {
        const running = (await rushes.createJob("RENDER", LONG)).job_id;
        await watch(...Array.from({ length: 100 }, () => running));
        await shows("RUNNING", 99);
        expect(connections()).toBe(1);
        const ended = page.waitForEvent("requestfailed", (request) => request.url().includes("/events"));
        await page.getByLabel("List").uncheck();
        await watch();
        await ended;
        expect(connections()).toBe(1);
        await rushes.cancelJob(running);
      });

      test("a file is uploaded with its progress", async () => {
        const buffer = Buffer.alloc(3_000_000, "film");
        await page.getByLabel("File").setInputFiles({ name: "clip.mp4", mimeType: "video/mp4", buffer });
        await page.getByText("at storage://").waitFor();
        const said = (await page.locator("#said").textContent()) ?? "";
        const shares = said.split("\n").slice(0, -1).map(Number);
        expect(shares).toEqual([...shares].sort((a, b) => a - b));
        expect(shares.at(-1)).toBe(1);
      });

      // What resumes is the client below the hooks: one React is enough.
      if (react === 19) {
        test("a page goes on by itself when the server is back", async () => {
          const job = (await rushes.createJob("RENDER", LONG)).job_id;
          await watch(job);
          await shows("RUNNING");
          await server.kill();
          await server.restart();
          const after = await speak("While you were away");
          await rushes.cancelJob(job);
          await shows("CANCELED");
          await page.getByText(`${after} SUCCEEDED`).waitFor();
        });
      }

      /** In the order they were drawn, each once. */
      async function statusesOf(id: string | undefined): Promise<string[]> {
        const drawn = await page.evaluate(() => window.drawn);
        return [...new Set(drawn.flatMap(({ shown, status }) => (shown === id && status ? [status] : [])))];
      }
    });
  },
  30_000,
);
