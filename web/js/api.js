// @ts-check
/** ComfyUI's own fetch and websocket, as the client's transport. */

// @ts-ignore served by ComfyUI
import { api } from "../../scripts/api.js";

/** @type {import("./client.js").Transport} */
export const comfyTransport = {
  fetch: (path, init) => api.fetchApi(path, init),
  url: (path) => api.apiURL(path),
  on: (type, listener) =>
    api.addEventListener(type, (/** @type {CustomEvent} */ event) => listener(event.detail)),
  isLive: () => api.socket?.readyState === WebSocket.OPEN,
};

/** @returns {string} where E3's page of its own is, also where ComfyUI lives under a path */
export const fullPageUrl = () => api.fileURL("/e3/");
