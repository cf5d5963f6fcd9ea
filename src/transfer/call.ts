/** A call: dials, for one transfer, which may go on over another connection if one breaks. */
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Entered, Entrance } from '../access/entrance.js'
import { asTransferError, interruption, TransferError } from '../errors.js'
import { keyFacts } from '../event-values.js'
import type { OnEvent } from '../events.js'
import { peerAddress } from '../net/address.js'
import { type DialOptions, dial } from '../net/dial.js'
import { Retry } from './retry.js'
import {
  type Connection,
  endedEvent,
  isBreak,
  type More,
  runWatched,
  type Session,
  type TransferResult,
} from './session.js'

export interface CallOptions extends DialOptions {
  partner: 'sender' | 'receiver'
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
  const { result, socket: last } = await runRetried(connected, options, start)
  onEvent(endedEvent(1, begin, result, last))
  return result
}

type Connected = Entered & { peer: string; rtt: number }

async function connect(options: CallOptions): Promise<Connected> {
  const { entrance } = options
  const { socket, rtt } = await dial({ ...options, isSecure: entrance !== undefined })
  const peer = peerAddress(socket)
  return { ...(entrance ? await entrance.dialled(socket, options) : { socket }), peer, rtt }
}

interface Ran {
  session: Session
  result: TransferResult
  /** What it ran over: a connection, or a bundle. */
  socket: Duplex
}

type Start = (connection: Connection) => Session

/** Runs the transfer over one connection after the other, as long as it can go on. */
async function runRetried(first: Connected, options: CallOptions, start: Start): Promise<Ran> {
  const retry = new Retry(options.retry ?? 0, options.wait)
  let ran = await runOver(first, options, start)
  for (let progress = 0; ran.session.broken; ) {
    const { broken } = ran.session
    if (broken.progress !== progress) retry.reset()
    progress = broken.progress
    const connected = await reconnect(retry, broken.error, options).catch(asTransferError)
    if (connected instanceof TransferError) {
      broken.giveUp(connected)
      break
    }
    ran = await runOver(connected, options, start)
  }
  return ran
}

/** Runs the transfer over a connection, or over the bundle that it becomes a part of. */
async function runOver({ rtt, ...connected }: Connected, options: CallOptions, start: Start): Promise<Ran> {
  let bundled: Promise<Ran> | undefined
  const run = async (socket: Duplex, more?: More): Promise<Ran> => {
    const session = start({ ...connected, socket, transfer: 1, more })
    return { session, result: await runSession(session, options), socket }
  }
  const dial = (ended: AbortSignal) =>
    connect({ ...options, wait: 0, isAgain: true, signal: AbortSignal.any([options.signal, ended]) })
  const enter = (bundle: Duplex) => {
    bundled = run(bundle)
    // It is awaited after the connection has ended.
    bundled.catch(() => {})
  }
  const ran = await run(connected.socket, { dialling: { rtt, dial }, enter })
  return bundled ? await bundled : ran
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
  const interrupt = () => {
    if (!session.isLane) session.fail(interruption(signal))
  }
  signal.addEventListener('abort', interrupt)
  if (signal.aborted) interrupt()
  // If `onEvent` throws, the files must be closed all the same before anything else happens.
  const [running] = await Promise.allSettled([runWatched(session, stall, partner)])
  await session.closed
  signal.removeEventListener('abort', interrupt)
  if (running.status === 'rejected') throw running.reason
  return running.value
}
