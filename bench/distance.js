/**
 * Transfers between two hosts that are far from each other, in turn with other tools:
 *
 *   node bench/distance.js --address IP [--here COMMAND] [--there COMMAND] [--rounds N] [--only a,b] PATH
 *
 * COMMAND runs a program on the host that sends or receives, such as `ip netns exec a` for two network namespaces with a
 * slow link between them (`tc netem`). PATH is a file or directory that both hosts see. Prints the seconds from the start
 * of the sender to the end of both programs.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const PORT = 9000
const bin = (/** @type {string} */ name) => fileURLToPath(new URL(`../bin/${name}.js`, import.meta.url))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    address: { type: 'string', default: '127.0.0.1' },
    here: { type: 'string', default: '' },
    there: { type: 'string', default: '' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
  },
})
const [source] = positionals
if (source === undefined) throw new Error('which file or directory?')
const isDirectory = statSync(source).isDirectory()
const { address } = values
const out = mkdtempSync(join(dirname(source), 'distance-'))
const config = join(mkdtempSync(join(tmpdir(), 'distance-')), 'rsyncd.conf')
writeFileSync(config, `use chroot = no\n[out]\npath = ${out}\nread only = no\nuid = 0\ngid = 0\n`)
process.on('exit', () => {
  rmSync(out, { recursive: true, force: true })
  rmSync(dirname(config), { recursive: true, force: true })
})

/** @typedef {{ id: string, listen: string[], send: string[], file?: boolean, stop?: boolean }} Tool */
const name = basename(source)
const ours = (/** @type {string} */ id, /** @type {string[]} */ ...options) => ({
  id,
  listen: [process.execPath, bin('tcp-recv'), '--port', `${PORT}`, '--out', out, '--once', '--quiet'],
  send: [process.execPath, bin('tcp-send'), '--quiet', ...options, source, address, `${PORT}`],
})
/** @type {Tool[]} */
const tools = [
  ours('tcp-send'),
  ours('tcp-send-1', '--streams', '1'),
  {
    id: 'rsync',
    listen: ['rsync', '--daemon', '--no-detach', `--port=${PORT}`, `--config=${config}`],
    send: ['rsync', '-rt', '--whole-file', `--port=${PORT}`, source, `rsync://${address}/out/`],
    stop: true,
  },
  { id: 'nc', ...shell(`nc -l -p ${PORT} >${out}/${name}`, `nc -N ${address} ${PORT} <${source}`), file: true },
  {
    id: 'mbuffer',
    ...shell(`mbuffer -q -m 64M -I ${PORT} -o ${out}/${name}`, `mbuffer -q -m 64M -i ${source} -O ${address}:${PORT}`),
    file: true,
  },
]

function shell(/** @type {string} */ listen, /** @type {string} */ send) {
  return { listen: ['sh', '-c', listen], send: ['sh', '-c', send] }
}

const wanted = values.only?.split(',') ?? tools.map(({ id }) => id)
const present = tools.filter(({ id, file }) => wanted.includes(id) && !(file && isDirectory))
/** @type {Map<string, number[]>} */
const seconds = new Map(present.map(({ id }) => [id, []]))
for (let round = 0; round < Number(values.rounds); round++) {
  for (const tool of present) {
    const taken = await measure(tool)
    seconds.get(tool.id)?.push(taken)
    console.error(`${round + 1}/${values.rounds} ${tool.id}: ${taken.toFixed(2)} s`)
  }
}
const median = (/** @type {number[]} */ all) => /** @type {number} */ (all.sort((a, b) => a - b)[all.length >> 1])
const first = median(seconds.get(present[0]?.id ?? '') ?? [])
for (const [id, all] of seconds) {
  const taken = median(all)
  console.log(`${id.padEnd(12)} ${taken.toFixed(2)} s   ${(taken / first).toFixed(2)}`)
}

/** @param {Tool} tool */
async function measure({ id, listen, send, stop }) {
  const listening = start(values.there, listen)
  while (!isListening()) await sleep(50)
  const begin = performance.now()
  const status = await start(values.here, send).ended
  if (stop) listening.kill()
  const other = await listening.ended
  const taken = (performance.now() - begin) / 1000
  const same = spawnSync('diff', ['-rq', source, join(out, name)])
  if (status !== 0 || (other !== 0 && !stop) || same.status !== 0) throw new Error(`${id}: ${status}, ${other}`)
  for (const entry of [name, '.tcp-recv']) rmSync(join(out, entry), { recursive: true, force: true })
  return taken
}

/** @param {string} prefix @param {string[]} command */
function start(prefix, command) {
  const [program, ...args] = [...prefix.split(' ').filter((word) => word !== ''), ...command]
  const child = spawn(/** @type {string} */ (program), args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)))
  return { ended, kill: () => child.kill() }
}

/** True if somebody listens on the port of the other host. Nothing may connect to find out: some tools take only one. */
function isListening() {
  const prefix = values.there.split(' ').filter((word) => word !== '')
  const [program, ...args] = [...prefix, 'cat', '/proc/net/tcp', '/proc/net/tcp6']
  const text = spawnSync(/** @type {string} */ (program), args, { encoding: 'utf8' }).stdout
  return new RegExp(`:${PORT.toString(16).toUpperCase().padStart(4, '0')} [0-9A-F]+:0000 0A`).test(text)
}
