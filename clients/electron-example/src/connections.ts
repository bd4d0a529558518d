import { readFile, writeFile } from "node:fs/promises";
import type { SafeStorage } from "electron";
import { serverAddress } from "./address";
import type { Connection } from "./bridge";

/** Electron's `safeStorage`: the keychain of the system. */
export type Vault = Pick<
  SafeStorage,
  "isAsyncEncryptionAvailable" | "encryptStringAsync" | "decryptStringAsync"
>;

/** The connection in a file, its key encrypted by the system's keychain. */
export class Connections {
  readonly #file: string;
  readonly #vault: Vault;
  #current: Connection | undefined;

  constructor(file: string, vault: Vault) {
    this.#file = file;
    this.#vault = vault;
  }

  get current(): Connection | undefined {
    return this.#current;
  }

  /** Takes up what was kept; what cannot be read, or opened with this keychain, is asked for again. */
  async load(): Promise<void> {
    try {
      const kept = JSON.parse(await readFile(this.#file, "utf8"));
      const baseUrl = serverAddress(kept.baseUrl);
      const sealed = Buffer.from(kept.apiKey, "base64");
      const apiKey = await this.#vault.decryptStringAsync(sealed).then(
        ({ result }) => result,
        () => "",
      );
      this.#current = { baseUrl, apiKey };
    } catch {
      this.#current = undefined;
    }
  }

  /** Without a keychain the connection is kept until the app ends: a key never lies in the open. */
  async keep({ baseUrl, apiKey }: Connection): Promise<void> {
    this.#current = { baseUrl: serverAddress(baseUrl), apiKey };
    if (!(await this.#vault.isAsyncEncryptionAvailable())) return;
    const sealed = await this.#vault.encryptStringAsync(apiKey);
    const kept = { baseUrl: this.#current.baseUrl, apiKey: sealed.toString("base64") };
    await writeFile(this.#file, JSON.stringify(kept), { mode: 0o600 });
  }
}
