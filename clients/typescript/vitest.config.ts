import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (name: string) => fileURLToPath(new URL(`./src/${name}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@rushes\/client$/, replacement: source("index.ts") },
      { find: /^@rushes\/client\/react$/, replacement: source("react.tsx") },
      { find: /^@rushes\/client\/api$/, replacement: source("api.ts") },
    ],
  },
  test: {
    include: ["tests/**/*.test.{ts,tsx}"],
    globalSetup: ["tests/shared.ts"],
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
