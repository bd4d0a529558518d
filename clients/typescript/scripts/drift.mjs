// Fails when src/generated is not what docs/openapi.json, or the description given as argument, comes to.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "@hey-api/openapi-ts";
import config from "../openapi-ts.config.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const anew = await mkdtemp(join(tmpdir(), "rushes-generated-"));
try {
  await createClient({
    ...config,
    input: process.argv[2] ?? config.input,
    output: { ...config.output, path: anew },
    logs: { level: "silent" },
  });
  const differing = differences(await contents("src/generated"), await contents(anew));
  if (differing.length > 0) {
    console.error(
      `The client is not what docs/openapi.json says (${differing.join(", ")}): run "npm run generate".`,
    );
    process.exitCode = 1;
  }
} finally {
  await rm(anew, { recursive: true });
}

/** The files below a folder, each by its path from there. */
async function contents(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(
    await Promise.all(files.map(async (path) => [relative(folder, path), await readFile(path, "utf8")])),
  );
}

function differences(kept, wanted) {
  const names = new Set([...kept.keys(), ...wanted.keys()]);
  return [...names].filter((name) => kept.get(name) !== wanted.get(name)).sort();
}
