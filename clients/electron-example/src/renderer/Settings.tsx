import { type FormEvent, useState } from "react";
import { serverAddress } from "../address";
import type { Connection } from "../bridge";

export function Settings({ connection }: { connection: Connection | undefined }) {
  const [problem, setProblem] = useState<string>();
  const connect = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    try {
      const baseUrl = serverAddress(String(given.get("address")));
      await window.rushes.connect({ baseUrl, apiKey: String(given.get("key")).trim() });
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "That could not be kept");
    }
  };
  return (
    <main className="settings">
      <h1>Which server makes the films?</h1>
      <form onSubmit={connect}>
        <label>
          Server
          <input name="address" required defaultValue={connection?.baseUrl ?? "http://127.0.0.1:8000"} />
        </label>
        <label>
          API key
          <input name="key" type="password" autoComplete="off" defaultValue={connection?.apiKey} />
        </label>
        <p className="faint">
          Kept in this computer's keychain. A server on this computer that has no key needs none.
        </p>
        {problem && <p role="alert">{problem}</p>}
        <button type="submit" className="main">
          Connect
        </button>
      </form>
    </main>
  );
}
