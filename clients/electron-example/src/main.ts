import { join } from "node:path";
import { app, BrowserWindow, type IpcMainInvokeEvent, ipcMain, protocol, safeStorage, shell } from "electron";
import { isServersFile } from "./address";
import type { Bridge } from "./bridge";
import { Connections } from "./connections";
import { pageFile } from "./pages";

/** A page of a file has the origin `null`, as every sandboxed frame has; this one the server can tell from others. */
const ORIGIN = "app://rushes";
const PAGES = join(__dirname, "renderer");

app.enableSandbox();
protocol.registerSchemesAsPrivileged([
  { scheme: "app", privileges: { standard: true, secure: true, supportFetchAPI: true } },
]);

app.on("web-contents-created", (_event, contents) => {
  contents.setWindowOpenHandler(() => ({ action: "deny" }));
  contents.on("will-navigate", (event) => event.preventDefault());
  contents.session.setPermissionRequestHandler((_asking, permission, grant) =>
    grant(permission === "fullscreen"),
  );
});
app.on("window-all-closed", () => app.quit());

async function start(): Promise<void> {
  const connections = new Connections(join(app.getPath("userData"), "connection.json"), safeStorage);
  await app.whenReady();
  await connections.load();
  protocol.handle("app", ({ url }) => pageFile(url, PAGES, connections.current?.baseUrl));

  const window = new BrowserWindow({
    width: 1100,
    height: 760,
    minWidth: 380,
    webPreferences: {
      preload: join(__dirname, "preload.cjs"),
      contextIsolation: true,
      nodeIntegration: false,
      sandbox: true,
    },
  });
  const open = () => window.loadURL(`${ORIGIN}/`);
  answer("connection", async () => connections.current);
  answer("connect", async (connection) => {
    await connections.keep(connection);
    // The answer goes out before the page that waits for it is gone.
    setImmediate(open);
  });
  answer("save", (url) => {
    const { current } = connections;
    if (current === undefined || !isServersFile(url, current.baseUrl))
      throw new Error("That is no file of the server");
    return save(window, url);
  });
  await open();
}

/** Answers the page, and nobody else. */
function answer<Name extends keyof Bridge>(name: Name, reply: Bridge[Name]): void {
  ipcMain.handle(name, (event: IpcMainInvokeEvent, ...given: unknown[]) => {
    if (event.senderFrame?.origin !== ORIGIN) throw new Error("That page may not ask");
    return (reply as (...given: unknown[]) => unknown)(...given);
  });
}

function save(window: BrowserWindow, url: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    window.webContents.session.once("will-download", (_event, item) => {
      item.once("done", (_done, state) => {
        if (state === "completed") shell.showItemInFolder(item.getSavePath());
        if (state === "interrupted") reject(new Error("The file could not be saved"));
        else resolve(state === "completed");
      });
    });
    window.webContents.downloadURL(url);
  });
}

start().catch((error) => {
  console.error(error);
  app.exit(1);
});
