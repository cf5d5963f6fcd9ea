/**
 * How much of what was written to a socket has arrived. Node tells only when the kernel has taken all of a write, and that
 * says little of a slow connection: the kernel takes more only when a third of its buffer, of up to 4 MiB (tcp(7)), is
 * free, which at 12 KB/s is every two minutes. What Linux tells of each connection in `/proc/net/tcp` has the bytes that
 * are not acknowledged yet.
 *
 * To find them takes some things of a socket's handle that Node does not document, so it happens only here. Where they, or
 * the files, are missing, what the kernel has taken counts as arrived.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import type { Duplex } from 'node:stream'

interface Handle {
  fd?: number
  /** The bytes of all writes so far, and those of them that the kernel has not taken. */
  bytesWritten?: number
  writeQueueSize?: number
}

/** The bytes written to `socket` that have arrived at the other side's kernel, or at least left this process. It takes some milliseconds. */
export function delivered(socket: Duplex): number {
  const { _handle: handle } = socket as Duplex & { _handle?: Handle | null }
  const { fd = -1, bytesWritten = 0, writeQueueSize = 0 } = handle ?? {}
  const taken = bytesWritten - writeQueueSize
  return taken > 0 ? taken - unacknowledged(fd) : 0
}

function unacknowledged(fd: number): number {
  try {
    const inode = /\d+/.exec(readlinkSync(`/proc/self/fd/${fd}`))
    // tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode (proc_net_tcp.txt of the kernel's documentation)
    const line = new RegExp(`([0-9A-F]+):[0-9A-F]+ [0-9A-F]+:[0-9A-F]+ [0-9A-F]+ +\\d+ +\\d+ ${inode} `)
    for (const table of ['tcp', 'tcp6']) {
      const found = line.exec(readFileSync(`/proc/self/net/${table}`, 'latin1'))
      if (found) return Number.parseInt(found[1] as string, 16)
    }
  } catch {
    // Another system, or one that does not show it.
  }
  return 0
}
