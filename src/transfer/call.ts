/** A call: dials, for one transfer, which may go on over another connection if one breaks. */
import { setTimeout as sleep } from 'node:timers/promises'
import { asTransferError, interruption, TransferError } from '../errors.js'
import type { OnEvent } from '../events.js'
import { peerAddress } from '../net/address.js'
import { type DialOptions, dial } from '../net/dial.js'
import type { Entered, Entrance } from './entrance.js'
import { Retry } from './retry.js'
import {
  type Connection,
  endedEvent,
  isBreak,
  keyFacts,
  runWatched,
  type Session,
  type TransferResult,
} from './session.js'

export interface CallOptions extends DialOptions {
  onEvent: OnEvent
  stall: number
  /** How often to connect again after a break. Default: never. */
  retry?: number | undefined
  entrance?: Entrance | undefined
}

/** Connects, and runs the transfer to its end. Throws if it cannot connect. A failed transfer is part of the result. */
export async function call(options: CallOptions, start: (connection: Connection) => Session): Promise<TransferResult> {
  const { onEvent, partner } = options
  const seconds = options.wait / 1000
  const onWaiting = ({ message }: TransferError) => {
    const text = `${message}; trying again for up to ${seconds} seconds`
    onEvent({ event: 'waiting', for: partner, seconds, message: text })
  }
  const connected = await connect({ ...options, onWaiting })
  const { socket, peer, key } = connected
  try {
    onEvent({ event: 'connected', transfer: 1, peer, ...keyFacts(key) })
  } catch (error) {
    socket.destroy()
    throw error
  }
  const begin = performance.now()
  const result = await runRetried(connected, options, start)
  onEvent(endedEvent(1, begin, result))
  return result
}

type Connected = Entered & { peer: string }

async function connect(options: CallOptions): Promise<Connected> {
  const { entrance } = options
  const socket = await dial({ ...options, isSecure: entrance !== undefined })
  const peer = peerAddress(socket)
  return { ...(entrance ? await entrance.dialled(socket, options) : { socket }), peer }
}

/** Runs the transfer over one connection after the other, as long as it can go on. */
async function runRetried(
  first: Connected,
  options: CallOptions,
  start: (connection: Connection) => Session,
): Promise<TransferResult> {
  const retry = new Retry(options.retry ?? 0, options.wait)
  let session = start({ ...first, transfer: 1 })
  let result = await runSession(session, options)
  for (let progress = 0; session.broken; ) {
    const { broken } = session
    if (broken.progress !== progress) retry.reset()
    progress = broken.progress
    const connected = await reconnect(retry, broken.error, options).catch(asTransferError)
    if (connected instanceof TransferError) {
      broken.giveUp(connected)
      break
    }
    session = start({ ...connected, transfer: 1 })
    result = await runSession(session, options)
  }
  return result
}

/** Connects again, after a pause. Throws the failure for which it gives up. */
async function reconnect(retry: Retry, broken: TransferError, options: CallOptions): Promise<Connected> {
  const { signal, onEvent, partner } = options
  for (let failure = broken; ; ) {
    const pause = retry.next()
    if (pause === null) throw broken.withMessage(`${failure.message}; tried again ${counted(retry.tries, 'time')}`)
    const seconds = pause / 1000
    const message = `${failure.message}; going on in ${counted(seconds, 'second')}`
    onEvent({ event: 'waiting', for: partner, seconds, message })
    await sleep(pause, undefined, { signal }).catch(() => {})
    if (signal.aborted) throw interruption(signal)
    try {
      return await connect({ ...options, wait: 0, isAgain: true })
    } catch (error) {
      failure = asTransferError(error)
      if (failure.code !== 'connect' && !isBreak(failure)) throw failure
    }
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

/** Runs the session to its end, unless `signal` is aborted before. */
async function runSession(session: Session, { signal, stall, partner }: CallOptions): Promise<TransferResult> {
  const interrupt = () => session.fail(interruption(signal))
  signal.addEventListener('abort', interrupt)
  if (signal.aborted) interrupt()
  // If `onEvent` throws, the files must be closed all the same before anything else happens.
  const [running] = await Promise.allSettled([runWatched(session, stall, partner)])
  await session.closed
  signal.removeEventListener('abort', interrupt)
  if (running.status === 'rejected') throw running.reason
  return running.value
}
