/**
 * `npm run soak:cuts`: transfers that break and go on. A file is cut at random until it has arrived: either process is
 * killed (SIGKILL), or the connection is reset, or it is closed. Then a directory of 20,000 files. A proxy between the two
 * sides counts the bytes. Prints how many were sent in all, and how long it takes from the new connection to the first
 * new byte. Ends with 1 if something that has arrived is not what was sent.
 *
 * `--size SIZE` of the file in MB (2000), `--cuts N` (50), `--at FOLDER` for all files (the folder for temporary files).
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '2000' },
    cuts: { type: 'string', default: '50' },
    at: { type: 'string', default: tmpdir() },
  },
})
const size = Number(values.size) * 1e6
const cuts = Number(values.cuts)
const folder = mkdtempSync(join(values.at, 'tcp-cuts-'))
const out = join(folder, 'out')

/** The bytes of a frame of data are more than this: everything smaller is a greeting, a header or a heartbeat. */
const DATA = 16 * 1024

const bin = (name) => fileURLToPath(new URL(`../bin/${name}.js`, import.meta.url))

function start(name, args) {
  const child = spawn(process.execPath, [bin(name), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const state = { child, stderr: '' }
  child.stdout.resume()
  child.stderr.on('data', (bytes) => {
    state.stderr += bytes
  })
  state.ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)))
  return state
}

async function startReceiver() {
  const receiver = start('tcp-recv', ['--port', '0', '--host', '127.0.0.1', '--out', out])
  while (!receiver.stderr.includes('listening on')) {
    if (receiver.child.exitCode !== null) throw new Error(receiver.stderr)
    await sleep(5)
  }
  receiver.port = Number(/listening on \S+:(\d+)/.exec(receiver.stderr)[1])
  return receiver
}

/** Between the sender and the receiver of the moment. */
class Middle {
  /** The bytes from senders, of all connections. */
  bytes = 0
  /** From the connection to the first data, in milliseconds, for each connection that had data. */
  first = []
  port = 0
  #pairs = new Set()
  #server = createServer((near) => this.#serve(near))

  async listen() {
    await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return this.#server.address().port
  }

  #serve(near) {
    const far = connect(this.port, '127.0.0.1')
    const pair = [near, far]
    const begin = performance.now()
    let hasData = false
    this.#pairs.add(pair)
    near.on('data', (bytes) => {
      this.bytes += bytes.length
      if (!hasData && bytes.length > DATA) {
        hasData = true
        this.first.push(performance.now() - begin)
      }
    })
    near.pipe(far)
    far.pipe(near)
    for (const [one, other] of [pair, [far, near]]) {
      one.on('error', () => other.destroy())
      one.on('close', () => {
        this.#pairs.delete(pair)
        other.destroy()
      })
    }
  }

  reset() {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy()
  }

  close() {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  stop() {
    this.#server.close()
    this.close()
  }
}

function isSame(one, other) {
  return spawnSync('diff', ['-r', '--no-dereference', one, other], { stdio: 'ignore' }).status === 0
}

function median(all) {
  return all.toSorted((a, b) => a - b)[all.length >> 1] ?? 0
}

/** What has its final name. */
function stored() {
  return readdirSync(out).filter((name) => !name.startsWith('.'))
}

/**
 * Sends `source` with cuts between `least` and `most` milliseconds, until it has arrived. It is sent so slowly that it
 * takes about as long as the cuts. A sender that is killed while the receiver flushes the disk does not hear that all is
 * stored; then nothing is sent again.
 */
async function withCuts(title, source, total, count, [least, most]) {
  rmSync(out, { recursive: true, force: true })
  const proxy = new Middle()
  const port = await proxy.listen()
  let receiver = await startReceiver()
  proxy.port = receiver.port
  const kinds = { sender: 0, receiver: 0, reset: 0, close: 0 }
  let sender = null
  let code = null
  const begin = performance.now()
  const limit = Math.ceil((total * 2000) / (count * (least + most)))
  for (let number = 0; code !== 0; ) {
    if (sender === null && stored().length > 0) break
    sender ??= start('tcp-send', [source, '127.0.0.1', String(port), '--quiet', '--limit', String(limit)])
    const wait = number < count ? sleep(least + Math.random() * (most - least), 'cut') : new Promise(() => {})
    const end = await Promise.race([sender.ended, wait])
    if (end !== 'cut') {
      code = end
      if (code === 0) break
      if (number >= count) throw new Error(`${title}: the last sender ends with ${code}: ${sender.stderr}`)
      sender = null
      continue
    }
    number++
    const kind = Object.keys(kinds)[Math.floor(Math.random() * 4)]
    kinds[kind]++
    if (kind === 'reset') proxy.reset()
    else if (kind === 'close') proxy.close()
    else if (kind === 'sender') {
      sender.child.kill('SIGKILL')
      await sender.ended
      sender = null
    } else {
      receiver.child.kill('SIGKILL')
      await receiver.ended
      receiver = await startReceiver()
      proxy.port = receiver.port
    }
  }
  const seconds = (performance.now() - begin) / 1000
  receiver.child.kill('SIGTERM')
  await receiver.ended
  proxy.stop()
  const [name, ...more] = stored()
  if (more.length > 0 || !isSame(source, join(out, name))) {
    console.error(`NOT SO: ${title}: ${out} has not what was sent`)
    process.exitCode = 1
  }
  const happened = Object.entries(kinds).map(([kind, times]) => `${kind} ${times}`)
  console.log(
    `${title}: cut ${happened.join(', ')}; ${seconds.toFixed(1)} s; sent ${(proxy.bytes / 1e6).toFixed(0)} MB of`,
  )
  console.log(
    `  ${(total / 1e6).toFixed(0)}: ${(proxy.bytes / total).toFixed(3)}; first data after ${median(proxy.first).toFixed(0)} ms (median), ${Math.max(...proxy.first).toFixed(0)} ms at most`,
  )
}

/** From the new connection to the first new byte, when so many bytes are there. */
async function firstByte(megabytes) {
  rmSync(out, { recursive: true, force: true })
  const file = join(folder, 'sparse')
  spawnSync('truncate', ['-s', `${megabytes + 1000}M`, file])
  const proxy = new Middle()
  const port = await proxy.listen()
  const receiver = await startReceiver()
  proxy.port = receiver.port
  const first = start('tcp-send', [file, '127.0.0.1', String(port), '--quiet', '--retry', '0'])
  while (proxy.bytes < megabytes * 1024 ** 2) await sleep(5)
  first.child.kill('SIGKILL')
  await first.ended
  while (readdirSync(join(out, '.tcp-recv')).length < 2) await sleep(20)
  proxy.first = []
  const second = start('tcp-send', [file, '127.0.0.1', String(port), '--quiet', '--retry', '0'])
  const code = await second.ended
  receiver.child.kill('SIGTERM')
  await receiver.ended
  proxy.stop()
  rmSync(file)
  console.log(
    `${megabytes} MiB are there: first new byte ${proxy.first[0].toFixed(1)} ms after the connection; exit ${code}`,
  )
}

function makeFile(path) {
  const piece = Buffer.alloc(1e6)
  writeFileSync(path, '')
  for (let written = 0; written < size; written += piece.length) {
    crypto.getRandomValues(piece.subarray(0, 65_536))
    writeFileSync(path, piece, { flag: 'a' })
  }
}

function makeDirectory(place) {
  let total = 0
  for (let number = 0; number < 20_000; number++) {
    const parent = join(place, String(number % 40), String(number % 200))
    mkdirSync(parent, { recursive: true })
    const length = number % 500 === 0 ? 1e6 : (number * 7) % 9000
    total += length
    writeFileSync(join(parent, `file ${number}`), Buffer.alloc(length, number))
    if (number % 100 === 0) symlinkSync(`file ${number}`, join(parent, `link ${number}`))
  }
  return total
}

try {
  const file = join(folder, 'file')
  makeFile(file)
  await withCuts('file', file, size, cuts, [100, 1200])
  rmSync(file)
  const directory = join(folder, 'directory')
  const total = makeDirectory(directory)
  await withCuts('directory', directory, total, 5, [200, 900])
  for (const megabytes of [100, 8000]) await firstByte(megabytes)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
