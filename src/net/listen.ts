/** Listens for connections. */
import { createServer, type Server, type Socket } from 'node:net'
import { TransferError } from '../errors.js'
import { describe } from '../system-errors.js'
import { checkPort, formatAddress } from './address.js'
import { withLargeReads } from './feed.js'

export interface ListenOptions {
  /** The address to listen on. Default: all interfaces, IPv6 and IPv4. */
  host?: string | undefined
  /** The port to listen on. 0 lets the system pick one. */
  port: number
  onConnection(socket: Socket): void
}

/** Returns a listening server. Throws a `connect` error, or a `usage` error if the port is invalid. */
export async function listen({ host, port, onConnection }: ListenOptions): Promise<Server> {
  checkPort(port)
  return await new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
      onConnection(withLargeReads(socket)),
    )
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(host, port, error)))
    server.listen({ host, port, backlog: 1024 }, () => {
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

function listenError(host: string | undefined, port: number, error: NodeJS.ErrnoException): TransferError {
  const code = error.code ?? ''
  const what = hints[code] ? `${hints[code]} (${code})` : describe(error)
  const text = `cannot listen on ${formatAddress(host ?? '*', port)}: ${what}`
  return new TransferError('connect', text, { cause: error })
}
