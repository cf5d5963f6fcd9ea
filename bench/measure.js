/**
 * One run of one candidate: starts the receiver, waits until it listens, starts the sender, and takes the time, the
 * CPU seconds and the peak memory of both. CPU and memory come from GNU time around each side.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/**
 * What is run once. The lines are for `sh`; PORT is set for both.
 * @typedef {object} Task
 * @property {string} sender
 * @property {string} [receiver]
 * @property {boolean} [isDaemon]      the receiver goes on after the transfer, and is stopped then
 * @property {boolean} [isSenderOnly]  the time ends with the sender, not when both have exited
 * @property {Record<string, string>} env
 */

/**
 * What one side used: CPU seconds (user and system, all its processes), and the peak memory in bytes of its largest
 * process. Null where GNU time is missing.
 * @typedef {{ cpu: number, memory: number } | null} Usage
 */

/**
 * @typedef {object} Outcome
 * @property {number} seconds
 * @property {Usage} sender
 * @property {Usage} receiver
 * @property {string | null} problem   what went wrong, if a side did not exit as it should
 */

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const TIME = '/usr/bin/time'
export const hasTime = existsSync(TIME)

/** A run that has not ended by then never will. */
const RUN_LIMIT = 600_000
/** How long a receiver may take to listen, and how long it may stay when its sender has failed. */
const GRACE = 10_000

/** Process groups under way, for `killAll`. @type {Set<number>} */
const groups = new Set()

export function killAll() {
  for (const group of groups) killGroup(group)
}

/** @param {number} group */
function killGroup(group) {
  try {
    process.kill(-group, 'SIGKILL')
  } catch {
    // It has ended in the meantime.
  }
}

/** The environment of every command: sshd is often outside of PATH, and messages are read by programs. */
export function shellEnvironment(/** @type {Record<string, string>} */ extra) {
  return { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C', NODE: process.execPath, ...extra }
}

/** One side: a shell line in its own process group, under GNU time. */
class Side {
  #stats
  #errors = ''
  /** @type {number} */
  pid
  hasEnded = false
  endedAt = 0
  /** @type {Promise<void>} */
  ended
  /** The exit status, or the name of the signal. @type {number | string | null} */
  status = null

  /** @param {string} line @param {Record<string, string>} env @param {string} stats */
  constructor(line, env, stats) {
    this.#stats = stats
    rmSync(stats, { force: true })
    const [command, ...args] = [...(hasTime ? [TIME, '-q', '-o', stats, '-f', '%U %S %M'] : []), 'sh', '-c', line]
    const child = spawn(command, args, {
      cwd: ROOT,
      env: shellEnvironment(env),
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.pid = /** @type {number} */ (child.pid)
    groups.add(this.pid)
    child.stderr.on('data', (data) => {
      this.#errors = (this.#errors + data).slice(-300)
    })
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('exit', (code, signal) => {
        this.endedAt = performance.now()
        this.hasEnded = true
        this.status = signal ?? code
        groups.delete(this.pid)
        resolve()
      })
    })
  }

  /** Null if it ended with success. @param {string} role */
  problem(role) {
    return this.status === 0 ? null : `${role} ended with ${this.status}: ${this.lastWords()}`
  }

  lastWords() {
    return this.#errors.trim().split('\n').at(-1)
  }

  /** @returns {Usage} */
  usage() {
    if (!hasTime || !existsSync(this.#stats)) return null
    const [user = 0, system = 0, memory = 0] = readFileSync(this.#stats, 'utf8').trim().split(' ').map(Number)
    return { cpu: Math.round((user + system) * 100) / 100, memory: memory * 1024 }
  }

  kill() {
    killGroup(this.pid)
  }
}

/**
 * @param {Task} task @param {string} work a folder for the statistics
 * @returns {Promise<Outcome>}
 */
export async function measure(task, work) {
  const env = { ...task.env, PORT: String(await freePort()) }
  const receiver = task.receiver ? new Side(task.receiver, env, join(work, 'receiver.stats')) : null
  const isUp = receiver === null || (await isListening(Number(env.PORT), receiver))
  const start = performance.now()
  const sender = new Side(isUp ? task.sender : 'exit 1', env, join(work, 'sender.stats'))
  const limit = setTimeout(killAll, RUN_LIMIT)
  await sender.ended
  let end = sender.endedAt
  if (receiver) {
    const grace = sender.status === 0 ? null : setTimeout(() => receiver.kill(), GRACE)
    if (task.isDaemon) end = await stopDaemon(receiver)
    await receiver.ended
    if (grace) clearTimeout(grace)
    if (!task.isDaemon && !task.isSenderOnly) end = Math.max(end, receiver.endedAt)
  }
  clearTimeout(limit)
  // A daemon is stopped by a signal, which is no fault.
  const receivers = task.isDaemon || receiver === null ? null : receiver.problem('receiver')
  return {
    seconds: Math.round((end - start) * 10) / 10_000,
    sender: sender.usage(),
    receiver: receiver ? receiver.usage() : null,
    problem: isUp ? (sender.problem('sender') ?? receivers) : `did not listen: ${receiver?.lastWords()}`,
  }
}

/**
 * A daemon has done its work when the process that it made for the connection has gone.
 * @param {Side} side @returns {Promise<number>} when that was
 */
async function stopDaemon(side) {
  const daemon = hasTime ? childrenOf(side.pid)[0] : side.pid
  if (daemon === undefined) return performance.now()
  while (!side.hasEnded && childrenOf(daemon).length > 0) await sleep(2)
  const idle = performance.now()
  if (!side.hasEnded) process.kill(daemon, 'SIGTERM')
  return idle
}

/** @param {number} pid @returns {number[]} */
function childrenOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** A port that no connection is given by chance, since it lies below the range that Linux takes those from. */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const server = createServer()
    const isFree = await new Promise((resolve) => {
      server.on('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

/**
 * Waits until somebody listens on a port, without connecting to it: nc would take that for its one sender.
 * @param {number} port @param {Side} receiver
 */
async function isListening(port, receiver) {
  const listening = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, '0')} [0-9A-F]+:0000 0A `)
  const deadline = performance.now() + GRACE
  while (performance.now() < deadline && !receiver.hasEnded) {
    if (
      ['/proc/net/tcp', '/proc/net/tcp6'].some((path) => existsSync(path) && listening.test(readFileSync(path, 'utf8')))
    )
      return true
    await sleep(5)
  }
  return false
}
