/**
 * Connections that a proxy, such as a load balancer, makes for its peers. Their first bytes name the peer
 * (`net/proxy-header.ts`), and everything else is as if that had connected itself.
 */
import type { Socket } from 'node:net'
import { asTransferError, TransferError } from '../errors.js'
import { isWithin, type Network, parseAddress, parseNetwork } from '../net/ip.js'
import { readProxyHeader } from '../net/proxy-header.js'
import { HEADER_DEADLINE } from '../protocol/limits.js'

/** The other end of a connection, as a socket has it. */
export type Peer = Pick<Socket, 'remoteAddress' | 'remotePort'>

export class Proxies {
  readonly #networks: readonly Network[]
  /** The connections whose header has not come yet. */
  readonly #waiting = new Set<Socket>()

  /** Throws a usage error if one of the texts is no network. */
  constructor(proxyFrom: readonly string[] = []) {
    this.#networks = proxyFrom.map((text) => parseNetwork(text, '--proxy-from'))
  }

  /** True if there can be any. */
  get areExpected(): boolean {
    return this.#networks.length > 0
  }

  /** True if a proxy has made this connection. */
  has({ remoteAddress = '' }: Peer): boolean {
    const address = parseAddress(remoteAddress)
    return address !== null && isWithin(address, this.#networks)
  }

  /**
   * Resolves with the peer for which a proxy has made the connection. The bytes behind the header can still be read from
   * the socket, which is paused. Resolves with null if the proxy only sees whether somebody listens, or has gone, and
   * rejects with a TransferError if it sends no header. Then the connection is closed.
   */
  async peerOf(socket: Socket): Promise<Peer | null> {
    this.#waiting.add(socket)
    try {
      const header = await readHeader(socket)
      if (header && !header.isCheck)
        return header.source ? { remoteAddress: header.source.address, remotePort: header.source.port } : socket
    } catch (error) {
      socket.destroy()
      throw asTransferError(error)
    } finally {
      this.#waiting.delete(socket)
    }
    socket.destroy()
    return null
  }

  /** Closes the connections whose header has not come yet. */
  close(): void {
    for (const socket of this.#waiting) socket.destroy()
  }
}

/** Resolves with null if the connection is closed before. */
function readHeader(socket: Socket): Promise<ReturnType<typeof readProxyHeader> | null> {
  return new Promise((resolve, reject) => {
    let held: Buffer = Buffer.alloc(0)
    const settle = (act: () => void) => {
      clearTimeout(timer)
      socket.off('data', onData).off('end', onEnd).off('close', onEnd)
      socket.pause()
      act()
    }
    const onData = (bytes: Buffer) => {
      held = Buffer.concat([held, bytes])
      try {
        const header = readProxyHeader(held)
        if (!header) return
        settle(() => {
          if (held.length > header.length) socket.unshift(held.subarray(header.length))
          resolve(header)
        })
      } catch (error) {
        settle(() => reject(error))
      }
    }
    const onEnd = () => settle(() => resolve(null))
    const timer = setTimeout(() => {
      const text = `the proxy has not sent its PROXY header within ${HEADER_DEADLINE / 1000} seconds`
      settle(() => reject(new TransferError('timeout', text)))
    }, HEADER_DEADLINE)
    // An error may also come later, as long as nobody else listens. The event `close` follows.
    socket.on('error', () => {})
    socket.on('data', onData).on('end', onEnd).on('close', onEnd).resume()
  })
}
