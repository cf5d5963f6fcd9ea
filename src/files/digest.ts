/** BLAKE3, the digest of this product: native where a binary is prebuilt for this machine, WebAssembly elsewhere. */
import { createRequire } from 'node:module'

export interface Digest {
  update(bytes: Buffer): void
  /** The digest of all that was given so far: 64 lower-case hexadecimal digits, as `b3sum` prints them. */
  hex(): string
}

const packageRequire: NodeJS.Require = createRequire(import.meta.url)

type Native = typeof import('@napi-rs/blake-hash')

/**
 * The packages that may hold a native BLAKE3, in the order to try them. `@napi-rs/blake-hash` finds the right binary for
 * every platform, but on Linux it tells glibc from musl by `process.report`, which takes 4 ms and looks up the names of
 * all connected peers; there the packages that hold the binaries themselves come first. npm installs only the right one.
 */
const linux = [`@napi-rs/blake-hash-linux-${process.arch}-gnu`, `@napi-rs/blake-hash-linux-${process.arch}-musl`]
const packages: readonly string[] = [...(process.platform === 'linux' ? linux : []), '@napi-rs/blake-hash']

/**
 * A fresh digest. `require` loads the packages and may be replaced in a test. The native one does about 8 GB/s, the
 * WebAssembly one 1 GB/s.
 */
export async function createDigest(require: (name: string) => unknown = packageRequire): Promise<Digest> {
  for (const name of packages) {
    try {
      const native = new (require(name) as Native).Blake3Hasher()
      return { update: (bytes) => void native.update(bytes), hex: () => native.digest('hex') }
    } catch {
      // Not for this machine, or not installed: the next one.
    }
  }
  const { createBLAKE3 } = require('hash-wasm') as typeof import('hash-wasm')
  const wasm = (await createBLAKE3()).init()
  return { update: (bytes) => void wasm.update(bytes), hex: () => wasm.digest('hex') }
}
