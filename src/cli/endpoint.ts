/** Parses a host and a port as typed on the command line: `host 9000`, `host:9000`, `[::1]:9000` or `[::1] 9000`. */
import { existsSync } from 'node:fs'
import { isIP, isIPv6 } from 'node:net'
import { printable } from '../text.js'
import type { Arguments } from './arguments.js'
import { parseInteger, usage } from './values.js'

/** A host and a port; `undefined` for a part that was not given. */
export interface Endpoint {
  host: string | undefined
  port: number | undefined
}

/** `HOST:PORT`. An IPv6 address needs brackets here, because `::1:9000` is an address without a port. */
const hostAndPort = /^(?:\[([^[\]]+)\]|([^:/@[\]\s]+)):(\d+)$/

/** Splits `HOST:PORT`. Returns null for any other text. The port is not checked. */
export function splitEndpoint(text: string): { host: string; port: string } | null {
  const [, address, name = address, port] = hostAndPort.exec(text) ?? []
  if (name === undefined || port === undefined || (address !== undefined && !isIPv6(address))) return null
  return { host: name, port }
}

/** Returns the host in `text` without brackets. Throws a usage error if `text` is not a host; `what` names it there. */
export function readHost(what: string, text: string): string {
  if (text === '') throw usage(`${what} is empty`)
  const host = text.replace(/^\[(.*)\]$/s, '$1')
  if (isIPv6(host) || (host === text && !/[:/@[\]\s]/.test(host))) return host
  throw usage(`${what} must be a name or an address, such as host, 127.0.0.1 or ::1, not "${printable(text, 80)}"`)
}

/**
 * Reads the endpoint that `--host` or `--connect` and `--port` give. The port may be part of the host or have its own
 * option, but not both. Throws a usage error for an invalid host, and for a port outside `minPort` to 65535.
 */
export function readEndpoint(args: Arguments, option: 'host' | 'connect', minPort: number): Endpoint {
  const text = args.text(option)
  const port = args.text('port')
  const endpoint = text === undefined ? null : splitEndpoint(text)
  if (endpoint && port !== undefined)
    throw usage(`--${option} ${text} has a port already, so --port does not go with it`)
  const [what, number] = endpoint ? ['the port', endpoint.port] : ['--port', port]
  return {
    host: text === undefined ? undefined : readHost(`--${option}`, endpoint?.host ?? text),
    port: number === undefined ? undefined : parseInteger(what, number, minPort, 65535),
  }
}

/** The parts of an endpoint that a word seems to give. */
export interface EndpointGuess {
  host?: string | undefined
  port?: string | undefined
  /** What is wrong with the word, as a part of an error message. */
  note?: string
}

const url = /^[a-z][a-z\d+.-]*:\/\/(?:[^@/]*@)?(?:\[([^\]]*)\]|([^:/]+))(?::(\d+))?/i
/** The notations of scp and rsync: `user@host`, `user@host:path`, `host:path`. */
const remote = /^(?:[^@/:]+@([^@/:]+)(?::.*)?|([^@/:[\]]+):.*)$/s

/**
 * Guesses which parts of an endpoint `word` gives, for an error message. Returns null for a path, and for a plain name,
 * which may be a path or a host.
 */
export function guessEndpoint(word: string): EndpointGuess | null {
  if (/^:?\d+$/.test(word)) return { port: word.replace(':', '') }
  if (word === '-' || existsSync(word)) return null
  const endpoint = splitEndpoint(word)
  if (endpoint) return endpoint
  const [, inBrackets, portBehind] = /^\[([^\]]*)\](?::(\d+))?$/.exec(word) ?? []
  if (inBrackets !== undefined) {
    const note = isIPv6(inBrackets) ? {} : { note: 'brackets are for IPv6 addresses' }
    return { host: inBrackets, port: portBehind, ...note }
  }
  const [, address, lastGroup] = /^(.*):(\d+)$/.exec(word) ?? []
  if (address !== undefined && isIPv6(address)) {
    return { host: address, port: lastGroup, note: 'an IPv6 address before a port is put in brackets' }
  }
  if (isIP(word)) return { host: word }
  const [, urlAddress, urlHost = urlAddress, urlPort] = url.exec(word) ?? []
  if (urlHost !== undefined) return { host: urlHost, port: urlPort, note: 'give a host, not a URL' }
  const [, hostOfUser, remoteHost = hostOfUser] = remote.exec(word) ?? []
  if (remoteHost === undefined) return null
  if (word.endsWith(':')) return { host: remoteHost }
  return { host: remoteHost, note: 'the receiver chooses the folder, with tcp-recv --out' }
}
