/**
 * `npm run bench:connections`: what many connections cost, and whether a small file has to wait for large ones.
 *
 *   - the memory of a receiver for each sender that is connected, has greeted, and says nothing more;
 *   - the time from connecting to `stored` for a file of 1 KB, one after the other over new connections from a process
 *     that runs already: alone, and while other processes send a large file each to the same receiver.
 *
 * Prints a Markdown table. Linux only.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { send } from '../dist/index.js'
import { encode } from '../dist/protocol/encode.js'
import { makeSources, memoryFolder, removeFolders } from './files.js'

const IDLE = 1000
const LARGE = 2 * 1024 ** 3
const HOST = '127.0.0.1'

const bin = (/** @type {string} */ name) => fileURLToPath(new URL(`../bin/${name}.js`, import.meta.url))
const work = memoryFolder()
process.once('exit', removeFolders)

/** A receiver that overwrites, and its port. */
async function startReceiver() {
  const out = join(work, 'out')
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out)
  const args = ['--port', '0', '--host', HOST, '--out', out, '--if-exists', 'overwrite', '--json']
  const receiver = spawn(process.execPath, [bin('tcp-recv'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  process.once('exit', () => receiver.kill('SIGKILL'))
  const [line] = await once(receiver.stdout, 'data')
  receiver.stdout.resume()
  return { receiver, port: Number(/"port":(\d+)/.exec(String(line))?.[1]) }
}

/** Kilobytes of memory that a process has now. @param {number | undefined} pid */
function resident(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

async function idleMemory() {
  const { receiver, port } = await startReceiver()
  const before = resident(receiver.pid)
  const sockets = []
  for (let count = 0; count < IDLE; count++) {
    const socket = connect(port, HOST)
    await once(socket, 'connect')
    socket.write(encode.senderOpening())
    sockets.push(socket.resume())
  }
  // The last ones have been greeted by then, and none has waited for as long as a header may take.
  await sleep(2_000)
  const each = (resident(receiver.pid) - before) / IDLE
  for (const socket of sockets) socket.destroy()
  receiver.kill('SIGKILL')
  return each
}

/** Milliseconds of one small file. @param {string} path @param {number} port */
async function sendSmall(path, port) {
  const start = performance.now()
  await send({ sources: [path], host: HOST, port })
  return performance.now() - start
}

/**
 * The times of small files while `count` processes send a large one each.
 * @param {number} count @param {{ source: string, small: string }} files
 */
async function smallBeside(count, { source, small }) {
  const { receiver, port } = await startReceiver()
  for (let warming = 0; warming < 20; warming++) await sendSmall(small, port)
  let running = count
  for (let index = 0; index < count; index++) {
    const args = ['--quiet', '--name', `large-${index}`, source, HOST, String(port)]
    spawn(process.execPath, [bin('tcp-send'), ...args], { stdio: 'ignore' }).once('exit', () => running--)
  }
  // All of them have begun by then.
  if (count > 0) await sleep(300)
  const times = []
  while (running === count && times.length < 200) {
    times.push(await sendSmall(small, port))
    await sleep(10)
  }
  while (count > 0 && running > 0) await sleep(50)
  receiver.kill('SIGKILL')
  return times.sort((a, b) => a - b)
}

console.log(`An idle connection: ${(await idleMemory()).toFixed(0)} KB of the receiver's memory (${IDLE} of them).\n`)
console.log('| 1 KB, milliseconds | files | median | 9 of 10 | most |\n|---|--:|--:|--:|--:|')
const files = makeSources(work, LARGE, 100)
for (const [what, count] of /** @type {const} */ ([
  ['alone', 0],
  ['beside one large file', 1],
  ['beside three', 3],
])) {
  const times = await smallBeside(count, files)
  const at = (/** @type {number} */ share) => times[Math.floor((times.length - 1) * share)]?.toFixed(1)
  console.log(`| ${what} | ${times.length} | ${at(0.5)} | ${at(0.9)} | ${at(1)} |`)
}
process.exit()
