/** Sockets that a service manager passes to a command that it starts: systemd's socket activation, sd_listen_fds(3). */
import type { Arguments } from './arguments.js'
import { parseInteger, usage } from './values.js'

/** The descriptor of the first passed socket. The others follow it. */
const FIRST = 3

/** The most sockets that are taken. More are a mistake. */
const MOST = 64

/**
 * Returns the descriptors of the sockets that were passed to this process, or undefined if none were. Removes the
 * variables that announce them, so that no program started later takes them for its own.
 */
export function passedSockets(): number[] | undefined {
  const { LISTEN_PID: pid, LISTEN_FDS: count = '' } = process.env
  if (pid !== String(process.pid)) return undefined
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete process.env[name]
  return Array.from({ length: parseInteger('LISTEN_FDS', count, 1, MOST) }, (_, index) => FIRST + index)
}

/** Throws a usage error if an option says where to listen, although the sockets that were passed do. */
export function assertNoAddress(args: Arguments): void {
  const option = ['port', 'host'].find((name) => args.text(name) !== undefined)
  if (option === undefined) return
  throw usage(`the service manager has passed the sockets to listen on, so --${option} does not go with them`)
}
