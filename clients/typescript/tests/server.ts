import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PYTHON =
  process.env.RUSHES_PYTHON ?? fileURLToPath(new URL("../../../.venv/bin/python", import.meta.url));
const PATIENCE_MS = 60_000;

export interface RunningServer {
  readonly url: string;
  /** SIGKILL: no handler runs, connections break. Its address and data stay. */
  kill(): Promise<void>;
  /** The same server again, after `kill`. */
  restart(): Promise<void>;
  /** The end, and nothing is left of it. */
  stop(): Promise<void>;
}

/** `rushes serve` with its real workers, on a free port and with a data folder of its own. */
export async function startServer(environment: Record<string, string> = {}): Promise<RunningServer> {
  const folder = await mkdtemp(join(tmpdir(), "rushes-client-"));
  const port = await freePort();
  const values = {
    DATA_DIR: join(folder, "data"),
    CLAIM_LEASE_SECONDS: "3",
    CLOCK_SKEW_SECONDS: "1",
    ...environment,
  };
  const launch = () => launched(folder, port, { ...process.env, ...values });
  let running = await launch();
  return {
    url: `http://127.0.0.1:${port}`,
    kill: () => ended(running, "SIGKILL"),
    restart: async () => {
      running = await launch();
    },
    stop: async () => {
      await ended(running, "SIGINT");
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function launched(cwd: string, port: number, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const child = spawn(PYTHON, ["-m", "control_plane", "serve", "--port", `${port}`], {
    cwd,
    env,
    stdio: "pipe",
  });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text) => {
      log += text;
    });
  }
  await until("the server to be ready", async () => {
    if (child.exitCode !== null) throw new Error(`The server ended: ${log}`);
    const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
    return (await answer?.json())?.runpod_connected === true;
  });
  return child;
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once("exit", () => resolve());
    child.kill(signal);
  });
}

/** Polls until the condition holds; fails naming what it waited for. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const listening = createServer().once("error", reject);
    listening.listen(0, "127.0.0.1", () => {
      const address = listening.address();
      listening.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
