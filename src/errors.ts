/**
 * Every way a transfer can go wrong, and the exit status each becomes. The numbers are part of the product: scripts
 * depend on them, so a code may be added but never changes its meaning.
 */
export const exitCodes = {
  internal: 1,
  usage: 2,
  connect: 3,
  key: 4,
  refused: 5,
  incomplete: 6,
  'digest-mismatch': 7,
  'local-file': 8,
  timeout: 9,
  hook: 10,
  'hung-up': 129,
  interrupted: 130,
  terminated: 143,
} as const

export type ErrorCode = keyof typeof exitCodes

export interface TransferErrorOptions {
  /** The finer reason, one of the codes of the protocol document where it came from or goes to the peer. */
  reason?: string
  /** What the peer may be told. It never holds a local path. Default: the message itself is never sent, only a generic text. */
  tell?: string
  cause?: unknown
}

/** The one error class of this library: `code` says which promise failed, `message` is one line for a person. */
export class TransferError extends Error {
  override readonly name = 'TransferError'
  readonly code: ErrorCode
  readonly reason: string
  readonly tell: string

  constructor(code: ErrorCode, message: string, options: TransferErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.reason = options.reason ?? code
    this.tell = options.tell ?? `the other side failed (${code})`
  }

  /** The exit status that the commands end with. */
  get exitCode(): number {
    return exitCodes[this.code]
  }
}

/** The receiver does not want this: nothing is wrong with either machine. `message` is told to the peer as it is. */
export function refusal(reason: string, message: string): TransferError {
  return new TransferError('refused', message, { reason, tell: message })
}

/** This process, or the system, may open no more files: whatever was tried, it is no bug, and there is one remedy. */
const tooManyFiles = new Set<unknown>(['EMFILE', 'ENFILE'])

/** Turns anything thrown into a TransferError; what is not one already is a bug of ours (exit 1). */
export function asTransferError(error: unknown): TransferError {
  if (error instanceof TransferError) return error
  const { code } = Object(error) as { code?: unknown }
  if (tooManyFiles.has(code)) {
    const text = `too few files may be opened at once (${code}); raise the limit: ulimit -n`
    return new TransferError('local-file', text, { reason: 'disk', cause: error })
  }
  const text = error instanceof Error ? error.message : String(error)
  return new TransferError('internal', `internal error: ${text}`, { cause: error })
}

/** The error that an aborted signal stands for: its own reason where that is ours, else an interruption (exit 130). */
export function interruption(signal: AbortSignal): TransferError {
  return signal.reason instanceof TransferError
    ? signal.reason
    : new TransferError('interrupted', 'interrupted', { tell: 'it was interrupted', cause: signal.reason })
}
