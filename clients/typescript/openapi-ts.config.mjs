/** @type {import("@hey-api/openapi-ts").UserConfig} */
export default {
  input: "../../docs/openapi.json",
  output: { path: "src/generated", clean: true },
  plugins: ["@hey-api/client-fetch", "@hey-api/typescript", "@hey-api/sdk"],
};
