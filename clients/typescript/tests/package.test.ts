import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const here = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const run = promisify(execFile);

test("every example of the README is a file that is type-checked", async () => {
  const readme = await readFile(here("README.md"), "utf8");
  const examples = [...readme.matchAll(/^```tsx? (\S+)\n(.*?)^```$/gms)];
  expect(examples.length).toBe(readme.match(/^```tsx?\b/gm)?.length);
  for (const [, name, code] of examples)
    expect(code, name).toBe(await readFile(here(`examples/${name}`), "utf8"));
});

test("a description of the API that is newer than the client is noticed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rushes-drift-"));
  const description = JSON.parse(await readFile(here("../../docs/openapi.json"), "utf8"));
  description.components.schemas.JobView.properties.mood = { type: "string" };
  const changed = join(folder, "openapi.json");
  await writeFile(changed, JSON.stringify(description));
  const checking = run(process.execPath, [here("scripts/drift.mjs"), changed]);
  await expect(checking).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(
      /^The client is not what docs\/openapi\.json says \(.*types\.gen\.ts\): run "npm run generate"\.\n$/,
    ),
  });
  await rm(folder, { recursive: true });
});
