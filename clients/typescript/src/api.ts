/** The whole API as it is generated from its description: one function a route, and every type. */
export * from "./generated";
export { createClient, createConfig } from "./generated/client";
