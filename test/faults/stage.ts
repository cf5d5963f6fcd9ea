/** One transfer between the real commands, done again and again: with strace attached to one side, or without. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TransferEvent } from '../../dist/events.js'
import { send } from '../../dist/index.js'
import { type Outcome, portOf, type Running, type StartOptions, start } from '../fixtures/commands.ts'
import { key } from '../fixtures/keys.ts'
import { makeTree, tellTree } from '../fixtures/tree.ts'
import { judgeStaging, stagedIn, withoutStaging } from './folders.ts'
import { type Call, callsIn, Strace, type Thread, threadsOf, unlike } from './strace.ts'
import { isSingle, type Transfer } from './transfers.ts'

export type Side = 'sender' | 'receiver'

/** What is to be traced. */
export interface Trace {
  side: Side
  threads: Thread[]
  args: string[]
}

/** What has become of a transfer. */
export interface Result {
  /** Null if it had to be killed. */
  sender: Outcome | null
  /** Of a receiver that goes on: undefined. */
  receiver: Outcome | null | undefined
  /** The receiver's, of this transfer. */
  events: TransferEvent[]
  /** What is under final names: a line for each path. */
  there: Record<string, string>
  /** What is left in the staging folder. */
  staged: string[]
  /** What was traced. */
  lines: string[]
  threads: Record<Thread, number>
  output: Buffer
}

/** Nothing takes as long, in milliseconds. */
const LIMIT = 20_000

/** What is to be done if this process is interrupted. */
export const cleaning = new Set<() => void>()
process.once('exit', () => {
  for (const work of [...cleaning].reverse()) work()
})

/** The pool has a thread from the start, so that strace can be attached to it. */
const withPool = `await (await import('node:fs/promises')).stat('/')`
const stopped = `${withPool}; process.kill(process.pid, 'SIGSTOP')`

export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'tcp-faults-'))
  readonly source = join(this.folder, 'source')
  readonly out: string
  readonly transfer: Transfer
  receiver: Running | null = null
  port = ''
  /** The side that listens, and is started first. */
  readonly #listening: Side
  #listener: Running | null = null
  readonly #keyFile = join(this.folder, 'key')
  readonly #started: Running[] = []
  readonly #env: NodeJS.ProcessEnv
  readonly #teardowns: (() => unknown)[] = []
  readonly #scope = { teardown: (work: () => unknown) => void this.#teardowns.push(work) }

  constructor(transfer: Transfer, { out, env = {} }: { out?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.transfer = transfer
    this.#listening = transfer.isFetched ? 'sender' : 'receiver'
    this.out = out ?? join(this.folder, 'out')
    this.#env = { ...process.env, ...env, UV_THREADPOOL_SIZE: '1' }
    cleaning.add(this.#remove)
    makeTree(this.source, transfer.source)
    writeFileSync(this.#keyFile, key, { mode: 0o600 })
    this.reset()
  }

  async end(): Promise<void> {
    for (const work of this.#teardowns.splice(0).reverse()) await work()
    this.#remove()
    cleaning.delete(this.#remove)
  }

  readonly #remove = (): void => {
    for (const { child } of this.#started.splice(0)) child.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** The receiver's folder as it was before the transfer; what is staged stays, but nothing goes on. */
  reset(): void {
    mkdirSync(this.out, { recursive: true })
    for (const name of readdirSync(this.out)) {
      if (name !== '.tcp-recv') rmSync(join(this.out, name), { recursive: true })
    }
    rmSync(join(this.out, '.tcp-recv', 'kept'), { recursive: true, force: true })
    makeTree(this.out, this.transfer.before ?? {})
  }

  start(name: 'tcp-send' | 'tcp-recv', args: string[], options: StartOptions = {}): Running {
    const all = { env: this.#env, preload: withPool, ...options }
    const running = start(this.#scope, name, ['--json', '--timeout', '3', ...args], all)
    this.#started.push(running)
    return running
  }

  /** The side that listens: for as many transfers as come, or for a single one. */
  async startListener(preload = ''): Promise<Running> {
    const once = isSingle(this.transfer) ? ['--one-attempt', '--wait', '5'] : []
    const where = ['--host', '127.0.0.1', '--port', '0', ...once]
    this.#listener = this.#startSide(this.#listening, where, { preload: `${withPool}; ${preload}` })
    this.port = await portOf(this.#listener)
    return this.#listener
  }

  startDialler(options: StartOptions = {}): Running {
    // Another try would hide what has become of this one.
    const once = ['--retry', '0']
    if (this.#listening === 'receiver') return this.#startSide('sender', [...once, '127.0.0.1', this.port], options)
    return this.#startSide('receiver', [...once, '--connect', `127.0.0.1:${this.port}`], options)
  }

  #startSide(side: Side, where: string[], options: StartOptions): Running {
    const { send, input, output, receive = [], isFetched = false, hasKey = false } = this.transfer
    const withKey = hasKey ? ['--key-file', this.#keyFile] : []
    if (side === 'receiver') {
      const args = [...withKey, ...where, '--out', output ? '-' : this.out, ...receive]
      this.receiver = this.start('tcp-recv', args, options)
      return this.receiver
    }
    const names = send.map((name) => (existsSync(join(this.source, name)) ? join(this.source, name) : name))
    const args = [...withKey, ...(isFetched ? ['--listen'] : []), ...names, ...where]
    return this.start('tcp-send', args, { ...(input ? { input } : {}), ...options })
  }

  async restart(): Promise<void> {
    await this.#listener?.kill('SIGTERM')
    await this.startListener()
  }

  /** What is wrong after the next start of a receiver: it removes whatever was left but what is kept. */
  async nextStart(): Promise<string[]> {
    const next = this.start('tcp-recv', ['--host', '127.0.0.1', '--port', '0', '--wait', '0.1', '--out', this.out])
    const { code, stderr } = await next.done
    return [...(code === 9 ? [] : [`the next receiver ends with ${code}: ${stderr}`]), ...judgeStaging(this)]
  }

  /** The events of the receiver so far. */
  events(): TransferEvent[] {
    const text = this.transfer.output ? this.receiver?.stderr : this.receiver?.stdout
    const lines = (text ?? '').split('\n').slice(0, -1)
    return lines.flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []))
  }

  /** The calls that one side makes in a transfer that nobody disturbs, and that transfer. */
  async record(side: Side): Promise<{ calls: Call[]; result: Result }> {
    const found: { calls: Call[]; result: Result }[] = []
    const pooled = ({ calls }: { calls: Call[] }) => calls.filter(({ thread }) => thread === 'pool').length
    // After a call that happened to take long, others use the pool for a while. That is not what comes every time.
    for (let count = 0; count < 3; count++) {
      const result = await this.run({ side, threads: ['main', 'pool'], args: [] })
      found.push({ calls: unlike(callsIn(result.lines, result.threads, [this.folder])), result })
    }
    return found.reduce((best, one) => (pooled(one) < pooled(best) ? one : best))
  }

  /** Does the transfer. */
  async run(trace?: Trace): Promise<Result> {
    this.reset()
    const isOnce = isSingle(this.transfer)
    if (!this.#listener || hasEnded(this.#listener) || isOnce) await this.startListener()
    const listener = this.#listener as Running
    const before = isOnce ? 0 : this.events().length
    const isDialler = trace !== undefined && trace.side !== this.#listening
    let [strace, threads] = [null as Strace | null, { main: 0, pool: 0 }]
    const attach = async ({ child }: Running, trace: Trace) => {
      threads = threadsOf(child.pid as number)
      const traced = trace.threads.map((thread) => threads[thread])
      strace = await Strace.attach(traced, trace.args)
    }
    if (trace && !isDialler) await attach(listener, trace)
    const dialler = this.startDialler(isDialler ? { preload: stopped } : {})
    if (isDialler) {
      while (!isStopped(dialler.child.pid as number)) await sleep(5)
      await attach(dialler, trace)
      dialler.child.kill('SIGCONT')
    }
    const dialled = await within(dialler)
    const listened = isOnce ? await within(listener) : await this.#idle(listener)
    const [sent, received] = this.#listening === 'sender' ? [listened, dialled] : [dialled, listened]
    const lines = (await (strace as Strace | null)?.detach()) ?? []
    return {
      ...{ sender: sent ?? null, receiver: received, events: this.events().slice(before), lines, threads },
      ...{ there: this.there(), staged: stagedIn(this.out), output: (this.receiver as Running).bytes('stdout') },
    }
  }

  there(): Record<string, string> {
    return withoutStaging(tellTree(this.out, { contentOnly: true }))
  }

  #count(name: TransferEvent['event']): number {
    return this.events().filter(({ event }) => event === name).length
  }

  /** Waits until the receiver has no connection any more. Returns its end if it has ended. */
  async #idle(receiver: Running): Promise<Outcome | undefined | null> {
    const until = Date.now() + 5_000
    while (this.#count('connected') > this.#count('ended') && !hasEnded(receiver) && Date.now() < until) await sleep(5)
    // It may not have noticed yet that a sender has gone.
    for (let turns = 0; turns < 100 && stagedIn(this.out).length > 0; turns++) await sleep(10)
    return hasEnded(receiver) ? await receiver.done : undefined
  }

  /** True if the receiver takes another transfer. */
  async isAlive(): Promise<boolean> {
    const before = this.#count('ended')
    const probe = { stream: Readable.from(['probe']), name: 'probe' }
    const ended = await send({
      ...{ sources: [probe], host: '127.0.0.1', port: Number(this.port), timeout: 5_000 },
      key: this.transfer.hasKey ? key : undefined,
    }).then(
      () => true,
      () => false,
    )
    // Its events must not be taken for those of the next transfer.
    for (let turns = 0; ended && turns < 500 && this.#count('ended') === before; turns++) await sleep(10)
    rmSync(join(this.out, 'probe'), { force: true })
    return ended
  }
}

/** How it ends; null if it has to be killed. */
export async function within(running: Running): Promise<Outcome | null> {
  const over = new AbortController()
  const hang = sleep(LIMIT, null, { signal: over.signal }).catch(() => null)
  const ended = await Promise.race([running.done, hang])
  over.abort()
  if (!ended) await running.kill('SIGKILL')
  return ended
}

function hasEnded({ child }: Running): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

export function isStopped(pid: number): boolean {
  return /\) [tT] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}
