/** Where the server is, and the key it wants; an empty key for one that wants none. */
export interface Connection {
  baseUrl: string;
  apiKey: string;
}

/** All that the page can ask of the main process: `window.rushes`, made by the preload script. */
export interface Bridge {
  /** What was saved last; undefined at the first start. */
  connection(): Promise<Connection | undefined>;
  /** Keeps it, and loads the page anew with it. */
  connect(connection: Connection): Promise<void>;
  /** Asks where to save a file of the server, and shows it in its folder; false when the person thinks better of it. */
  save(url: string): Promise<boolean>;
}

declare global {
  interface Window {
    rushes: Bridge;
  }
}
