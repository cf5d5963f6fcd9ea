/** strace(1), attached to single threads of a command that runs: it records calls, or makes one of them fail. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Thread = 'main' | 'pool'

/** What a call is about. Everything else that a process calls is of its runtime. */
export type Kind = 'file' | 'socket' | 'output'

/** One call of a transfer: the `when`th of its name in its thread since strace was attached. */
export interface Call {
  thread: Thread
  name: string
  when: number
  kind: Kind
  /** As strace shows it, with its result. */
  text: string
}

/** Why strace cannot be used here, or false. */
export function withoutStrace(): string | false {
  const { error, status, stderr } = spawnSync('strace', ['-o', '/dev/null', 'true'], { encoding: 'utf8' })
  if (error) return 'strace is not installed'
  return status === 0 ? false : `strace cannot trace here: ${stderr.trim().split('\n')[0]}`
}

/**
 * The threads of a command that was started with UV_THREADPOOL_SIZE=1 and has used its pool: the newest one is that of
 * the pool.
 */
export function threadsOf(pid: number): Record<Thread, number> {
  return { main: pid, pool: Math.max(...readdirSync(`/proc/${pid}/task`).map(Number)) }
}

let logs = 0

export class Strace {
  readonly #child: ChildProcess
  readonly #log: string
  readonly #ended: Promise<void>

  private constructor(child: ChildProcess, log: string) {
    this.#child = child
    this.#log = log
    this.#ended = new Promise((resolve) => child.once('close', () => resolve()))
  }

  /** Resolves once the threads are traced. */
  static async attach(threads: readonly number[], args: readonly string[]): Promise<Strace> {
    const log = join(tmpdir(), `strace-${process.pid}-${logs++}`)
    const all = ['-y', '-s', '96', '-o', log, ...args, ...threads.flatMap((thread) => ['-p', String(thread)])]
    const child = spawn('strace', all, { stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (bytes) => {
        said += bytes
        if (said.split(' attached').length > threads.length) resolve()
      })
      child.once('close', () => reject(new Error(`strace: ${said}`)))
    })
    return new Strace(child, log)
  }

  /** What it has recorded so far, a line each. */
  lines(): string[] {
    return readFileSync(this.#log, 'utf8').split('\n').filter(Boolean)
  }

  /** Ends it, unless what it traced has ended already. Returns what it has recorded. */
  async detach(): Promise<string[]> {
    this.#child.kill('SIGINT')
    await this.#ended
    const lines = this.lines()
    rmSync(this.#log)
    return lines
  }
}

/** Calls that a program makes for its own sake, whatever they are about. */
const ofTheRuntime = /^(?:epoll_|fcntl|readlink|mmap|munmap|lseek|getsockname|ioctl\(\d+<(?!socket))/

/** What the call is about, or null. `places` are the folders of the transfer. */
export function kindOf(text: string, places: readonly string[]): Kind | null {
  if (ofTheRuntime.test(text)) return null
  // The standard streams of a child of Node are sockets.
  if (/^writev?\(1</.test(text)) return 'output'
  if (/^\w+\([12]</.test(text)) return null
  if (/^(?:read|statx)\(0</.test(text)) return 'file'
  if (/^\w+\(0</.test(text)) return null
  if (/^\w+\(\d+<socket:/.test(text) || /^socket\(AF_INET/.test(text)) return 'socket'
  return places.some((place) => text.includes(place)) || text.includes('"/proc/self/fd/') ? 'file' : null
}

/** The calls of a transfer in what was recorded of these threads, in the order in which they began. */
export function callsIn(lines: readonly string[], threads: Record<Thread, number>, places: readonly string[]): Call[] {
  const calls: Call[] = []
  const counts = new Map<string, number>()
  for (const line of lines) {
    const [, id, text, name] = /^(\d+) +((\w+)\(.*)$/.exec(line) ?? []
    if (!id || !text || !name) continue
    const thread = Number(id) === threads.main ? 'main' : 'pool'
    const when = (counts.get(`${thread} ${name}`) ?? 0) + 1
    counts.set(`${thread} ${name}`, when)
    const kind = kindOf(text, places)
    if (kind !== null) calls.push({ thread, name, when, kind, text })
  }
  return calls
}

/** The calls, but of many that look alike only the first and the last. */
export function unlike(calls: readonly Call[]): Call[] {
  const alike = new Map<string, Call[]>()
  for (const call of calls) {
    const shape = `${call.thread} ${call.text.replace(/"[^"/][^"]*"|[0-9a-f]{8,}|\d+/g, '')}`.slice(0, 120)
    alike.set(shape, [...(alike.get(shape) ?? []), call])
  }
  const ends = new Set([...alike.values()].flatMap((group) => [group[0], group.at(-1)]))
  return calls.filter((call) => ends.has(call))
}
