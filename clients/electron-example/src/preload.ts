import { contextBridge, ipcRenderer } from "electron";
import type { Bridge } from "./bridge";

const bridge: Bridge = {
  connection: () => ipcRenderer.invoke("connection"),
  connect: (connection) => ipcRenderer.invoke("connect", connection),
  save: (url) => ipcRenderer.invoke("save", url),
};

contextBridge.exposeInMainWorld("rushes", bridge);
