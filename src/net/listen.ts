/** Listens for connections. */
import {
  type AddressInfo,
  createServer,
  type ListenOptions as NodeListenOptions,
  type Server,
  type Socket,
} from 'node:net'
import { TransferError } from '../errors.js'
import { describe } from '../system-errors.js'
import { formatAddress, validPort } from './address.js'
import { onAccepted } from './turn.js'

/** The socket is paused. */
type OnConnection = (socket: Socket) => void

export interface ListenOptions {
  /** The address to listen on. Default: all interfaces, IPv6 and IPv4. */
  host?: string | undefined
  /** The port to listen on. 0 lets the system pick one. */
  port: number | undefined
  onConnection: OnConnection
}

/**
 * How many connections wait until this process accepts them. If more come at once, the kernel drops them, and a peer
 * tries again only after a second. This is the most that Linux allows by default (`net.core.somaxconn`).
 */
const BACKLOG = 4096

/** Returns a listening server. Throws a `connect` error, or a `usage` error if the port is invalid. */
export async function listen({ host, port, onConnection }: ListenOptions): Promise<Server> {
  const where = { host, port: validPort(port), backlog: BACKLOG }
  return await start(where, onConnection, (error) => listenError(host, where.port, error))
}

/** Returns a server on a socket that listens already, given by its descriptor. Throws a `connect` error. */
export async function listenOn(fd: number, onConnection: OnConnection): Promise<Server> {
  const what = `cannot listen on the socket passed as descriptor ${fd}`
  const server = await start({ fd }, onConnection, (error) => {
    return new TransferError('connect', `${what}: ${describe(error)}`, { cause: error })
  })
  // A UNIX socket has none.
  const { port } = Object(server.address()) as Partial<AddressInfo>
  if (port !== undefined) return server
  server.close()
  throw new TransferError('connect', `${what}: it is no TCP socket`)
}

/** The same for several descriptors: for all of them, or none. */
export async function listenOnAll(descriptors: readonly number[], onConnection: OnConnection): Promise<Server[]> {
  const servers: Server[] = []
  try {
    for (const fd of descriptors) servers.push(await listenOn(fd, onConnection))
    return servers
  } catch (error) {
    for (const server of servers) server.close()
    throw error
  }
}

function start(
  where: NodeListenOptions | { fd: number },
  onConnection: OnConnection,
  errorOf: (error: NodeJS.ErrnoException) => TransferError,
): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
      onAccepted()
      onConnection(socket)
    })
    server.once('error', (error) => reject(errorOf(error)))
    server.listen(where, () => {
      server.removeAllListeners('error')
      // A later error, such as a lack of descriptors, concerns one connection that could not be accepted.
      server.on('error', () => {})
      resolve(server)
    })
  })
}

const hints: Record<string, string> = {
  EADDRINUSE: 'something listens there already (--port 0 picks a free port)',
  EACCES: 'that port is for privileged users; take one above 1023',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'there is no host of that name',
}

/** The error for an address on which nothing can listen. */
export function listenError(host: string | undefined, port: number, error: NodeJS.ErrnoException): TransferError {
  const code = error.code ?? ''
  const what = hints[code] ? `${hints[code]} (${code})` : describe(error)
  const text = `cannot listen on ${formatAddress(host ?? '*', port)}: ${what}`
  return new TransferError('connect', text, { cause: error })
}
