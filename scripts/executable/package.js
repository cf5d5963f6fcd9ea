/** What `src/package.ts` is in the single executable: it has everything in itself. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getRawAsset } from 'node:sea'
import { createBLAKE3 } from 'hash-wasm/dist/blake3.umd.min.js'

/** @type {unknown} */
let native

/**
 * `BLAKE3_PACKAGE` is the package whose addon is in the executable; there may be none.
 *
 * @param {string} name
 */
export function packageRequire(name) {
  if (name === 'hash-wasm') return { createBLAKE3 }
  if (name !== BLAKE3_PACKAGE) throw new Error(`${name} is not in this executable`)
  native ??= loadAddon()
  return native
}

/**
 * The system loads an addon only from a file: one that nobody else can change, and that is there only for a moment. It
 * throws where a temporary file cannot be executed.
 */
function loadAddon() {
  const folder = mkdtempSync(join(tmpdir(), 'tcp-transfer-'))
  try {
    const path = join(folder, 'blake3.node')
    writeFileSync(path, new Uint8Array(getRawAsset('blake3.node')), { flag: 'wx', mode: 0o700 })
    const addon = { exports: {} }
    process.dlopen(addon, path)
    return addon.exports
  } finally {
    // Windows keeps the file of an addon that is in use.
    rmSync(folder, { recursive: true, force: process.platform === 'win32' })
  }
}

export const packageVersion = () => PACKAGE_VERSION
