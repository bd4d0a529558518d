import { cp } from "node:fs/promises";
import { resolve } from "node:path";
import { build } from "esbuild";

const common = { bundle: true, target: "es2022", logLevel: "warning" };

// A sandboxed preload script has to be one CommonJS file; the main process is the same, to have one way of doing it.
const electron = {
  ...common,
  platform: "node",
  format: "cjs",
  external: ["electron"],
  outExtension: { ".js": ".cjs" },
};
await build({ ...electron, entryPoints: ["src/main.ts", "src/preload.ts"], outdir: "dist" });

await build({
  ...common,
  entryPoints: { renderer: "src/renderer/main.tsx", style: "src/renderer/style.css" },
  outdir: "dist/renderer",
  format: "esm",
  jsx: "automatic",
  minify: true,
  define: { "process.env.NODE_ENV": '"production"' },
  // The client is a link to a folder with a React of its own for its tests; a page must have one alone.
  alias: { react: resolve("node_modules/react"), "react-dom": resolve("node_modules/react-dom") },
});
await cp("src/renderer/index.html", "dist/renderer/index.html");
