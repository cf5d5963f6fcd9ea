/** UDP sockets. */
import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { TransferError } from '../errors.js'
import { describe } from '../system-errors.js'
import { formatAddress, validPort } from './address.js'
import { listenError } from './listen.js'

/**
 * Returns a socket that hears every datagram to this address. Default host: all interfaces, IPv6 and IPv4. Port 0 lets
 * the system pick one. Throws a `connect` error, or a `usage` error if the port is invalid.
 */
export async function bindUdp(host: string | undefined, port: number | undefined): Promise<Socket> {
  const valid = validPort(port)
  const failed = (error: NodeJS.ErrnoException) => listenError(host, valid, error)
  return await open(host ?? '::', failed, (socket, address, done) => socket.bind(valid, address, done))
}

/**
 * Returns a socket that sends to this address, and hears only what comes from there. Only such a socket is told of a
 * closed port. Throws a `connect` error, or a `usage` error if the port is invalid.
 */
export async function connectUdp(host: string, port: number | undefined): Promise<Socket> {
  const valid = validPort(port)
  const failed = (error: NodeJS.ErrnoException) =>
    new TransferError('connect', `cannot send to ${formatAddress(host, valid)}: ${describe(error)}`, { cause: error })
  return await open(host, failed, (socket, address, done) => socket.connect(valid, address, done))
}

async function open(
  host: string,
  failed: (error: NodeJS.ErrnoException) => TransferError,
  use: (socket: Socket, address: string, done: (error?: Error | null) => void) => void,
): Promise<Socket> {
  try {
    // Most programs that are neither browsers nor servers of the Internet listen on IPv4.
    const { address, family } = await lookup(host, { order: 'ipv4first' })
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
    await new Promise<void>((resolve, reject) => {
      const onFailure = (error: Error) => {
        socket.close()
        reject(error)
      }
      // A failure of `bind` is an event, and one of `connect` is not.
      socket.once('error', onFailure)
      use(socket, address, (error) => (error ? onFailure(error) : resolve()))
    })
    socket.removeAllListeners('error')
    return socket
  } catch (error) {
    throw failed(error as NodeJS.ErrnoException)
  }
}
