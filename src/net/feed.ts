/**
 * Reading a socket in large pieces. By Node's `data` event every system call brings at most 64 KiB, in a buffer of its
 * own; with the `onread` option of `net.Socket` it brings as much as the buffer holds, always into the same memory,
 * which is still in the processor's cache when it is digested and written. `onread` is documented for sockets that
 * dial, but `net.Server` does not offer it, so an accepted socket is wrapped anew around its handle. That uses two
 * things that Node does not document (the `handle` option and `_handle`), so it happens only here, and where they are
 * missing the `data` event serves: slower, and otherwise the same.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net'
import type { Duplex } from 'node:stream'

/** Bytes of one read. Smaller ones cost more calls, larger ones gained nothing (bench/README.md). */
const READ_SIZE = 512 * 1024

type Sink = (bytes: Buffer) => void | Promise<void>

/** One for the process: a read is consumed, or copied, before the next one of any connection begins. */
let shared: Buffer | undefined

/** What takes a socket's bytes; false pauses it. */
const sinks = new WeakMap<Duplex, (bytes: Buffer) => boolean>()

/** What came before there was a sink: a socket that dialled reads from the moment it is connected. */
const early = new WeakMap<Duplex, Buffer>()

/** The option that makes a socket read into the shared buffer, for `feed` to pass on. `find` gives that socket. */
export function onread(find: () => Duplex): OnReadOpts {
  shared ??= Buffer.allocUnsafeSlow(READ_SIZE)
  const buffer = shared
  return {
    buffer,
    callback: (length) => {
      const socket = find()
      const sink = sinks.get(socket)
      if (sink) return sink(buffer.subarray(0, length))
      early.set(socket, Buffer.from(buffer.subarray(0, length)))
      return false
    },
  }
}

/** `accepted` (from a server with `pauseOnConnect`) as a socket with large reads; or itself where that cannot be had. */
export function withLargeReads(accepted: Socket): Socket {
  const { _handle: handle } = accepted as unknown as { _handle?: { reading?: boolean } | null }
  if (!handle) return accepted
  try {
    const options = { handle, allowHalfOpen: true, pauseOnCreate: true, onread: onread(() => socket) }
    const socket: Socket = new Socket(options as SocketConstructorOpts)
    // The first wrapper lets go of the handle, so that nothing that happens to it can touch the connection.
    Object.assign(accepted, { _handle: null })
    return socket
  } catch {
    return accepted
  }
}

/**
 * Feeds what `socket` reads to `sink`, which owns the bytes until it returns; a promise pauses the socket meanwhile.
 *
 * With `careful` the end that is seen is a true one. Where the last bytes and a reset come together, libuv takes the
 * hang-up for an end without asking the system (`uv__stream_io`, POLLHUP after a partial read), unless reading was
 * stopped in between; the next read then meets the reset. It costs a little for each read, and serves `--plain`, where
 * the end of the stream is all there is.
 */
export function feed(socket: Duplex, sink: Sink, careful = false): void {
  const take = (bytes: Buffer): boolean => {
    const working = sink(bytes)
    if (!working && !careful) return true
    socket.pause()
    if (working) void working.then(() => socket.resume())
    else setImmediate(() => socket.resume())
    return false
  }
  sinks.set(socket, take)
  socket.on('data', take)
  const first = early.get(socket)
  if (!first || take(first)) socket.resume()
}
