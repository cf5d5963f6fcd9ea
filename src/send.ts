/** Sending, from paths and streams to a summary: what `tcp-send` does, for a program. */
import type { Readable } from 'node:stream'
import { asTransferError, interruption, type TransferError } from './errors.js'
import { failedEvent, type OnEvent, secondsSince } from './events.js'
import { FileSource, type Source, StreamSource } from './files/source.js'
import { peerAddress } from './net/address.js'
import { dial } from './net/dial.js'
import { Outgoing, type OutgoingResult } from './outgoing.js'

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

export interface SendOptions {
  /** What to send, in this order, over one connection: paths of regular files, files with another name, streams. */
  sources: readonly (string | FileToSend | StreamToSend)[]
  host: string
  port: number
  /** How long to keep trying to connect, in milliseconds. Default 0: once. */
  wait?: number | undefined
  /** Milliseconds without progress, or for one try to connect, after which the transfer fails. Default 30,000. */
  timeout?: number | undefined
  /** What a single source must turn out to have; anything else is never stored under a final name. */
  expect?: { size?: number | undefined; blake3?: string | undefined } | undefined
  /** Aborting ends the transfer at once; the receiver is told. */
  signal?: AbortSignal | undefined
  onEvent?: OnEvent | undefined
}

export interface Summary {
  files: number
  bytes: number
  seconds: number
}

/**
 * Sends every source. Resolves only when the receiver has confirmed each of them: complete, compared with its digest,
 * durable, under its final name. Otherwise it rejects with the TransferError of what failed first; the other files of
 * the call were sent all the same, as the events tell.
 */
export async function send(options: SendOptions): Promise<Summary> {
  const { onEvent = () => {} } = options
  const start = performance.now()
  const result = await sendAll(options, onEvent)
  const { files, bytes, failure } = result
  const seconds = secondsSince(start)
  onEvent({ event: 'done', files, bytes, seconds, exitCode: failure?.exitCode ?? 0 })
  if (failure) throw failure
  return { files, bytes, seconds }
}

async function sendAll(options: SendOptions, onEvent: OnEvent): Promise<OutgoingResult> {
  const { host, port, wait = 0, timeout = 30_000, expect = {} } = options
  const signal = options.signal ?? new AbortController().signal
  let failure: TransferError | null = null
  const failed = (name: string | undefined, error: unknown) => {
    failure ??= asTransferError(error)
    onEvent(failedEvent(1, name, asTransferError(error)))
  }

  const all = options.sources.map(toSource)
  const ready: Source[] = []
  for (const source of all) {
    try {
      await source.inspect()
      ready.push(source)
    } catch (error) {
      failed(source.name, error)
    }
  }
  const nothing = () => ({ files: 0, bytes: 0, failure })
  if (ready.length === 0) return nothing()
  try {
    const socket = await dial({ host, port, wait, timeout, signal })
    if (signal.aborted) throw interruption(signal)
    onEvent({ event: 'connected', transfer: 1, peer: peerAddress(socket) })
    const result = await new Outgoing(socket, { onEvent, signal, transfer: 1, timeout, expect }).run(ready)
    return { ...result, failure: failure ?? result.failure }
  } catch (error) {
    failed(undefined, error)
    return nothing()
  }
}

function toSource(source: SendOptions['sources'][number]): Source {
  if (typeof source === 'string') return new FileSource(source)
  if ('path' in source) return new FileSource(source.path, source.name)
  return new StreamSource(source.stream, source.name, source.label ?? source.name)
}
