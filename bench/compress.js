/**
 * `npm run bench:compress`: what `--compress auto` gains on a slow line, and costs on a fast one. Sends a directory of
 * text and files that are compressed already, with `never` and `auto` in turn, and prints the medians.
 *
 *     node bench/compress.js                                       # on loopback
 *     node bench/compress.js --host ADDRESS --from 'COMMAND' --to 'COMMAND'
 *
 * `--from` and `--to` are commands that run what follows them on another host with the same files, such as `ip netns exec
 * NAME`, for the sender and the receiver. `--host ADDRESS` of the receiver (127.0.0.1), `--rounds N` (3), `--size MB` of
 * the text (500; the others are a fifth of it), `--only text,zip,jpg,packed`, `--modes never,auto`, `--at FOLDER` for all
 * files (the folder for temporary files).
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    from: { type: 'string', default: '' },
    to: { type: 'string', default: '' },
    rounds: { type: 'string', default: '3' },
    size: { type: 'string', default: '500' },
    only: { type: 'string', default: 'text,zip,jpg,packed' },
    modes: { type: 'string', default: 'never,auto' },
    at: { type: 'string', default: tmpdir() },
  },
})
const size = Number(values.size) * 1e6
const modes = values.modes.split(',')
const folder = mkdtempSync(join(values.at, 'tcp-compress-'))
const out = join(folder, 'out')
const root = fileURLToPath(new URL('..', import.meta.url))

/** Text files of this project and its dependencies, as many times as needed. @param {string} target @param {number} bytes */
function makeText(target, bytes) {
  const kinds = ['.js', '.ts', '.md', '.json', '.cjs', '.mjs']
  const sources = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && kinds.includes(extname(entry.name)))
    .map((entry) => join(entry.parentPath, entry.name))
  let made = 0
  for (let copy = 0; made < bytes; copy++) {
    for (const [index, path] of sources.entries()) {
      const place = join(target, `copy${copy}`, `part${Math.floor(index / 500)}`)
      if (index % 500 === 0) mkdirSync(place, { recursive: true })
      const content = readFileSync(path)
      writeFileSync(join(place, `${index}${extname(path)}`), content)
      made += content.length
      if (made >= bytes) return
    }
  }
}

/** What `gzip` makes of this Node, as many times as needed. @param {string} target @param {number} bytes */
function makePacked(target, bytes) {
  const packed = gzipSync(readFileSync(process.execPath), { level: 1 })
  const copies = Array.from({ length: Math.ceil(bytes / packed.length) }, () => packed)
  writeFileSync(target, Buffer.concat(copies).subarray(0, bytes))
}

/** @type {Record<string, string>} */
const workloads = { text: 'tree', zip: 'a.zip', jpg: 'a.jpg', packed: 'packed' }

/** @param {string} prefix @param {string} name @param {string[]} args */
function start(prefix, name, args) {
  const [command = '', ...words] = [...prefix.split(' ').filter(Boolean), process.execPath]
  const bin = join(root, 'bin', `${name}.js`)
  const child = spawn(command, [...words, bin, '--json', '--progress', 'none', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let last = ''
  child.stdout.on('data', (bytes) => {
    last = (last + bytes).slice(-2000)
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  return { ended, wire: () => Number(/"wire":(\d+)[^\n]*\n[^\n]*"ended"/.exec(last)?.[1] ?? 0) }
}

/** @param {string} path @param {string} mode */
async function run(path, mode) {
  rmSync(out, { recursive: true, force: true })
  const portFile = join(folder, 'port')
  const receiver = start(values.to, 'tcp-recv', ['--port', '0', '--port-file', portFile, '--one-attempt', '--out', out])
  while (!existsSync(portFile)) await sleep(10)
  const port = readFileSync(portFile, 'utf8').trim()
  const begin = performance.now()
  const sender = start(values.from, 'tcp-send', ['--compress', mode, path, values.host, port])
  const codes = [await sender.ended, await receiver.ended]
  const seconds = (performance.now() - begin) / 1000
  if (codes.some((code) => code !== 0)) throw new Error(`exit ${codes}`)
  return { seconds, wire: sender.wire() }
}

/** @param {number[]} figures */
const median = (figures) => /** @type {number} */ (figures.toSorted((a, b) => a - b)[figures.length >> 1])

try {
  const only = values.only.split(',')
  if (only.includes('text')) makeText(join(folder, 'tree'), size)
  for (const name of ['zip', 'jpg', 'packed'].filter((name) => only.includes(name)))
    makePacked(join(folder, /** @type {string} */ (workloads[name])), size / 5)
  console.log('| | mode | seconds (all runs) | of never | MB on the wire |\n|---|---|--:|--:|--:|')
  for (const name of only) {
    const path = join(folder, /** @type {string} */ (workloads[name]))
    /** @type {Record<string, number[]>} */
    const times = Object.fromEntries(modes.map((mode) => [mode, []]))
    /** @type {Record<string, number>} */
    const wires = {}
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const mode of round % 2 === 0 ? modes : modes.toReversed()) {
        const { seconds, wire } = await run(path, mode)
        times[mode]?.push(seconds)
        wires[mode] = wire
      }
    }
    for (const mode of modes) {
      const all = /** @type {number[]} */ (times[mode])
      const share = median(times[/** @type {string} */ (modes[0])] ?? []) / median(all)
      const wire = wires[mode] ? (wires[mode] / 1e6).toFixed(0) : 'all'
      const list = all.map((seconds) => seconds.toFixed(2)).join(' ')
      console.log(`| ${name} | ${mode} | ${median(all).toFixed(2)} (${list}) | ${share.toFixed(2)} | ${wire} |`)
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
