/**
 * `npm run soak:mixed`: ten thousand transfers of every kind into one receiver: whole, refused, cut by an end or a reset,
 * strangers, and now and then a real sender, which is killed or not. After one thousand and after ten thousand, the
 * receiver has the same number of descriptors, and its heap differs by 5 % at most (without optimized code, which grows
 * for long and is no leak). All of its memory stays below 150 MB. Ends with 1 if that is not so.
 * Most peers are sockets of this process; `npm run soak:mixed -- 3000` makes fewer transfers in all.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { blake3 } from '@napi-rs/blake-hash'

const FIRST = 1_000
const ALL = Number(process.argv[2] ?? 10_000)
const AT_ONCE = 8
const TOLERANCE = 0.05
const MOST_MEMORY = 150e6

const bin = (name) => fileURLToPath(new URL(`../bin/${name}.js`, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'tcp-mixed-'))
const out = join(folder, 'out')
const file = join(folder, 'real.bin')
writeFileSync(file, Buffer.alloc(50e6, 7))

/** On SIGUSR2, the receiver collects its garbage and says how much memory is left. */
const probe = `process.on('SIGUSR2', () => {
  for (let times = 0; times < 4; times++) gc()
  process.stderr.write('memory ' + process.memoryUsage.rss() + ' ' + process.memoryUsage().heapUsed + '\\n')
})`
const receiver = spawn(
  process.execPath,
  [
    ...[
      '--expose-gc',
      '--no-opt',
      '--no-sparkplug',
      '--import',
      `data:text/javascript,${encodeURIComponent(probe)}`,
      bin('tcp-recv'),
    ],
    ...['--port', '0', '--host', '127.0.0.1', '--out', out, '--if-exists', 'overwrite', '--progress', 'none'],
  ],
  { stdio: ['ignore', 'ignore', 'pipe'] },
)
let said = ''
receiver.stderr.on('data', (bytes) => {
  said = (said + bytes).slice(-10_000)
})

async function saying(pattern) {
  for (;;) {
    const found = pattern.exec(said)
    if (found) return found
    if (receiver.exitCode !== null) throw new Error(said)
    await sleep(20)
  }
}

function frame(type, payload) {
  const bytes = Buffer.isBuffer(payload) ? payload : Buffer.from(JSON.stringify(payload))
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

const opening = Buffer.concat([Buffer.from('tcp-send'), frame('G', { version: 1 })])
const content = Buffer.alloc(20_000, 'mixed')
const digest = blake3(content).toString('hex')
const transfer = (name) =>
  Buffer.concat([
    opening,
    frame('H', { name, size: content.length }),
    frame('D', content),
    frame('E', { bytes: content.length, blake3: digest }),
    frame('F', { entries: 1 }),
  ])

/** Writes `bytes`, then ends the connection, or resets it. Resolves with what came back. */
function talk(port, bytes, isReset = false) {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    socket.on('data', (piece) => {
      answer += piece.toString('latin1')
    })
    socket.on('error', () => {})
    socket.once('close', () => resolve(answer))
    socket.once('end', () => socket.end())
    if (isReset) socket.write(bytes, () => socket.resetAndDestroy())
    else socket.end(bytes)
  })
}

function run(port, isKilled) {
  return new Promise((resolve) => {
    const sender = spawn(process.execPath, [bin('tcp-send'), '-q', file, '127.0.0.1', String(port)], {
      stdio: 'ignore',
    })
    if (isKilled) setTimeout(() => sender.kill('SIGKILL'), 100 + 200 * Math.random())
    sender.once('exit', (code) => resolve(code))
  })
}

function check(isRight, what) {
  if (!isRight) throw new Error(`NOT SO: ${what}`)
}

const whole = (number) => transfer(`file ${number % 50}`)
const somewhere = (bytes) => bytes.subarray(0, Math.floor(Math.random() * (bytes.length - 1)))

/** One transfer. Its number decides its kind. */
async function one(port, number) {
  if (number % 500 === 499) {
    const isKilled = number % 1000 === 999
    const code = await run(port, isKilled)
    check(isKilled ? code !== 1 : code === 0, `a real sender ends with ${code}`)
    return
  }
  switch (number % 8) {
    case 0:
      check((await talk(port, transfer('../evil'))).includes('"reason":"name"'), 'a bad name is refused')
      break
    case 1:
      await talk(port, somewhere(whole(number)))
      break
    case 2:
      await talk(port, somewhere(whole(number)), true)
      break
    case 3:
      check((await talk(port, 'GET / HTTP/1.1\r\n\r\n')).startsWith('This is tcp-recv'), 'a stranger is answered')
      break
    default:
      check((await talk(port, whole(number))).includes(digest), 'a whole file is stored')
  }
}

async function many(port, from, to) {
  let next = from
  const work = async () => {
    while (next < to) await one(port, next++)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
}

/** The descriptors and the memory of the receiver, once it is at rest. */
async function measure(count) {
  await sleep(3_000)
  said = ''
  receiver.kill('SIGUSR2')
  const [, rss, heap] = (await saying(/memory (\d+) (\d+)\n/)).map(Number)
  const descriptors = readdirSync(`/proc/${receiver.pid}/fd`).length
  const threads = /Threads:\s+(\d+)/.exec(readFileSync(`/proc/${receiver.pid}/status`, 'utf8'))[1]
  const memory = `${(rss / 1e6).toFixed(1)} MB, of them ${(heap / 1e6).toFixed(1)} MB heap`
  console.log(`after ${count} transfers: ${descriptors} descriptors, ${threads} threads, ${memory}`)
  return { rss, heap, descriptors }
}

try {
  const port = Number((await saying(/listening on \S+:(\d+)/))[1])
  await many(port, 0, FIRST)
  const early = await measure(FIRST)
  let late = early
  for (let count = FIRST; count < ALL; count += FIRST) {
    await many(port, count, Math.min(count + FIRST, ALL))
    late = await measure(Math.min(count + FIRST, ALL))
  }
  check(late.descriptors === early.descriptors, 'there are more descriptors than before')
  check(late.rss <= MOST_MEMORY, 'there is too much memory in use')
  check(late.heap <= early.heap * (1 + TOLERANCE), 'there is more on the heap than before')
  check(readdirSync(out).filter((name) => name !== '.tcp-recv').length === 51, 'there are other files than were sent')
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  receiver.kill('SIGTERM')
  await new Promise((resolve) => receiver.once('exit', resolve))
  rmSync(folder, { recursive: true, force: true })
}
