import { fileURLToPath } from "node:url";
import { RushesClient } from "@rushes/client";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { launchChromium, noChromium, type Site, serveSite } from "../../typescript/tests/browser/chromium";
import { type RunningServer, startServer } from "../../typescript/tests/server";
import type { Bridge, Connection } from "../src/bridge";
import { pageFile } from "../src/pages";

const PAGES = fileURLToPath(new URL("../dist/renderer", import.meta.url));
const API_KEY = "a-key-for-the-test";
const LONG = { prompt: "A slow walk along the sea", duration: 30, resolution: "1080p" } as const;

// The pages are served as the main process serves them; Chromium itself knows no app://, so here they come by http.
describe.skipIf(noChromium)(`the renderer${noChromium ? `: ${noChromium}` : ""}`, () => {
  let browser: Browser;
  let server: RunningServer;
  let rushes: RushesClient;
  let site: Site;
  let page: Page;
  let kept: Connection | undefined;
  let saved: string[];
  let complaints: string[];

  beforeAll(async () => {
    site = await serveSite((path) => pageFile(`app://rushes${path}`, PAGES, kept?.baseUrl));
    [browser, server] = await Promise.all([
      launchChromium(),
      startServer({ CORS_ORIGINS: site.url, API_KEY }),
    ]);
    rushes = new RushesClient({ baseUrl: server.url, apiKey: API_KEY });
  });

  afterAll(async () => {
    await browser?.close();
    await Promise.all([server?.stop(), site?.close()]);
  });

  beforeEach(async () => {
    [kept, saved, complaints] = [{ baseUrl: server.url, apiKey: API_KEY }, [], []];
    page = await browser.newPage({ viewport: { width: 1100, height: 760 } });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    await giveBridge();
  });

  afterEach(async () => {
    await page.close();
    expect(complaints).toEqual([]);
  });

  /** What the preload script would put into the page. */
  async function giveBridge(): Promise<void> {
    const bridge: Bridge = {
      connection: async () => kept,
      connect: async (connection) => {
        kept = connection;
        setImmediate(() => page.goto(site.url));
      },
      save: async (url) => {
        saved.push(url);
        return true;
      },
    };
    for (const [name, reply] of Object.entries(bridge)) await page.exposeFunction(`bridge_${name}`, reply);
    await page.addInitScript(() => {
      const given = window as unknown as Record<string, never>;
      window.rushes = {
        connection: given.bridge_connection as never,
        connect: given.bridge_connect as never,
        save: given.bridge_save as never,
      };
    });
  }

  const film = () => page.getByRole("region", { name: "Film", exact: true });
  const films = () => page.getByRole("region", { name: "Films" });

  async function chooseStills(...names: string[]): Promise<void> {
    const buffer = await page.screenshot();
    const files = names.map((name) => ({ name, mimeType: "image/png", buffer }));
    await page.getByLabel("Add clips").setInputFiles(files);
  }

  test("clips become a film that is watched being made, played and saved", async () => {
    await page.goto(site.url);
    await chooseStills(`${"long".repeat(30)}.png`, "first.png", "second.png");
    await page.setViewportSize({ width: 400, height: 760 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(400);
    await page.getByRole("button", { name: "Remove long" }).click();
    await page.getByRole("button", { name: "Move second.png up" }).click();
    expect(await page.locator(".clips span").allTextContents()).toEqual(["second.png", "first.png"]);
    await page.getByLabel("Shape").selectOption("1:1");
    await page.getByRole("button", { name: "Make the film" }).click();
    await film().getByRole("progressbar", { name: "Made" }).waitFor();
    await film().getByRole("heading", { name: "Done" }).waitFor();
    const video = film().locator("video");
    await expect.poll(() => video.evaluate((one: HTMLVideoElement) => one.videoWidth)).toBeGreaterThan(0);
    expect(
      await video.evaluate((one: HTMLVideoElement) => [one.duration, one.videoWidth / one.videoHeight]),
    ).toEqual([6, 1]);
    await video.evaluate((one: HTMLVideoElement) => one.play());
    await films().getByRole("button", { name: "Done" }).waitFor();
    await film().getByRole("button", { name: "Save as" }).click();
    await film().getByText("Saved").waitFor();
    const answer = await fetch(saved[0] ?? "");
    expect([answer.status, answer.headers.get("Content-Type")]).toEqual([200, "video/mp4"]);
  });

  test("a film that waits is canceled, and the server says so", async () => {
    const before = await rushes.createJob("RENDER", LONG);
    await page.goto(site.url);
    await chooseStills("still.png");
    await page.getByRole("button", { name: "Make the film" }).click();
    await film().getByRole("heading", { name: "Waiting" }).waitFor();
    await film().getByRole("button", { name: "Cancel" }).click();
    await film().getByRole("heading", { name: "Canceled" }).waitFor();
    await films().getByRole("button", { name: "Canceled" }).waitFor();
    await rushes.cancelJob(before.job_id);
  });

  test("the settings ask for the server, and a wrong key is told", async () => {
    kept = undefined;
    await page.goto(site.url);
    await page.getByLabel("Server").fill("http://films.example.org");
    await page.getByRole("button", { name: "Connect" }).click();
    await page.getByRole("alert").getByText("needs https://").waitFor();
    await page.getByLabel("Server").fill(`${server.url}/`);
    await page.getByLabel("API key").fill("wrong");
    await page.getByRole("button", { name: "Connect" }).click();
    await films().getByRole("alert").getByText("Send your API key").waitFor();
    complaints = complaints.filter((words) => !words.includes("401"));
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("API key").fill(API_KEY);
    await page.getByRole("button", { name: "Connect" }).click();
    await films().getByRole("list").waitFor({ state: "attached" });
    await expect.poll(() => films().getAttribute("aria-busy")).toBe("false");
    expect(await films().getByRole("alert").count()).toBe(0);
    expect(kept).toEqual({ baseUrl: server.url, apiKey: API_KEY });
  });
});
