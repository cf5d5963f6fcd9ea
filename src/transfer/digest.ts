/**
 * BLAKE3, the digest of this tool: native if there is a prebuilt binary for this machine, otherwise WebAssembly.
 * SHA-256 is for peers without BLAKE3, because the standard library of every language has it.
 */
import { packageRequire } from '../package.js'

export interface Digest {
  update(bytes: Buffer): void
  /** The digest of all bytes so far: 64 lower-case hexadecimal digits, as `b3sum` prints them. */
  hex(): string
  /** Starts anew, as if nothing had been digested. That is quicker than a new digest. */
  reset(): void
}

type Native = typeof import('@napi-rs/blake-hash')

/**
 * The packages that may hold a native BLAKE3, in the order to try them. `@napi-rs/blake-hash` finds the right binary
 * for every platform, but on Linux it tells glibc from musl by `process.report`, which takes 4 ms and looks up the
 * names of all connected peers. So on Linux, the packages that hold the binaries come first. npm installs only the
 * right one.
 */
const linux = [`@napi-rs/blake-hash-linux-${process.arch}-gnu`, `@napi-rs/blake-hash-linux-${process.arch}-musl`]
const packages: readonly string[] = [...(process.platform === 'linux' ? linux : []), '@napi-rs/blake-hash']

/**
 * Creates a digest. `require` loads the packages, and a test may replace it. The native digest does about 8 GB/s, the
 * WebAssembly one 1 GB/s.
 */
export async function createDigest(require = packageRequire): Promise<Digest> {
  for (const name of packages) {
    try {
      const native = new (require(name) as Native).Blake3Hasher()
      return {
        update: (bytes) => void native.update(bytes),
        hex: () => native.digest('hex'),
        reset: () => native.reset(),
      }
    } catch {
      // The package is not for this machine, or not installed.
    }
  }
  const { createBLAKE3 } = require('hash-wasm') as typeof import('hash-wasm')
  const wasm = (await createBLAKE3()).init()
  return { update: (bytes) => void wasm.update(bytes), hex: () => wasm.digest('hex'), reset: () => void wasm.init() }
}

export type Algorithm = 'blake3' | 'sha256'

/** The digests of the bytes of one entry, each 64 lower-case hexadecimal digits. */
export interface Digests {
  blake3: string
  /** Null unless the peer needs it. */
  sha256: string | null
}

/** Computes the digests of the bytes of one entry: always BLAKE3, and also SHA-256 for a peer without BLAKE3. */
export class EntryDigest {
  readonly #blake3: Digest
  readonly #sha256

  private constructor(blake3: Digest, algorithm: Algorithm) {
    this.#blake3 = blake3
    // Loaded only if needed: loading takes 3 ms, and few peers need it.
    this.#sha256 = algorithm === 'sha256' ? process.getBuiltinModule('node:crypto').createHash('sha256') : null
  }

  /** @param algorithm the algorithm that the peer computes */
  static async create(algorithm: Algorithm = 'blake3'): Promise<EntryDigest> {
    return new EntryDigest(await createDigest(), algorithm)
  }

  update(bytes: Buffer): void {
    this.#blake3.update(bytes)
    this.#sha256?.update(bytes)
  }

  /** Called once, after the last byte. */
  hex(): Digests {
    return { blake3: this.#blake3.hex(), sha256: this.#sha256?.digest('hex') ?? null }
  }
}

/** The digest of a few bytes. */
export async function digestOf(bytes: Buffer, algorithm: Algorithm): Promise<string> {
  const digest = await EntryDigest.create(algorithm)
  digest.update(bytes)
  const { blake3, sha256 } = digest.hex()
  return sha256 ?? blake3
}
