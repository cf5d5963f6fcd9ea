/** Connects to a listener, and tries again while the listener may still be starting. */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { interruption, TransferError } from '../errors.js'
import type { KeyRole } from '../keys.js'
import { describe } from '../system-errors.js'
import { formatAddress, validPort } from './address.js'
import { connectWithLargeReads } from './feed.js'
import { roundTrip } from './round-trip.js'

/**
 * If a host has several addresses: the time after which the next address is tried, in milliseconds. The default of
 * Node.js (250) gives up on an address that is merely far away.
 */
const ATTEMPT_TIMEOUT = 1_500

/** The pause between two attempts, in milliseconds. It is short at first, for a listener that is about to start. */
const FIRST_PAUSE = 50
const LONGEST_PAUSE = 1_000

export interface DialOptions {
  host: string
  port: number | undefined
  /** The longest time of one attempt, in milliseconds. */
  timeout: number
  /** How long to keep trying, in milliseconds. 0 makes one attempt. */
  wait: number
  signal: AbortSignal
  /** Called with the first failure, if another attempt follows. */
  onWaiting?: ((failure: TransferError) => void) | undefined
  /** The role of the peer. The socket to a sender reads in large pieces, and `feed` must be called on it. */
  partner: KeyRole
  /** If true, it was connected before, and nobody needs to be told how to make the peer listen. */
  isAgain?: boolean
  /** If true, TLS will read from the socket, and `feed` must not be called on it. */
  isSecure?: boolean
}

export interface Dialled {
  socket: Socket
  /** How long the other side took to answer, in milliseconds. */
  rtt: number
}

/**
 * Returns a connected socket. Throws a `connect` error when `wait` has passed, the interruption when `signal` is
 * aborted, or a `usage` error if the port is invalid.
 */
export async function dial(options: DialOptions): Promise<Dialled> {
  const { signal, wait, onWaiting } = options
  const target = { ...options, port: validPort(options.port) }
  const end = performance.now() + wait
  for (let pause = FIRST_PAUSE, isFirst = true; ; pause = Math.min(2 * pause, LONGEST_PAUSE), isFirst = false) {
    if (signal.aborted) throw interruption(signal)
    try {
      return await connectOnce(target)
    } catch (error) {
      if (signal.aborted) throw interruption(signal)
      const left = end - performance.now()
      const failure = connectError(target, error as NodeJS.ErrnoException)
      if (left <= 0) throw failure
      if (isFirst) onWaiting?.(failure)
      // An interruption ends the pause. The next round throws it.
      await sleep(Math.min(pause, left), undefined, { signal }).catch(() => {})
    }
  }
}

type Target = DialOptions & { port: number }

function connectOnce({ host, port, timeout, signal, partner, isSecure }: Target): Promise<Dialled> {
  return new Promise((resolve, reject) => {
    const address = { host, port, allowHalfOpen: true, noDelay: true }
    const options = { ...address, autoSelectFamilyAttemptTimeout: ATTEMPT_TIMEOUT }
    const isLarge = partner === 'sender' && !isSecure
    const socket = isLarge ? connectWithLargeReads((large) => connect({ ...options, ...large })) : connect(options)
    let elapsed = roundTrip()
    socket.on('connectionAttempt', () => {
      elapsed = roundTrip()
    })
    const timer = setTimeout(() => socket.destroy(timedOut()), timeout)
    const interrupt = () => socket.destroy(interruption(signal))
    signal.addEventListener('abort', interrupt)
    const settle = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', interrupt)
      socket.off('error', reject)
    }
    socket.once('error', reject)
    socket.once('connect', () => resolve({ socket, rtt: elapsed() }))
    socket.once('connect', settle)
    socket.once('close', settle)
  })
}

function timedOut(): NodeJS.ErrnoException {
  return Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })
}

const hints: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name could not be resolved now',
  ETIMEDOUT: 'no answer (a firewall?)',
  ECONNRESET: 'the other side broke the connection at once',
  EHOSTUNREACH: 'no route to that host',
  ENETUNREACH: 'no route to that network',
}

const partners = { sender: 'tcp-send --listen', receiver: 'tcp-recv', chat: 'tcp-chat' }

function connectError({ host, port, partner, wait, isAgain }: Target, error: NodeJS.ErrnoException): TransferError {
  // If all of several addresses fail, the error is an AggregateError with the code of the first failure.
  const code = error.code ?? ''
  const orWait = wait === 0 ? ' --wait SECONDS waits for it' : ''
  const advice = code === 'ECONNREFUSED' && !isAgain ? ` (is ${partners[partner]} running?${orWait})` : ''
  const what = hints[code] ? `${hints[code]}${advice} (${code})` : describe(error)
  const text = `cannot connect to ${formatAddress(host, port)}: ${what}`
  return new TransferError('connect', text, { cause: error })
}
