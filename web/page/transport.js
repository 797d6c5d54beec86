// @ts-check
/** Plain fetch and a websocket of its own, with the interface that js/api.js has inside ComfyUI. */

const RETRY_MS = 5_000;

/**
 * @param {string} base the page's address, which ends in /e3/
 * @returns {import("../js/client.js").Transport}
 */
export function pageTransport(base) {
  const url = (/** @type {string} */ path) => new URL(`.${path.slice("/e3".length)}`, base).href;
  /** @type {Map<string, ((detail: any) => void)[]>} */
  const listeners = new Map();
  const tell = (/** @type {string} */ type, /** @type {any} */ detail) =>
    listeners.get(type)?.forEach((run) => run(detail));
  /** @type {WebSocket | null} */
  let socket = null;

  const connect = (isAgain = false) => {
    const address = new URL("../ws", base);
    address.protocol = address.protocol.replace("http", "ws");
    address.searchParams.set("clientId", `e3-${Math.random().toString(36).slice(2)}`);
    socket = new WebSocket(address);
    socket.onopen = () => isAgain && tell("reconnected", {});
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string" || !data.includes('"e3.')) return;
      const message = JSON.parse(data);
      tell(message.type, message.data);
    };
    socket.onclose = () => setTimeout(connect, RETRY_MS, true);
  };

  return {
    fetch: (path, init) => fetch(url(path), init),
    url,
    isLive: () => socket?.readyState === WebSocket.OPEN,
    on: (type, listener) => {
      if (!socket) connect();
      listeners.set(type, [...(listeners.get(type) ?? []), listener]);
    },
  };
}
