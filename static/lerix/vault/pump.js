/* Carries a session's frames both ways over one route, until the route ends. */

import { uint } from "./bytes.js";
import { CODE } from "./link.js";

/** Milliseconds. */
export const PUMP_TIMES = Object.freeze({
  /** A route gets new keys, and its device is looked up again, so often. */
  route: 3_300_000,
  /** Until what has arrived is acknowledged, if nothing else is sent before. */
  ack: 100,
  /** Between two signs of life while a stream is open, and without one before the route is given up. */
  ping: 20_000,
  dead: 45_000,
});

/**
 * Throws RouteClosed or ProtocolError at the end; the route is closed then and the session waits for another.
 * @param {import("./carrier.js").Carrier} carrier
 * @param {import("./route.js").RemoteRoute} route
 * @param {import("./streams.js").Streams} streams
 * @param {import("./bell.js").Bell} work rung when there may be frames to send
 * @param {typeof PUMP_TIMES} times
 */
export async function pump(carrier, route, streams, work, times) {
  const { session } = streams;
  let heard = performance.now();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let acknowledging;
  const acknowledge = () => {
    acknowledging = undefined;
    session.acknowledge();
    work.ring();
  };
  const read = async () => {
    for (;;) {
      const data = await carrier.receive();
      heard = performance.now();
      streams.heard(await route.receive(data));
      if (session.ackDue) acknowledging ??= setTimeout(acknowledge, times.ack);
    }
  };
  const write = async () => {
    for (;;) {
      work.clear();
      const message = await route.pull();
      if (message) await carrier.send(message);
      else await work.wait();
      carrier.check();
    }
  };
  const live = setInterval(() => {
    // Where nothing is under way nothing is lost, and the link itself is watched.
    if (!session.streams.length) heard = performance.now();
    else if (performance.now() - heard >= times.dead) carrier.close(CODE.NO_HOST);
    else session.ping(uint(0, 8));
    work.ring();
  }, times.ping);
  const renewal = setTimeout(() => carrier.close(CODE.DONE), times.route);
  const working = [read(), write()];
  try {
    await Promise.race(working);
  } finally {
    clearInterval(live);
    clearTimeout(renewal);
    carrier.close(CODE.DONE);
    route.close();
    work.ring();
    await Promise.allSettled(working);
    clearTimeout(acknowledging);
  }
}
