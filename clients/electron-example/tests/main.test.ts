import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { isServersFile, serverAddress } from "../src/address";
import { Connections, type Vault } from "../src/connections";
import { pageFile } from "../src/pages";

const CONNECTION = { baseUrl: "https://rushes.example.org", apiKey: "a-secret" };
let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "rushes-electron-"));
  file = join(folder, "connection.json");
});

afterEach(() => rm(folder, { recursive: true }));

/** A keychain that opens what it sealed with the same secret. */
function keychain(secret: string, isThere = true): Vault {
  const flip = (bytes: Buffer) => Buffer.from(bytes.map((byte) => byte ^ 85));
  return {
    isAsyncEncryptionAvailable: async () => isThere,
    encryptStringAsync: async (text) => flip(Buffer.from(secret + text)),
    decryptStringAsync: async (sealed) => {
      const opened = flip(sealed).toString();
      if (!opened.startsWith(secret)) throw new Error("This keychain did not seal it");
      return { result: opened.slice(secret.length), shouldReEncrypt: false };
    },
  };
}

async function loaded(vault: Vault): Promise<Connections> {
  const connections = new Connections(file, vault);
  await connections.load();
  return connections;
}

test("a connection is there after a restart, and its key never lies in the open", async () => {
  await (await loaded(keychain("A"))).keep(CONNECTION);
  expect(await readFile(file, "utf8")).not.toContain("a-secret");
  expect((await loaded(keychain("A"))).current).toEqual(CONNECTION);
  expect((await loaded(keychain("B"))).current).toEqual({ ...CONNECTION, apiKey: "" });
});

test("without a keychain the connection lasts as long as the app", async () => {
  const connections = await loaded(keychain("A", false));
  await connections.keep(CONNECTION);
  expect(connections.current).toEqual(CONNECTION);
  expect((await loaded(keychain("A"))).current).toBeUndefined();
});

test.each(["", "{", '{"baseUrl": 7}', '{"baseUrl": "nonsense", "apiKey": ""}'])(
  "a broken file (%s) is as none",
  async (text) => {
    await writeFile(file, text);
    expect((await loaded(keychain("A"))).current).toBeUndefined();
  },
);

test("a server's address is one that keeps the key to itself", () => {
  expect(serverAddress(" https://rushes.example.org/api// ")).toBe("https://rushes.example.org/api");
  expect(serverAddress("http://[::1]:8000")).toBe("http://[::1]:8000");
  for (const wrong of ["", "rushes.example.org", "javascript:alert(1)", "http://rushes.example.org"])
    expect(() => serverAddress(wrong), wrong).toThrow(/address|https/);
});

test("only files of the server and its bucket are saved", () => {
  const isTaken = (url: string) => isServersFile(url, "http://127.0.0.1:8000");
  expect(["http://127.0.0.1:8000/files/a", "https://bucket.example.org/a"].map(isTaken)).toEqual([
    true,
    true,
  ]);
  expect(["file:///etc/passwd", "http://other/a", "", "app://rushes/"].map(isTaken)).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

test("the page's files are served with their policy, and nothing else is", async () => {
  const page = await pageFile("app://rushes/", "dist/renderer", "http://127.0.0.1:8000/api");
  expect(page.headers.get("Content-Security-Policy")).toContain("connect-src http://127.0.0.1:8000 https:;");
  expect(page.headers.get("Content-Security-Policy")).not.toContain("unsafe");
  for (const path of ["../main.cjs", "%2e%2e/main.cjs", "main.cjs", "index.html"])
    expect((await pageFile(`app://rushes/${path}`, "dist/renderer", undefined)).status, path).toBe(404);
});
