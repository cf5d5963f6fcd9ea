/**
 * The memory that connections read into, and the rule for every function that gets bytes of it.
 *
 * The memory is used over and over, so it is in the processor's cache when the bytes are digested and written. The
 * first connection has its own memory. Simultaneous connections share one buffer, each for the time of one read.
 *
 * The rule: a function may use the bytes that it gets until it returns. If it continues behind a promise, it must call
 * `retain` before it returns, and may use the result until the promise settles. A promise that rejects takes the memory
 * out of use, because a thread of the pool may still write from it.
 */

/**
 * The size of one read of a connection that is alone, in bytes. While it digests and writes, more bytes come than fit
 * into the processor's nearest cache. One large read of them costs less than several small ones (bench/README.md).
 */
const OWN = 8 * 1024 * 1024

/** The size of one read beside other connections, which have to wait, and the most bytes that each of them retains. */
const SHARED = 512 * 1024

let own: Buffer | null = null
let isOwnFree = true
let shared: Buffer | null = null
let connections = 0

/** Returns memory for a connection. The connection must give it back. */
export function takeMemory(): Buffer {
  connections++
  if (isOwnFree) {
    isOwnFree = false
    own ??= Buffer.allocUnsafeSlow(OWN)
    return own
  }
  shared ??= Buffer.allocUnsafeSlow(SHARED)
  return shared
}

/** @param isReusable false if a write may still use the memory. No other connection gets it then */
export function giveBack(memory: Buffer, isReusable: boolean): void {
  connections--
  if (memory !== own) return
  if (!isReusable) own = null
  isOwnFree = true
}

/** True if there is no other connection. */
export function isAlone(): boolean {
  return connections <= 1
}

/** The part of `memory` that one read may fill now, and at most `most` bytes. */
export function readable(memory: Buffer, most = OWN): Buffer {
  const length = isAlone() ? most : Math.min(most, SHARED)
  return memory.length <= length ? memory : memory.subarray(0, length)
}

/** True if the memory is read into again before the consumer may be done, as by other connections. */
export function isShared(memory: Buffer): boolean {
  return memory.buffer === shared?.buffer || reused.has(memory.buffer)
}

const reused = new WeakSet<ArrayBufferLike>()

/** New memory of which a consumer must keep a copy. */
export function reusedMemory(size: number): Buffer {
  const memory = Buffer.allocUnsafeSlow(size)
  reused.add(memory.buffer)
  return memory
}

/** The same bytes, for use after the caller has returned: a copy if they lie in shared memory, otherwise `bytes`. */
export function retain(bytes: Buffer): Buffer {
  return isShared(bytes) ? Buffer.from(bytes) : bytes
}
