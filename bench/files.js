/** The temporary folders and the files that are sent. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const TMPFS = 0x01021994

/** Folders to remove at the end. @type {string[]} */
const made = []

export function removeFolders() {
  // What was killed a moment ago may still be writing.
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
}

/** @param {string | undefined} folder what `mkdir` made, if it made any */
export function removeAtEnd(folder) {
  if (folder !== undefined) made.push(folder)
}

/** A new folder in memory, where there is one. */
export function memoryFolder() {
  return makeFolder(existsSync('/dev/shm') ? '/dev/shm' : tmpdir())
}

/** A new folder on a real disk; null if there is none. */
export function diskFolder() {
  const place = [tmpdir(), '/var/tmp'].find((path) => existsSync(path) && statfsSync(path).type !== TMPFS)
  return place === undefined ? null : makeFolder(place)
}

/** @param {string} place */
function makeFolder(place) {
  const folder = mkdtempSync(join(place, 'tcp-bench-'))
  removeAtEnd(folder)
  return folder
}

/** Whether a folder has room for so many bytes. @param {string} folder @param {number} bytes */
export function hasRoom(folder, bytes) {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize > bytes
}

/**
 * The files to send: `source` with `size` bytes, its first hundredth, and its first 1024 bytes.
 * @param {string} work @param {number} size @param {number} parts
 */
export function makeSources(work, size, parts) {
  const [source = '', small = '', part = ''] = ['source', 'small', 'part'].map((name) => {
    mkdirSync(join(work, name))
    return join(work, name, 'data.bin')
  })
  writeContent(source, size)
  writeContent(part, Math.floor(size / parts))
  writeContent(small, 1024)
  return { source, small, part }
}

/** Real content, neither zeros nor noise: this Node, then the system's libraries, again and again. */
function writeContent(/** @type {string} */ path, /** @type {number} */ size) {
  const target = openSync(path, 'w')
  const buffer = Buffer.alloc(1024 * 1024)
  let left = size
  while (left > 0) {
    for (const file of programs()) {
      const from = openSync(file, 'r')
      for (let got = 1; left > 0 && got > 0; left -= got) {
        got = readSync(from, buffer, 0, Math.min(left, buffer.length), null)
        writeSync(target, buffer, 0, got)
      }
      closeSync(from)
      if (left === 0) break
    }
  }
  closeSync(target)
}

function* programs() {
  yield process.execPath
  yield* filesBelow('/usr/lib')
}

/** @param {string} folder @returns {Generator<string>} */
function* filesBelow(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path)
    else if (entry.isFile()) yield path
  }
}
