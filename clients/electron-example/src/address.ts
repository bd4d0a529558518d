const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];

/** The address of a server as it is kept; throws an Error with a sentence for the person. */
export function serverAddress(given: string): string {
  const url = URL.canParse(given.trim()) ? new URL(given.trim()) : undefined;
  if (url?.protocol !== "https:" && url?.protocol !== "http:") {
    throw new Error("Give the server's address in full, such as https://rushes.example.org");
  }
  if (url.protocol === "http:" && !LOOPBACK.includes(url.hostname)) {
    throw new Error("A server that is not on this computer needs https://: the key would travel in the open");
  }
  return url.origin + url.pathname.replace(/\/+$/, "");
}

/** Files are saved from the server itself, or from its bucket, which speaks https. */
export function isServersFile(url: string, baseUrl: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, origin } = new URL(url);
  return protocol === "https:" || origin === new URL(baseUrl).origin;
}
