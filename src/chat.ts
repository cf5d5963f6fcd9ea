/** Talks over a TCP connection, to one partner or in a room. */
import { userInfo } from 'node:os'
import { type CodeOptions, withCodeDefaults } from './access/code-options.js'
import { entranceFor, type KeyOptions } from './access/entrance.js'
import type { OnChatEvent } from './chat/chat-events.js'
import { isName } from './chat/chat-protocol.js'
import { DatagramTalk } from './chat/datagram-talk.js'
import { dialTalk } from './chat/guest.js'
import { Host } from './chat/host.js'
import { Report } from './chat/report.js'
import type { Talk, TalkOptions } from './chat/talk.js'
import { defaults } from './defaults.js'
import { asTransferError, TransferError } from './errors.js'
import type { OnEvent } from './events.js'
import { type PeerOptions, peerLimits } from './peers.js'

/** The options of `chat`. */
export interface ChatOptions extends KeyOptions, CodeOptions, Omit<PeerOptions, 'stall' | 'proxyFrom'> {
  /** If true, listens instead of connecting. Default false. */
  listen?: boolean | undefined
  /** The host to connect to, or the address to listen on. Default: `localhost`, or all interfaces. */
  host?: string | undefined
  /** The port. 0 lets the system pick one to listen on. */
  port: number | undefined
  /** The own name: at most 32 letters, digits, dots, dashes and underscores. Default: the user's name, or `guest`. */
  name?: string | undefined
  /** When listening: any number may join, and each hears all others. Default false: one partner at a time. */
  room?: boolean | undefined
  /** When listening: who says a line hears it, too. Default false. */
  echo?: boolean | undefined
  /** When listening: end when the first partner has left. Default false. */
  once?: boolean | undefined
  /** When connecting: the other side is no tcp-chat, but any program that sends and takes lines. Default false. */
  plain?: boolean | undefined
  /**
   * Over UDP: each line is a datagram of at most 1,200 bytes, and nobody is told what becomes of it. Without a key,
   * `plain`, `echo` and `once`. Default false.
   */
  udp?: boolean | undefined
  /**
   * When connecting: how long to keep trying, in milliseconds; default 0, one attempt. When listening: fail with the
   * code `timeout` if nobody has come within this time; default: never.
   */
  wait?: number | undefined
  /**
   * How long a tcp-chat may be silent, or anybody may take nothing, in milliseconds, and how long one attempt to connect
   * may take. After `sayNoMore`: how long a plain peer may say nothing. Default 30,000.
   */
  timeout?: number | undefined
  /** Aborting it ends the conversation. `finished` then rejects with its reason if that is a TransferError. Default: none. */
  signal?: AbortSignal | undefined
  /** Called for every event, in order. If it throws, the conversation ends. Default: none. */
  onEvent?: OnChatEvent | undefined
}

/**
 * Begins a conversation. Resolves when it listens, or when the other side has answered. Rejects with a TransferError if
 * it cannot listen or connect, if the keys differ (`key`), or if the other side sends it away (`refused`).
 */
export async function chat(given: ChatOptions): Promise<Talk> {
  const options = withCodeDefaults(given)
  const { onEvent = () => {}, timeout = defaults.timeout, signal = new AbortController().signal } = options
  const { listen = false, host, port, wait, plain = false, room = false, echo = false, once = false } = options
  const report = new Report(onEvent)
  try {
    const name = options.name ?? defaultName()
    if (!isName(name)) throw new TransferError('usage', `that is no name: ${NAME_RULE}`)
    if (room && options.code !== undefined)
      throw new TransferError('usage', 'a code is for one partner, so it does not go with a room')
    if (options.udp) return await talkOverUdp(options, { name, timeout, signal, onEvent }, report)
    // It warns of keys that cannot be used.
    const warn = report.emit.bind(report) as OnEvent
    const entrance = await entranceFor({ ...options, plain, listens: listen, onEvent: warn }, 'chat')
    const common = { port, name, timeout, signal, onEvent, entrance }
    if (!listen) {
      const { host: target, wait: patience } = { host: host ?? defaults.host, wait: wait ?? defaults.wait }
      return await dialTalk({ ...common, host: target, wait: patience, plain }, report)
    }
    return await new Host(
      { ...common, ...peerLimits(options), host, wait, room, echo, once: once || options.code === true },
      report,
    ).open()
  } catch (error) {
    const failure = asTransferError(error)
    report.end(failure)
    throw failure
  }
}

async function talkOverUdp(
  { key, code, listen = false, host, port, wait, room = false, allowFrom }: ChatOptions,
  common: Pick<TalkOptions, 'name' | 'timeout' | 'signal' | 'onEvent'>,
  report: Report,
): Promise<Talk> {
  if ((key ?? code) !== undefined)
    throw new TransferError('usage', 'a key needs a connection, so UDP does not go with it')
  const target = listen ? host : (host ?? defaults.host)
  return await new DatagramTalk({ ...common, host: target, port, wait, listen, room, allowFrom }, report).open()
}

/** For messages. */
export const NAME_RULE = 'at most 32 letters, digits, dots, dashes and underscores'

function defaultName(): string {
  return [userName()].find(isName) ?? 'guest'
}

/** Null if the user has none, as in a container. */
function userName(): string | null {
  try {
    return userInfo().username
  } catch {
    return null
  }
}
