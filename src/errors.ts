/**
 * Every way a transfer can fail. An error has the same three facts everywhere (in the library, the events, on the wire
 * and in the README): `code`, the class that decides the exit status; `reason`, the finer cause; and `message`, one
 * line for a person. Scripts depend on both tables: entries may be added, but never change their meaning.
 */

/** Every class of failure, with the exit status of the commands. */
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

/** The class of a failure. */
export type ErrorCode = keyof typeof exitCodes

/** The facts about one reason. */
interface ReasonFacts {
  /** The code of the sender's error if a receiver gives this reason, or else the usual code for this reason. */
  code: ErrorCode
  /** The sides that give this reason to the peer: a receiver in a refusal, a sender in an abort. */
  saidBy: 'receiver' | 'sender' | 'both' | 'nobody'
  /** One sentence for the documents. */
  meaning: string
}

/** Every reason. The protocol document and the README show this table, and tests compare them. */
export const reasons = {
  name: { code: 'refused', saidBy: 'receiver', meaning: 'the receiver cannot store a file under that name' },
  exists: { code: 'refused', saidBy: 'receiver', meaning: 'the name is taken, and the receiver keeps the file it has' },
  skipped: {
    code: 'refused',
    saidBy: 'receiver',
    meaning: 'the name is taken, and the receiver is told to skip such files: for the receiver this is no failure',
  },
  type: { code: 'refused', saidBy: 'receiver', meaning: 'the receiver does not accept the media type' },
  'too-large': { code: 'refused', saidBy: 'receiver', meaning: 'the entry is larger than the receiver allows' },
  files: { code: 'refused', saidBy: 'receiver', meaning: 'the transfer has more entries than the receiver allows' },
  'no-space': { code: 'refused', saidBy: 'receiver', meaning: 'the disk or the quota is full, or would be' },
  disk: { code: 'refused', saidBy: 'both', meaning: 'a file or folder cannot be read or written' },
  output: {
    code: 'refused',
    saidBy: 'both',
    meaning: 'an output cannot be written, for instance because its reader has gone',
  },
  policy: { code: 'refused', saidBy: 'receiver', meaning: 'the receiver does not take such an entry or transfer' },
  busy: {
    code: 'refused',
    saidBy: 'both',
    meaning: 'the side that listens takes no more transfers now, or gave the place of one at rest to another',
  },
  key: {
    code: 'key',
    saidBy: 'both',
    meaning: 'the side that listens has a key, and the other side has not proved the same one',
  },
  digest: { code: 'digest-mismatch', saidBy: 'both', meaning: 'a digest is not the announced or expected one' },
  unverifiable: {
    code: 'digest-mismatch',
    saidBy: 'both',
    meaning: 'the entry has no digest that the receiver computes; the sender sends it again with another if it can',
  },
  size: { code: 'incomplete', saidBy: 'both', meaning: 'the number of bytes is not the announced or expected one' },
  broken: { code: 'incomplete', saidBy: 'both', meaning: 'the stream or the connection ended too early' },
  aborted: { code: 'incomplete', saidBy: 'receiver', meaning: 'the sender gave up the entry or the transfer' },
  interrupted: { code: 'incomplete', saidBy: 'both', meaning: 'a person or the system stopped the command' },
  timeout: { code: 'timeout', saidBy: 'both', meaning: 'nothing moved for the longest time that is allowed' },
  protocol: { code: 'refused', saidBy: 'both', meaning: 'the other side broke a rule of the protocol' },
  version: {
    code: 'refused',
    saidBy: 'both',
    meaning: 'the two sides speak different versions; the message names both',
  },
  field: {
    code: 'refused',
    saidBy: 'both',
    meaning: 'a mandatory field or the kind of an entry is unknown; the message names it',
  },
  magic: { code: 'refused', saidBy: 'sender', meaning: 'the other side does not speak the protocol' },
  internal: { code: 'refused', saidBy: 'both', meaning: 'a bug in the program: please report it' },
  damaged: {
    code: 'incomplete',
    saidBy: 'receiver',
    meaning: 'what the receiver had kept of a file is damaged; the sender sends again what differs',
  },
  changed: { code: 'local-file', saidBy: 'sender', meaning: 'the file changed while it was sent' },
  'left-out': {
    code: 'local-file',
    saidBy: 'nobody',
    meaning: 'a directory was sent without this part of it, for instance a symlink that leads out of the directory',
  },
  usage: { code: 'usage', saidBy: 'nobody', meaning: 'the command or the call makes no sense as given' },
  connect: { code: 'connect', saidBy: 'nobody', meaning: 'listening or connecting failed' },
  hook: { code: 'hook', saidBy: 'nobody', meaning: 'the program of --exec failed' },
} as const satisfies Record<string, ReasonFacts>

/** The finer cause of a failure. */
export type Reason = keyof typeof reasons

/** The default reason for each code. */
const usualReasons: Record<ErrorCode, Reason> = {
  internal: 'internal',
  usage: 'usage',
  connect: 'connect',
  key: 'key',
  refused: 'policy',
  incomplete: 'broken',
  'digest-mismatch': 'digest',
  'local-file': 'disk',
  timeout: 'timeout',
  hook: 'hook',
  'hung-up': 'interrupted',
  interrupted: 'interrupted',
  terminated: 'interrupted',
}

/** True if `text` is a reason of the table. A newer peer may have other reasons. */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(reasons, text)
}

/** The options of the constructor of TransferError. */
export interface TransferErrorOptions {
  /** The finer cause. Default: the usual reason for the code. */
  reason?: Reason
  /** The message for the peer. It must hold no local path. Default: a generic text, never the message itself. */
  peerMessage?: string
  /** The error behind this one. Default: none. */
  cause?: unknown
}

/** The only error class of this library. `message` is one line for a person. */
export class TransferError extends Error {
  override readonly name = 'TransferError'
  /** The class of the failure. It decides the exit status. */
  readonly code: ErrorCode
  /** The finer cause. A newer peer may give a reason that this version does not know. */
  readonly reason: Reason
  /** The message for the peer, without local paths. */
  readonly peerMessage: string

  constructor(code: ErrorCode, message: string, options: TransferErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.reason = options.reason ?? usualReasons[code]
    this.peerMessage = options.peerMessage ?? `the other side failed (${code})`
  }

  /** The exit status of the commands for this failure. */
  get exitCode(): number {
    return exitCodes[this.code]
  }

  /** The same failure with another message. */
  withMessage(message: string): TransferError {
    const { code, reason, peerMessage } = this
    return new TransferError(code, message, { reason, peerMessage, cause: this })
  }
}

/** The error for a refusal although neither machine has failed. The peer gets `message` as it is. */
export function refusal(reason: Reason, message: string): TransferError {
  return new TransferError('refused', message, { reason, peerMessage: message })
}

/** The system errors for too many open files. */
const tooManyFiles = new Set<unknown>(['EMFILE', 'ENFILE'])

/** Turns any error into a TransferError. An error of an unknown kind is a bug of this program (exit 1). */
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

/** The error for an aborted signal: its reason if that is a TransferError, otherwise an interruption (exit 130). */
export function interruption(signal: AbortSignal): TransferError {
  return signal.reason instanceof TransferError
    ? signal.reason
    : new TransferError('interrupted', 'interrupted', { peerMessage: 'it was interrupted', cause: signal.reason })
}
