/**
 * The memory that connections read into. It is used over and over, so it is in the processor's cache when the bytes are
 * digested and written. The first connection has memory of its own; those beside it share, each for the time of one
 * read: what they need longer they must `keep`.
 */

/**
 * The bytes of one read of a connection that is alone. While it digests and writes, more comes than fits into the
 * processor's nearest cache, and taking that at once costs less than in pieces (bench/README.md).
 */
const OWN = 8 * 1024 * 1024

/** The bytes of one read beside others, which wait meanwhile; and what each of them that waits for a disk may keep. */
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

/** @param isReusable false if something may still be written from it: then nobody gets it again */
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

/** Whether other connections read into it, too. */
export function isShared(memory: Buffer): boolean {
  return memory.buffer === shared?.buffer
}

/** `bytes` for later: a copy if they lie in shared memory, otherwise themselves. */
export function keep(bytes: Buffer): Buffer {
  return isShared(bytes) ? Buffer.from(bytes) : bytes
}
