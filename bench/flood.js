/**
 * `npm run soak:flood`: peers that want to keep a receiver from its work, in one process (flooders.js).
 *
 *   - With a key, 1 GB is sent, alone, and beside a thousand connections that say nothing, a thousand wrong keys and a
 *     hundred floods of heartbeats without the key. Meanwhile a real sender with the key sends 1 KB. The large file must
 *     reach 0.7 of its speed alone, with less than 200 MB of memory; the small one must take less than a second. Then the
 *     same beside a hundred floods of heartbeats with the key, to see what somebody who is trusted could do.
 *   - Without a key, 1 KB is sent beside a hundred peers that send without pause, in less than a second.
 *
 * Afterwards the receiver must take one more file. Prints tables. Ends with 1 if something is not so. A soak shares its
 * machine, so of several runs the best one counts. `npm run soak:flood -- --rounds 5 --size 256M --only key`; the other
 * part is `plain`. Linux only.
 */
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { generateKey } from '../dist/keys.js'
import { makeSources, memoryFolder, removeFolders } from './files.js'

const SPEED = 0.7
const MOST_MEMORY = 200e6
const MOST_WAIT = 1_000

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    size: { type: 'string', default: '1024M' },
    only: { type: 'string', default: 'key,plain' },
  },
})
const rounds = Number(values.rounds)
const size = Number.parseInt(values.size, 10) * 1024 ** 2

const bin = (name) => fileURLToPath(new URL(`../bin/${name}.js`, import.meta.url))
const work = memoryFolder()
const out = join(work, 'out')
const children = new Set()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  removeFolders()
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

const keyFile = join(work, 'key')
writeFileSync(keyFile, `${generateKey()}\n`, { mode: 0o600 })
const files = makeSources(work, size, 100)

function check(isRight, what) {
  if (isRight) return
  console.error(`NOT SO: ${what}`)
  process.exitCode = 1
}

function start(name, args, stdio) {
  const child = spawn(process.execPath, [bin(name), ...args], { stdio })
  children.add(child)
  child.once('exit', () => children.delete(child))
  return child
}

/** A receiver that has room for all of them, and its port. */
async function startReceiver(key) {
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out)
  const places = ['--max-connections', '4000', '--if-exists', 'overwrite']
  const receiver = start(
    'tcp-recv',
    ['--port', '0', '--host', '127.0.0.1', '--out', out, '--json', ...places, ...key],
    ['ignore', 'pipe', 'ignore'],
  )
  const [line] = await once(receiver.stdout, 'data')
  const events = {}
  let rest = ''
  receiver.stdout.on('data', (bytes) => {
    const lines = (rest + bytes).split('\n')
    rest = lines.pop()
    for (const line of lines) {
      const { event, code = '', reason = '' } = JSON.parse(line)
      const what = [event, code, reason].filter(Boolean).join(' ')
      events[what] = (events[what] ?? 0) + 1
    }
  })
  return { receiver, port: /"port":(\d+)/.exec(String(line))[1], events }
}

/** Sends a file with a real sender. Returns the milliseconds from its start to its end. */
async function sendFile(path, name, port, key) {
  const begin = performance.now()
  const args = ['--quiet', '--name', name, ...key, path, '127.0.0.1', port]
  const sender = start('tcp-send', args, ['ignore', 'ignore', 'pipe'])
  let said = ''
  sender.stderr.on('data', (bytes) => {
    said += bytes
  })
  const [code] = await once(sender, 'close')
  const took = performance.now() - begin
  check(code === 0, `${name} ended with ${code}: ${said}`)
  check(code !== 0 || statSync(join(out, name)).size === statSync(path).size, `${name} is not whole`)
  return took
}

/** Flooders that begin when the result is called. */
async function startFlooders(port, key, kinds) {
  const args = [port, ...key]
  const flooders = fork(new URL('flooders.js', import.meta.url), args, {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  children.add(flooders)
  flooders.once('exit', () => children.delete(flooders))
  for (const kind of kinds) {
    flooders.send(kind)
    await once(flooders, 'message')
  }
  return {
    begin: () => flooders.send({ begin: true }),
    async stop() {
      flooders.send({ stop: true })
      await once(flooders, 'exit')
    },
  }
}

/** The peak of the memory of a process so far, in bytes. */
function peak({ pid }) {
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1])
}

/** The seconds that a process has worked so far, on a system that counts hundredths. */
function worked({ pid }) {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
    .slice(11, 13)
  return (Number(user) + Number(system)) / 100
}

const withKey = ['--key-file', keyFile]
const floodsWithKey = {
  alone: [],
  flooded: [
    { kind: 'silent', count: 1000 },
    { kind: 'wrong keys', count: 1000 },
    { kind: 'heartbeats', count: 100 },
  ],
  'flooded by peers with the key': [{ kind: 'keyed heartbeats', count: 100 }],
}

/** One large file, and a small one beside it and after it. The flood begins with the large one. */
async function largeFile(kinds) {
  const { receiver, port, events } = await startReceiver(withKey)
  const flooders = kinds.length > 0 ? await startFlooders(port, [keyFile], kinds) : null
  flooders?.begin()
  const large = sendFile(files.source, 'large', port, withKey)
  const small = []
  if (flooders) {
    await sleep(500)
    small.push(await sendFile(files.small, 'beside', port, withKey))
  }
  const took = await large
  const cpu = worked(receiver)
  // A flood may outlast a quick transfer.
  if (flooders) small.push(await sendFile(files.small, 'after', port, withKey))
  await flooders?.stop()
  const memory = peak(receiver)
  await sendFile(files.small, 'at-the-end', port, withKey)
  check(receiver.exitCode === null, 'the receiver has ended')
  check(!readdirSync(out).includes('flood'), 'a flood was stored')
  receiver.kill('SIGTERM')
  await once(receiver, 'exit')
  return { took, cpu, small, memory, events }
}

const least = (numbers) => Math.min(...numbers)
const most = (numbers) => Math.max(...numbers)
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]
const ms = (number) => number.toFixed(0)
const mb = (number) => (number / 1e6).toFixed(0)

async function besideLarge() {
  const names = Object.keys(floodsWithKey)
  const runs = Object.fromEntries(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    // In turns, because a machine is not equally quick all the time.
    for (const name of round % 2 === 0 ? names : names.toReversed())
      runs[name].push(await largeFile(floodsWithKey[name]))
  }
  console.log(
    `\n| ${size / 1024 ** 2} MiB with a key | ms, best (median) | the receiver's CPU s | its peak MB | 1 KB, ms: best worst of a run, all |`,
  )
  console.log('|---|--:|--:|--:|---|')
  for (const [what, all] of Object.entries(runs)) {
    const took = all.map((run) => run.took)
    const small = all.map((run) => run.small)
    const waits =
      what === 'alone' ? '–' : `${ms(least(small.map(most)))}: ${small.map((run) => run.map(ms).join(' ')).join('; ')}`
    console.log(
      `| ${what} | ${ms(least(took))} (${ms(median(took))}) | ${least(all.map((run) => run.cpu)).toFixed(2)} | ${mb(most(all.map((run) => run.memory)))} | ${waits} |`,
    )
  }
  console.log(`\nWhat the receiver has said in one run: ${JSON.stringify(runs.flooded[0].events)}`)
  const time = (all, of) => of(all.map((run) => run.took))
  const ratio = (of) => time(runs.alone, of) / time(runs.flooded, of)
  console.log(
    `\nSpeed under the flood: ${ratio(least).toFixed(2)} of that alone (of the medians: ${ratio(median).toFixed(2)})`,
  )
  check(most([ratio(least), ratio(median)]) >= SPEED, `the speed is at least ${SPEED} of that alone`)
  check(least(runs.flooded.map(({ small }) => most(small))) < MOST_WAIT, '1 KB with the key takes less than a second')
  check(most(runs.flooded.map(({ memory }) => memory)) < MOST_MEMORY, `the memory is less than ${mb(MOST_MEMORY)} MB`)
}

/** The times of small files beside a hundred peers of one kind, which come again if they are disconnected. */
async function beside(kind) {
  const { receiver, port } = await startReceiver([])
  const flooders = await startFlooders(port, [], kind === 'nobody' ? [] : [{ kind, count: 100, returns: true }])
  flooders.begin()
  const times = []
  for (let number = 0; number < 5; number++) times.push(await sendFile(files.small, `small-${number}`, port, []))
  await flooders.stop()
  await sendFile(files.small, 'at-the-end', port, [])
  const memory = peak(receiver)
  receiver.kill('SIGTERM')
  await once(receiver, 'exit')
  return { times, memory }
}

async function besideFloods() {
  console.log(
    '\n| 1 KB beside 100 peers | first, ms: best (each round) | all, ms: median, most | peak MB of the receiver |',
  )
  console.log('|---|--:|--:|--:|')
  for (const kind of ['nobody', 'heartbeats', 'frames of one byte', 'nested JSON', '6,000 keys in a header']) {
    const runs = []
    for (let round = 0; round < rounds; round++) runs.push(await beside(kind))
    const first = runs.map(({ times }) => times[0])
    const all = runs.flatMap(({ times }) => times)
    const memory = most(runs.map((run) => run.memory))
    const shown = `${ms(least(first))} (${first.map(ms).join(' ')}) | ${ms(median(all))}, ${ms(most(all))}`
    console.log(`| ${kind} | ${shown} | ${mb(memory)} |`)
    check(least(first) < MOST_WAIT, `1 KB beside ${kind} takes less than a second`)
    check(memory < MOST_MEMORY, `the memory is less than ${mb(MOST_MEMORY)} MB`)
  }
}

if (values.only.includes('key')) await besideLarge()
if (values.only.includes('plain')) await besideFloods()
