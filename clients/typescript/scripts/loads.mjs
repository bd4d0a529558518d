// Loads what was built as its users do, by import and by require.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
for (const name of ["@rushes/client", "@rushes/client/react", "@rushes/client/api"]) {
  const [imported, required] = [await import(name), require(name)];
  const names = Object.keys(imported).filter((key) => key !== "default" && key !== "module.exports");
  const missing = names.filter((key) => typeof required[key] !== typeof imported[key]);
  if (names.length === 0 || missing.length > 0)
    throw new Error(`${name}: ${missing.join(", ") || "nothing"} is missing`);
}
