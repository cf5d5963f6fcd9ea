/** Sending, from paths and streams to a summary: what `tcp-send` does, for a program. */
import type { Readable } from 'node:stream'
import { defaults } from './defaults.js'
import { disk } from './disk/disk.js'
import { asTransferError, TransferError } from './errors.js'
import { type OnEvent, report } from './events.js'
import { DescriptorSource } from './sources/descriptor-source.js'
import { FifoSource } from './sources/fifo-source.js'
import { MessageSource } from './sources/message-source.js'
import { FileSource, type Source } from './sources/source.js'
import { StreamSource } from './sources/stream-source.js'
import { conclude, type Summary } from './summary.js'
import { shellWord } from './text.js'
import { dialled } from './transfer/call.js'
import { checkSize, type Expectation } from './transfer/expectation.js'
import { Service } from './transfer/listener.js'
import { Outgoing } from './transfer/outgoing.js'
import { PlainOutgoing } from './transfer/plain-outgoing.js'
import type { Connection, Transfer, TransferResult } from './transfer/transfer.js'

/** A stream to send under a name, such as `process.stdin`. It is read once, in bounded memory, and destroyed at the end. */
export interface StreamToSend {
  stream: Readable
  name: string
  /** How messages call it. Default: the name. */
  label?: string
}

/** A file to send under another name than its own. */
export interface FileToSend {
  path: string
  name: string
}

/** An open descriptor to send under a name, such as 0 for standard input: quicker than a stream made of it. */
export interface DescriptorToSend {
  fd: number
  name: string
  /** How messages call it. Default: the name. */
  label?: string
}

/** A message, which the receiver shows and does not store: at most 64 KiB of UTF-8. The final newline of a stream is no part of it. */
export interface MessageToSend {
  text: string | Readable
}

export interface SendOptions {
  /** What to send, in this order, over one connection: paths of regular files and FIFOs, files with another name, streams, messages. */
  sources: readonly (string | FileToSend | DescriptorToSend | StreamToSend | MessageToSend)[]
  /** The receiver to connect to; or, with `listen`, the address to listen on (default: every interface). */
  host?: string | undefined
  port: number
  /** Listen, and send to whoever connects, instead of connecting. Default false. */
  listen?: boolean | undefined
  /** When listening: how many successful transfers to make; Infinity for no end. Default 1. A stream can be sent once. */
  count?: number | undefined
  /** When listening: end with the outcome of the first receiver, without waiting for another try. Default false. */
  oneAttempt?: boolean | undefined
  /**
   * Without the protocol, the bytes of a single source until the end of the stream: for peers such as `nc`. Nothing is
   * confirmed: success means that all was handed over and the connection was not reset. Default false.
   */
  plain?: boolean | undefined
  /** Keep trying to connect, or waiting for a receiver, for so many milliseconds. Default: one try; no end. */
  wait?: number | undefined
  /** Milliseconds without progress, or for one try to connect, after which the transfer fails. Default 30,000. */
  timeout?: number | undefined
  /** When listening: the most connections at once. Default 256. */
  maxConnections?: number | undefined
  /** Accept a receiver that answers without a digest; the file then counts as not verified. Default false. */
  allowUnverified?: boolean | undefined
  /** What a single source must turn out to have; anything else is never stored under a final name. */
  expect?: Expectation | undefined
  /** Aborting ends the transfer at once; the receiver is told. */
  signal?: AbortSignal | undefined
  onEvent?: OnEvent | undefined
}

/**
 * Sends every source. Resolves only when the receiver has confirmed each of them: complete, compared with its digest,
 * durable, under its final name. Otherwise it rejects with the TransferError of what failed first; the other files of
 * the call were sent all the same, as the events tell.
 */
export async function send(options: SendOptions): Promise<Summary> {
  const { onEvent = () => {} } = options
  const tally = { files: 0, bytes: 0 }
  return await conclude(onEvent, tally, async () => {
    const sources = await Promise.all(options.sources.map((source) => toSource(source, options)))
    if (options.plain && sources.length !== 1) {
      throw new TransferError('usage', 'without the protocol nothing tells where one file ends: give a single source')
    }
    const { ready, failure } = await inspect(sources, options)
    try {
      if (ready.length > 0) await (options.listen ? serve : dial)(options, ready, tally)
    } catch (error) {
      // The first failure is the one that counts; this one is told all the same.
      report(onEvent, { transfer: 0 }, asTransferError(error))
      throw failure ?? error
    } finally {
      for (const source of sources) source.release()
    }
    if (failure) throw failure
  })
}

/** The sources that can be sent, and the first failure of the others: better known before the connection is made. */
async function inspect(
  sources: readonly Source[],
  { expect = {}, onEvent = () => {} }: SendOptions,
): Promise<{ ready: Source[]; failure: TransferError | null }> {
  const ready: Source[] = []
  let failure: TransferError | null = null
  for (const source of sources) {
    try {
      checkOfferable(source)
      const size = await source.inspect()
      if (size !== null) checkSize(source.label, size, expect)
      ready.push(source)
    } catch (error) {
      failure ??= asTransferError(error)
      report(onEvent, { transfer: 0, name: source.name }, asTransferError(error))
    }
  }
  return { ready, failure }
}

/** The most bytes of a name that is offered. No receiver stores one of more than 255, and says so; this is for the wire. */
const MAX_OFFERED = 4096

function checkOfferable({ name, label }: Source): void {
  const problem = !name.isWellFormed() ? 'is not Unicode' : Buffer.byteLength(name) > MAX_OFFERED ? 'is too long' : null
  if (problem === null) return
  throw new TransferError(
    'local-file',
    `${label}: its name ${problem} and cannot be sent; give it another with --name`,
    {
      reason: 'name',
    },
  )
}

type Tally = Pick<TransferResult, 'files' | 'bytes'>

async function dial(options: SendOptions, sources: Source[], tally: Tally): Promise<void> {
  const { host = defaults.host, port, wait = defaults.wait, timeout = defaults.timeout, onEvent = () => {} } = options
  const signal = options.signal ?? new AbortController().signal
  const result = await dialled({ host, port, wait, timeout, signal, onEvent, partner: 'receiver' }, (connection) =>
    start(options, sources, connection),
  )
  Object.assign(tally, { files: result.files, bytes: result.bytes })
  if (result.failure) throw result.failure
}

async function serve(options: SendOptions, sources: Source[], tally: Tally): Promise<void> {
  const { timeout = defaults.timeout, onEvent = () => {}, oneAttempt = false } = options
  const isOnce = oneAttempt || sources.some((source) => source.isOnce)
  const count = isOnce ? 1 : (options.count ?? defaults.sendCount)
  const service = new Service(
    { ...options, timeout, count, onEvent },
    {
      partner: 'receiver',
      isSpoiled: () => isOnce,
      start: (connection) => start(options, sources, connection),
    },
  )
  try {
    await service.run()
  } finally {
    Object.assign(tally, { files: service.files, bytes: service.bytes })
  }
}

function start(
  { plain = false, timeout = defaults.timeout, expect = {}, allowUnverified = false, onEvent = () => {} }: SendOptions,
  sources: readonly Source[],
  { socket, transfer, admit }: Pick<Connection, 'socket' | 'transfer'> & Partial<Pick<Connection, 'admit'>>,
): Transfer {
  const [source] = sources
  if (!plain || !source) {
    return new Outgoing(socket, { sources, onEvent, transfer, timeout, expect, allowUnverified, admit })
  }
  return new PlainOutgoing(socket, { source, onEvent, transfer, timeout, expect, admit })
}

async function toSource(source: SendOptions['sources'][number], options: SendOptions): Promise<Source> {
  if (typeof source === 'string') return await pathSource(source, undefined, options)
  if ('path' in source) return await pathSource(source.path, source.name, options)
  if ('fd' in source) return new DescriptorSource(source.fd, source.name, source.label ?? source.name)
  if ('text' in source) return new MessageSource(source.text)
  return new StreamSource(source.stream, source.name, source.label ?? source.name)
}

/** What a path leads to; of one that leads nowhere the inspection tells. */
async function pathSource(path: string, name: string | undefined, options: SendOptions): Promise<Source> {
  const stats = await disk.stat(path).catch(() => null)
  if (stats?.isFIFO()) return new FifoSource(path, name)
  const { host = defaults.host, port, listen = false, plain = false } = options
  const where = listen ? `--listen --port ${port}` : `${shellWord(host)} ${port}`
  // Without the protocol there is no name.
  const asStream = (as: string) => `tcp-send ${plain ? '--plain' : `--name ${shellWord(as)}`} - ${where}`
  return new FileSource(path, name, asStream)
}
