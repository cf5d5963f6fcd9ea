/** The defaults of the library's options. The help of the commands shows the same values. */
export const defaults = {
  /** The host that `send` and `receive` connect to. */
  host: 'localhost',
  /** Milliseconds without progress, or for one attempt to connect, until a transfer fails. */
  timeout: 30_000,
  /** Milliseconds that a transfer may make no progress although its peer is alive. A pipe may rest for long. */
  stall: 3_600_000,
  /** How long to keep trying to connect, in milliseconds. Zero makes one attempt. */
  wait: 0,
  /** How long a side that has made a code waits for others, in milliseconds: an hour. */
  codeWait: 3_600_000,
  /** The number of successful transfers until a listening sender ends. */
  sendCount: 1,
  /** The maximum number of simultaneous connections. */
  maxConnections: 256,
  /** The maximum number of files in one transfer to a receiver. */
  maxFiles: 1_000_000,
  /** The maximum number of directories inside each other, in a directory that is received. */
  maxDepth: 32,
  /** How often a side that has dialled connects again after a broken connection. */
  retry: 3,
  /** How long a receiver keeps what was not completed, in milliseconds: a week. */
  keepPartial: 7 * 24 * 60 * 60 * 1000,
  /** What a sender compresses. */
  compress: 'auto',
  /** What a receiver does if the name of a file is taken. */
  ifExists: 'backup',
  /** The name under which a receiver stores a plain stream. It gets an extension if the content shows one. */
  plainName: 'received',
} as const
