/** What a fetch was asked for. */
export interface Seen {
  method: string;
  path: string;
  headers: Headers;
}

type Instead = (request: Request, real: () => Promise<Response>) => Promise<Response>;

/** The real network, looked at; `instead` may come between. */
export function network(instead: Instead = (_, real) => real()) {
  const seen: Seen[] = [];
  const through: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    const { pathname, search } = new URL(request.url);
    seen.push({ method: request.method, path: pathname + search, headers: request.headers });
    return instead(request, () => fetch(request));
  };
  const to = (path: string) => seen.filter((one) => one.path.split("?")[0] === path);
  return { fetch: through, seen, to };
}

/** Fails as fetch does where nobody answers. */
export function cutOff(): never {
  throw new TypeError("fetch failed");
}
