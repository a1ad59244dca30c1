/* What goes wrong in the relay's protocol; none of it ever holds content or keys. `code` travels in CLOSE or GOAWAY. */

/** @type {Readonly<Record<string, number>>} */
const CODES = Object.freeze({
  HandshakeFailed: 4401,
  MessageForged: 4402,
  KeyUsedUp: 4403,
  FrameMalformed: 4404,
  GapInFrames: 4405,
  WindowExceeded: 4421,
  TooManyStreams: 4422,
  HeadersTooLarge: 4423,
  StreamMisused: 4424,
  ResetTooOften: 4425,
  PeerForgot: 4426,
  NeverAcknowledged: 4427,
});

/** Where the session's own errors begin: the session ends with the link. */
const SESSION_BROKEN = 4420;

/** The peer does not keep to the protocol: end the link. */
export class ProtocolError extends Error {
  /** @param {string} name one of the names above */
  constructor(name) {
    super(name);
    this.name = name;
    this.code = CODES[name];
  }

  /** Whether the session itself cannot go on. */
  get endsSession() {
    return this.code >= SESSION_BROKEN;
  }
}

/**
 * @param {string} name
 */
export function broken(name) {
  return new ProtocolError(name);
}
