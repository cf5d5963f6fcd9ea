/** Hosts and ports as people type them: `host 9000`, `host:9000`, `[::1]:9000` or `[::1] 9000`. */
import { existsSync } from 'node:fs'
import { isIP, isIPv6 } from 'node:net'
import { printable } from '../text.js'
import type { Arguments } from './arguments.js'
import { parseInteger, usage } from './values.js'

export interface Place {
  host: string | undefined
  port: number | undefined
}

/** An IPv6 address needs its brackets before a port: `::1:9000` is an address itself. */
const joined = /^(?:\[([^[\]]+)\]|([^:/@[\]\s]+)):(\d+)$/

/** The parts of `HOST:PORT`; null for anything else. */
export function splitPlace(text: string): { host: string; port: string } | null {
  const [, address, name = address, port] = joined.exec(text) ?? []
  if (name === undefined || port === undefined || (address !== undefined && !isIPv6(address))) return null
  return { host: name, port }
}

/** A host without its brackets. */
export function readHost(what: string, text: string): string {
  if (text === '') throw usage(`${what} is empty`)
  const host = text.replace(/^\[(.*)\]$/s, '$1')
  if (isIPv6(host) || (host === text && !/[:/@[\]\s]/.test(host))) return host
  throw usage(`${what} must be a name or an address, such as host, 127.0.0.1 or ::1, not "${printable(text, 80)}"`)
}

/** `--host` or `--connect`, which may hold the port as well as `--port`. */
export function readPlace(args: Arguments, option: 'host' | 'connect', least: number): Place {
  const text = args.text(option)
  const port = args.text('port')
  const place = text === undefined ? null : splitPlace(text)
  if (place && port !== undefined) throw usage(`--${option} ${text} has a port already, so --port does not go with it`)
  const [what, number] = place ? ['the port', place.port] : ['--port', port]
  return {
    host: text === undefined ? undefined : readHost(`--${option}`, place?.host ?? text),
    port: number === undefined ? undefined : parseInteger(what, number, least, 65535),
  }
}

/** What a word could be of an address, and what there is to be said of it. */
export interface Guess {
  host?: string | undefined
  port?: string | undefined
  note?: string
}

const url = /^[a-z][a-z\d+.-]*:\/\/(?:[^@/]*@)?(?:\[([^\]]*)\]|([^:/]+))(?::(\d+))?/i
/** As scp and rsync have it: `user@host`, `user@host:path`, `host:path`. */
const remote = /^(?:[^@/:]+@([^@/:]+)(?::.*)?|([^@/:[\]]+):.*)$/s

/** What `word` must have meant where it does not fit; null for a path, or a name that may be one. */
export function guess(word: string): Guess | null {
  if (/^:?\d+$/.test(word)) return { port: word.replace(':', '') }
  if (word === '-' || existsSync(word)) return null
  const place = splitPlace(word)
  if (place) return place
  const [, inBrackets, behind] = /^\[([^\]]*)\](?::(\d+))?$/.exec(word) ?? []
  if (inBrackets !== undefined) {
    return { host: inBrackets, port: behind, ...(!isIPv6(inBrackets) && { note: 'brackets are for IPv6 addresses' }) }
  }
  const [, address, last] = /^(.*):(\d+)$/.exec(word) ?? []
  if (address !== undefined && isIPv6(address)) {
    return { host: address, port: last, note: 'an IPv6 address before a port is put in brackets' }
  }
  if (isIP(word)) return { host: word }
  const [, urlAddress, urlHost = urlAddress, urlPort] = url.exec(word) ?? []
  if (urlHost !== undefined) return { host: urlHost, port: urlPort, note: 'a URL is more than is needed' }
  const [, ofUser, ofPath = ofUser] = remote.exec(word) ?? []
  if (ofPath === undefined) return null
  if (word.endsWith(':')) return { host: ofPath }
  return { host: ofPath, note: 'the folder on the other side is chosen there, with tcp-recv --out' }
}
