/**
 * `npm run soak`: what takes too long for the test suite. A file of 1 GB, made of this Node's own binary, is sent while
 * one side, in turn, is killed (SIGKILL) at a random moment; the same with a directory of 5,000 files; then 200 senders
 * at once; then a reader that stops. After each: nothing but whole files and directories under final names, no exit 0 on
 * the living side, no hang, staging gone at the next start, memory within bounds. Ends with 1 at the first thing that is
 * not so. `npm run soak -- directory` does only the part with the directory.
 */
import { spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const SIZE = 1024 ** 3
const KILLS = 20
const FILES = 5000
const DIRECTORY_KILLS = 100
const MOST_MEMORY = 150e6

const bin = (name) => fileURLToPath(new URL(`../bin/${name}.js`, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'tcp-soak-'))
const out = join(folder, 'out')
const file = join(folder, 'big')

function check(isRight, what) {
  if (isRight) return
  console.error(`NOT SO: ${what}`)
  process.exitCode = 1
  throw new Error(what)
}

/** Starts a command; `peak` is the most memory that was seen of it. */
function start(name, args, stdio = ['ignore', 'pipe', 'pipe']) {
  const child = spawn(process.execPath, [bin(name), ...args], { stdio })
  const state = { child, peak: 0, stdout: '', stderr: '' }
  child.stdout?.on('data', (bytes) => {
    if (state.stdout.length < 10_000) state.stdout += bytes
  })
  child.stderr?.on('data', (bytes) => {
    if (state.stderr.length < 10_000) state.stderr += bytes
  })
  const watch = setInterval(() => {
    try {
      const pages = Number(readFileSync(`/proc/${child.pid}/statm`, 'utf8').split(' ')[1])
      state.peak = Math.max(state.peak, pages * 4096)
    } catch {
      // It has just ended.
    }
  }, 20)
  state.ended = new Promise((resolve) =>
    child.once('close', (code, signal) => {
      clearInterval(watch)
      resolve(code ?? signal)
    }),
  )
  return state
}

/** A receiver into `place`. */
function startReceiver(place, ...args) {
  return start('tcp-recv', ['--port', '0', '--host', '127.0.0.1', '--out', place, ...args])
}

async function listening(receiver) {
  while (!receiver.stderr.includes('listening on')) {
    if (receiver.child.exitCode !== null) throw new Error(receiver.stderr)
    await sleep(10)
  }
  return /listening on \S+:(\d+)/.exec(receiver.stderr)[1]
}

/** What `promise` gives, unless that takes a minute. */
async function within(promise, what) {
  const over = new AbortController()
  const hang = sleep(60_000, undefined, { signal: over.signal }).then(() => check(false, `${what} hangs`))
  hang.catch(() => {})
  try {
    return await Promise.race([promise, hang])
  } finally {
    over.abort()
  }
}

async function killed(number) {
  const receiver = startReceiver(out, '--once', '--timeout', '3', '--wait', '9')
  const port = await listening(receiver)
  const sender = start('tcp-send', ['--timeout', '5', file, '127.0.0.1', port])
  const [victim, living] = number % 2 === 0 ? [sender, receiver] : [receiver, sender]
  await sleep(100 + Math.random() * 1500)
  const wasRunning = victim.child.exitCode === null && living.child.exitCode === null
  victim.child.kill('SIGKILL')
  const code = await within(living.ended, 'the living side')
  const victimCode = await victim.ended
  const stored = readdirSync(out).filter((name) => !name.startsWith('.'))
  for (const name of stored) check(statSync(join(out, name)).size === SIZE, `${name} is not whole`)
  if (wasRunning && stored.length === 0) check(code !== 0, 'the living side ends with 0 and nothing is stored')
  for (const name of stored) rmSync(join(out, name))
  console.log(
    `kill ${number}: ${number % 2 === 0 ? 'sender' : 'receiver'} ${victimCode}, other side ${code}, stored ${stored.length}`,
  )
}

/** Makes a directory of small files, with a few large ones, symlinks and empty directories. */
function makeDirectory(place) {
  for (let number = 0; number < FILES; number++) {
    const parent = join(place, String(number % 40), String(number % 200))
    mkdirSync(parent, { recursive: true })
    writeFileSync(join(parent, `file ${number}`), Buffer.alloc(number % 500 === 0 ? 1e6 : number % 3000, number))
    if (number % 100 === 0) symlinkSync(`file ${number}`, join(parent, `link ${number}`))
    if (number % 250 === 0) mkdirSync(join(parent, 'empty'), { recursive: true })
  }
}

function isSame(one, other) {
  const { error, status } = spawnSync('diff', ['-r', '--no-dereference', one, other], { stdio: 'ignore' })
  if (error) throw error
  return status === 0
}

/** Sends the directory. Returns how long that takes, in milliseconds. */
async function wholeDirectory(source) {
  const receiver = startReceiver(out, '--once')
  const port = await listening(receiver)
  const begin = performance.now()
  const sender = start('tcp-send', [source, '127.0.0.1', port])
  check(
    (await within(sender.ended, 'the sender')) === 0 && (await receiver.ended) === 0,
    'directory: the transfer fails',
  )
  const took = performance.now() - begin
  check(isSame(source, join(out, 'directory')), 'the directory is not the one that was sent')
  rmSync(join(out, 'directory'), { recursive: true })
  return took
}

/** A receiver that has stored the directory has failed all the same if it could not tell the sender. */
async function killedDirectory(number, source, took) {
  const receiver = startReceiver(out, '--once', '--timeout', '3', '--wait', '9')
  const port = await listening(receiver)
  const sender = start('tcp-send', ['--timeout', '5', source, '127.0.0.1', port])
  const [victim, living] = number % 2 === 0 ? [sender, receiver] : [receiver, sender]
  const moment = Math.random() * 1.2 * took
  await sleep(moment)
  victim.child.kill('SIGKILL')
  const code = await within(living.ended, 'the living side')
  const victimCode = await victim.ended
  const stored = readdirSync(out).filter((name) => !name.startsWith('.'))
  for (const name of stored) check(isSame(source, join(out, name)), `${name} is not the directory that was sent`)
  check(code !== 0 || stored.length === 1, 'the living side ends with 0 and nothing is stored')
  await cleaned()
  for (const name of stored) rmSync(join(out, name), { recursive: true })
  const side = number % 2 === 0 ? 'sender' : 'receiver'
  const at = `after ${Math.round(moment)} ms`
  console.log(`directory, kill ${number}: ${side} ${victimCode} ${at}, other side ${code}, stored ${stored.length}`)
}

async function killedDirectories() {
  const source = join(folder, 'directory')
  makeDirectory(source)
  const took = await wholeDirectory(source)
  console.log(`directory: whole in ${Math.round(took)} ms`)
  for (let number = 0; number < DIRECTORY_KILLS; number++) await killedDirectory(number, source, took)
}

async function cleaned() {
  const receiver = startReceiver(out, '--wait', '0.1', '--keep-partial', '0')
  await receiver.ended
  check(!readdirSync(out).includes('.tcp-recv'), 'staging is not cleaned at the next start')
}

async function memory() {
  const receiver = startReceiver(out, '--once')
  const sender = start('tcp-send', [file, '127.0.0.1', await listening(receiver)])
  check((await within(sender.ended, 'the sender')) === 0 && (await receiver.ended) === 0, 'the transfer fails')
  check(Math.max(sender.peak, receiver.peak) < MOST_MEMORY, `file: ${sender.peak} and ${receiver.peak} bytes of memory`)
  console.log(`file: sender ${Math.round(sender.peak / 1e6)} MB, receiver ${Math.round(receiver.peak / 1e6)} MB`)
  for (const name of readdirSync(out)) rmSync(join(out, name), { recursive: true })
}

/** From a pipe to a pipe whose reader stops for three seconds in the middle. */
async function stoppedReader() {
  const receiver = startReceiver('-')
  receiver.child.stdout.removeAllListeners('data')
  const port = await listening(receiver)
  const producer = spawn('cat', [file], { stdio: ['ignore', 'pipe', 'inherit'] })
  const sender = start('tcp-send', ['--name', 'x', '-', '127.0.0.1', port], [producer.stdout, 'pipe', 'pipe'])
  let bytes = 0
  let hasStopped = false
  receiver.child.stdout.on('data', (piece) => {
    bytes += piece.length
    if (hasStopped || bytes < SIZE / 2) return
    hasStopped = true
    receiver.child.stdout.pause()
    setTimeout(() => receiver.child.stdout.resume(), 3_000)
  })
  check((await within(sender.ended, 'the sender')) === 0, `pipe: the sender fails: ${sender.stderr}`)
  check((await receiver.ended) === 0 && bytes === SIZE, 'pipe: bytes are missing')
  check(Math.max(sender.peak, receiver.peak) < MOST_MEMORY, `pipe: ${sender.peak} and ${receiver.peak} bytes of memory`)
  console.log(
    `pipe, reader stopped: sender ${Math.round(sender.peak / 1e6)} MB, receiver ${Math.round(receiver.peak / 1e6)} MB`,
  )
}

async function many() {
  const small = join(folder, 'small')
  writeFileSync(small, readFileSync(process.execPath).subarray(0, 1e6))
  const receiver = startReceiver(out, '--count', '200', '--quiet', '--json')
  while (!receiver.stdout.includes('listening')) await sleep(10)
  const port = JSON.parse(receiver.stdout.split('\n')[0]).port
  const senders = Array.from({ length: 200 }, () => start('tcp-send', ['--quiet', small, '127.0.0.1', String(port)]))
  const codes = await Promise.all(senders.map(({ ended }) => within(ended, 'a sender')))
  check(
    codes.every((code) => code === 0),
    `200 senders: ${codes.filter((code) => code !== 0).length} failed`,
  )
  check((await within(receiver.ended, 'the receiver')) === 0, 'the receiver of 200 fails')
  const names = readdirSync(out)
  const content = readFileSync(small)
  check(names.length === 200 && names.every((name) => readFileSync(join(out, name)).equals(content)), '200 whole files')
  console.log(`200 senders at once: 200 whole files, receiver ${Math.round(receiver.peak / 1e6)} MB`)
}

async function everything() {
  writeFileSync(file, '')
  const node = readFileSync(process.execPath)
  for (let size = 0; size < SIZE; size += node.length) appendFileSync(file, node.subarray(0, SIZE - size))
  for (let number = 0; number < KILLS; number++) await killed(number)
  await cleaned()
  console.log('staging is clean after the next start')
  await memory()
  await stoppedReader()
  await many()
}

try {
  await killedDirectories()
  if (process.argv[2] !== 'directory') await everything()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
