/**
 * The memory that connections read into, and the rule for everybody who is given bytes of it.
 *
 * The memory is used over and over, so it is in the processor's cache when the bytes are digested and written. The first
 * connection has memory of its own. Connections beside it share one piece, each for the time of one read.
 *
 * The rule: a function that is given bytes may use them until it returns. If it goes on behind a promise, it must
 * `retain` them before it returns, and may use what `retain` gives until that promise settles. A promise that rejects
 * takes the memory out of use, because a thread of the disk may still write from it.
 */

/**
 * The bytes of one read of a connection that is alone. While it digests and writes, more comes than fits into the
 * processor's nearest cache, and taking that at once costs less than in pieces (bench/README.md).
 */
const OWN = 8 * 1024 * 1024

/** The bytes of one read beside other connections, which wait meanwhile, and the most that each of them retains. */
const SHARED = 512 * 1024

let own: Buffer | null = null
let isOwnFree = true
let shared: Buffer | null = null
let takers = 0

/** Memory for a connection, which must give it back. */
export function takeMemory(): Buffer {
  takers++
  if (isOwnFree) {
    isOwnFree = false
    own ??= Buffer.allocUnsafeSlow(OWN)
    return own
  }
  shared ??= Buffer.allocUnsafeSlow(SHARED)
  return shared
}

/** @param isReusable false if something may still be written from it; then no other connection gets it */
export function giveBack(memory: Buffer, isReusable: boolean): void {
  takers--
  if (memory !== own) return
  if (!isReusable) own = null
  isOwnFree = true
}

/** How much of `memory` one read may fill now. */
export function readable(memory: Buffer): Buffer {
  return takers > 1 ? memory.subarray(0, SHARED) : memory
}

/** True if other connections read into it, too. */
export function isShared(memory: Buffer): boolean {
  return memory.buffer === shared?.buffer
}

/** The same bytes, to be used after the caller has returned: a copy if they lie in shared memory, otherwise themselves. */
export function retain(bytes: Buffer): Buffer {
  return isShared(bytes) ? Buffer.from(bytes) : bytes
}
