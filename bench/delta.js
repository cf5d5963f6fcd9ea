/**
 * `npm run bench:delta`: a file that replaces another one, sent whole, with `--delta` and with rsync. Prints the bytes that
 * went to the receiver, counted by a proxy in a run of its own, and the seconds until the sender ended. Ends with 1 if
 * something that has arrived is not what was sent.
 *
 * `--size SIZE` of the file in MB (1000), `--runs N` of all ways in turn (1), `--at FOLDER` for all files (the folder for temporary files),
 * `--cases NAMES`, `--ways NAMES` with commas. For another line than loopback: `--sender COMMAND` and `--receiver COMMAND`
 * start the two sides, and `--host ADDRESS` is that of the receiver; then nothing is counted.
 */
import { spawn, spawnSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: '1000' },
    runs: { type: 'string', default: '1' },
    at: { type: 'string', default: tmpdir() },
    cases: { type: 'string', default: 'changed,inserted,unrelated,same' },
    ways: { type: 'string', default: 'whole,delta,rsync' },
    sender: { type: 'string', default: '' },
    receiver: { type: 'string', default: '' },
    host: { type: 'string', default: '127.0.0.1' },
  },
})
const size = Number(values.size) * 1e6
const folder = mkdtempSync(join(values.at, 'tcp-delta-'))
const [old, file, out] = ['old', 'image', 'out'].map((name) => join(folder, name))
const PIECE = 1e6
const RSYNC_PORT = 18_730

function writeRandom(path, bytes) {
  const fd = openSync(path, 'w')
  const buffer = Buffer.alloc(PIECE)
  for (let at = 0; at < bytes; at += PIECE) writeSync(fd, randomFillSync(buffer))
}

/** What makes the new file of the old one. */
const cases = {
  changed() {
    copyFileSync(old, file)
    const fd = openSync(file, 'r+')
    const bytes = randomFillSync(Buffer.alloc(size / 2000))
    for (let place = 0; place < 20; place++) writeSync(fd, bytes, 0, bytes.length, (place * size) / 20 + 12_345)
  },
  inserted() {
    writeFileSync(file, 'x')
    spawnSync('sh', ['-c', 'cat "$0" >>"$1"', old, file])
  },
  unrelated: () => writeRandom(file, size),
  same: () => copyFileSync(old, file),
}

const bin = (name) => fileURLToPath(new URL(`../bin/${name}.js`, import.meta.url))

/** Starts a command on one of the two sides. */
function start(side, command, args) {
  const [first, ...rest] = [...side.split(' ').filter(Boolean), command, ...args]
  const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  const state = { child, stderr: '' }
  child.stdout.resume()
  child.stderr.on('data', (bytes) => {
    state.stderr += bytes
  })
  state.ended = new Promise((resolve) => child.once('close', resolve))
  return state
}

async function receiverOf(way) {
  if (way === 'rsync') {
    const config = join(folder, 'rsyncd.conf')
    writeFileSync(config, `use chroot = no\n[out]\npath = ${out}\nread only = no\nuid = 0\ngid = 0\n`)
    const daemon = start(values.receiver, 'rsync', [
      ...['--daemon', '--no-detach', `--address=${values.host}`],
      ...[`--port=${RSYNC_PORT}`, `--config=${config}`],
    ])
    await sleep(500)
    return { ...daemon, port: RSYNC_PORT }
  }
  const args = ['--port', '0', '--host', values.host, '--out', out, '--once', '--if-exists', 'overwrite']
  const receiver = start(values.receiver, process.execPath, [bin('tcp-recv'), ...args])
  while (!receiver.stderr.includes('listening on')) await sleep(5)
  return { ...receiver, port: Number(/listening on \S+:(\d+)/.exec(receiver.stderr)[1]) }
}

/** A proxy that counts the bytes to the receiver. */
async function counted(port) {
  const state = { bytes: 0 }
  const server = createServer({ allowHalfOpen: true }, (sender) => {
    const receiver = connect({ host: values.host, port, allowHalfOpen: true })
    sender.on('data', (bytes) => {
      state.bytes += bytes.length
    })
    sender.pipe(receiver).pipe(sender)
    for (const socket of [sender, receiver]) socket.on('error', () => {})
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return Object.assign(state, { port: server.address().port, close: () => server.close() })
}

/** Sends the file over the old one. Returns the seconds, or the bytes if they are counted. */
async function send(way, isCounted) {
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out)
  copyFileSync(old, join(out, 'image'))
  spawnSync('sync')
  const receiver = await receiverOf(way)
  const proxy = isCounted ? await counted(receiver.port) : null
  const port = String(proxy?.port ?? receiver.port)
  const rsync = ['--ignore-times', '--no-whole-file', '--fsync', file, `rsync://${values.host}:${port}/out/`]
  const delta = way === 'delta' ? ['--delta'] : []
  const begin = performance.now()
  const sender =
    way === 'rsync'
      ? start(values.sender, 'rsync', rsync)
      : start(values.sender, process.execPath, [bin('tcp-send'), ...delta, file, values.host, port])
  const code = await sender.ended
  const seconds = (performance.now() - begin) / 1000
  if (way === 'rsync') receiver.child.kill()
  await receiver.ended
  proxy?.close()
  if (code !== 0 || spawnSync('cmp', [file, join(out, 'image')]).status !== 0) {
    console.error(`${way}: exit ${code}: ${sender.stderr}${receiver.stderr}`)
    process.exitCode = 1
  }
  return proxy?.bytes ?? seconds
}

try {
  writeRandom(old, size)
  for (const name of values.cases.split(',')) {
    cases[name]()
    const ways = values.ways.split(',')
    const seconds = Object.fromEntries(ways.map((way) => [way, []]))
    for (let run = 0; run < Number(values.runs); run++)
      for (const way of ways) seconds[way].push((await send(way, false)).toFixed(2))
    for (const way of ways) {
      const bytes = values.sender === '' ? await send(way, true) : null
      const share = bytes === null ? '' : ` ${((100 * bytes) / size).toFixed(3)} % of the bytes,`
      console.log(`${name}, ${way}:${share} ${seconds[way].join(' ')} s`)
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
